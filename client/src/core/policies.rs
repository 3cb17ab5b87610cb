//! Which copies of the policy to fetch, and what they lead to.

use super::{Core, PolicyRequest};
use crate::error::{Error, RelayError};
use crate::exchange::{self, RelayResponse};
use crate::policy::{Copy, Session, agree};
#[cfg(feature = "transport")]
use crate::policy::{alone, check};
use crate::profile::{RELAYS_NEEDED, Relay};
use crate::random;
use discreet_protocol::policy::MEDIA_TYPE as POLICY_TYPE;
use discreet_protocol::time::Timestamp;
use std::sync::PoisonError;

impl Core {
    /// What must be fetched before [`Core::prepare`]: nothing while a policy stands, else the
    /// policy through two relays of different operators, chosen at random.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn policy_requests(&self, now: Timestamp) -> Result<Vec<PolicyRequest>, Error> {
        if self.session().as_ref().is_some_and(|session| now < session.refresh_at) {
            return Ok(Vec::new());
        }
        let relays = || self.profile.relays.iter().enumerate();
        let first = random::pick(relays())?;
        // Never: the profile has relays of two operators.
        let (first, relay) = first.ok_or(Error::Prepare("the profile has too few relays"))?;
        let others = relays().filter(|(_, other)| !other.is_run_with(relay));
        let (second, _) = random::pick(others)?.ok_or(Error::Prepare("the profile has too few relays"))?;
        Ok(vec![self.policy_request(first), self.policy_request(second)].into_iter().flatten().collect())
    }

    /// What to fetch instead, after the relay of one request could not be connected to: the policy
    /// through another relay than those `tried`, and of another operator than the one of `kept`.
    /// Nothing if the profile has none.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn policy_request_elsewhere(
        &self,
        tried: &[PolicyRequest],
        kept: &PolicyRequest,
    ) -> Result<Option<PolicyRequest>, Error> {
        let relays = &self.profile.relays;
        let kept = relays.get(kept.relay);
        let allowed = |(at, relay): &(usize, &Relay)| {
            tried.iter().all(|tried| tried.relay != *at) && kept.is_none_or(|kept| !relay.is_run_with(kept))
        };
        let drawn = random::pick(relays.iter().enumerate().filter(allowed))?;
        Ok(drawn.and_then(|(at, _)| self.policy_request(at)))
    }

    fn policy_request(&self, at: usize) -> Option<PolicyRequest> {
        self.profile.relays.get(at).map(|relay| PolicyRequest { url: relay.policy_url(), relay: at })
    }

    /// Takes in what [`Core::policy_requests`] asked for, in that order.
    ///
    /// # Errors
    ///
    /// When a relay failed, a policy does not verify, or the relays disagree. The client then has
    /// no policy and sends nothing.
    pub fn accept_policies(
        &self,
        fetched: &[(PolicyRequest, RelayResponse)],
        now: Timestamp,
    ) -> Result<(), Error> {
        let session = self.agree_on(fetched, now);
        *self.session() = session.as_ref().ok().cloned();
        session.map(drop)
    }

    /// The policy through every relay, in the profile's order.
    #[cfg(feature = "transport")]
    pub(crate) fn all_policy_requests(&self) -> Vec<PolicyRequest> {
        (0..self.profile.relays.len()).filter_map(|at| self.policy_request(at)).collect()
    }

    /// Whether a copy of the policy is good by itself.
    #[cfg(feature = "transport")]
    pub(crate) fn check_copy(
        &self,
        (request, response): &(PolicyRequest, RelayResponse),
        now: Timestamp,
    ) -> Result<(), Error> {
        check(&self.profile, &self.copy(request, response)?, now)
    }

    #[cfg(feature = "transport")]
    pub(crate) fn are_of_two_operators(&self, one: &PolicyRequest, other: &PolicyRequest) -> bool {
        let operator = |request: &PolicyRequest| self.profile.relays.get(request.relay);
        let (one, other) = (operator(one), operator(other));
        one.zip(other).is_some_and(|(one, other)| !one.is_run_with(other))
    }

    /// The rules and the key of one copy, compared with nothing: for questions about nobody.
    #[cfg(feature = "transport")]
    pub(crate) fn agree_alone(
        &self,
        (request, response): &(PolicyRequest, RelayResponse),
        now: Timestamp,
    ) -> Result<Session, Error> {
        let copy = self.copy(request, response)?;
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        alone(&self.profile, &copy, self.storage.as_ref(), now)
    }

    #[cfg(feature = "transport")]
    pub(crate) fn relay_at(&self, at: usize) -> Result<Relay, Error> {
        self.profile.relays.get(at).cloned().ok_or(Error::Prepare("the profile has no such relay"))
    }

    /// The rules and the key that two copies lead to.
    pub(crate) fn agree_on(
        &self,
        fetched: &[(PolicyRequest, RelayResponse)],
        now: Timestamp,
    ) -> Result<Session, Error> {
        let copies = fetched.iter().map(|(request, response)| self.copy(request, response));
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let copies: [Copy<'_>; RELAYS_NEEDED] =
            copies.try_into().map_err(|_| Error::Prepare("two copies of the policy are needed"))?;
        let [one, other] = &copies;
        if one.relay.is_run_with(other.relay) {
            return Err(Error::Prepare("the copies of the policy must come through relays of two operators"));
        }
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        agree(&self.profile, &copies, self.storage.as_ref(), now)
    }

    fn copy<'a>(&'a self, request: &PolicyRequest, response: &'a RelayResponse) -> Result<Copy<'a>, Error> {
        let relay = self.profile.relays.get(request.relay);
        let relay = relay.ok_or(Error::Prepare("the request is another client's"))?;
        let refuse = |error| Error::Relay { relay: relay.host(), error };
        if response.status != 200 {
            return Err(refuse(exchange::status_error(response)));
        }
        if response.content_type.as_deref() != Some(POLICY_TYPE) {
            return Err(refuse(RelayError::MediaType));
        }
        Ok(Copy { relay, bytes: &response.body })
    }
}
