//! The client without I/O: what to fetch, what to send, and what the answers mean.
//!
//! Phones bring their own HTTP stack and runtime; they call these four methods around it. All
//! types at this surface are owned and free of generics, so that they can be bound to other
//! languages.

use crate::answer::Answer;
use crate::error::{Error, GatewayError, RelayError};
use crate::exchange::{self, Pending, Query, RelayResponse};
use crate::policy::{Copy, Session, agree};
use crate::profile::{Profile, RELAYS_NEEDED, Relay, same_operator};
use crate::storage::Storage;
use discreet_envelope::OHTTP_REQUEST;
use discreet_protocol::policy::MEDIA_TYPE as POLICY_TYPE;
use discreet_protocol::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most bytes of a signed policy.
pub const MAX_POLICY: usize = discreet_protocol::statement::MAX_STATEMENT;
/// Bytes of a lookup's answer, always.
pub const MAX_ANSWER: usize = discreet_envelope::padding::RESPONSE_CONTENT;

/// A client of one discovery domain.
pub struct Core {
    profile: Profile,
    storage: Box<dyn Storage>,
    session: Mutex<Option<Session>>,
    /// Held while what was seen is compared and replaced.
    memory: Mutex<()>,
}

/// A document to GET before lookups can be sent.
#[derive(Clone, Debug)]
pub struct PolicyRequest {
    /// Where.
    pub url: String,
    relay: usize,
}

/// A lookup to POST.
pub struct Prepared {
    /// Where.
    pub url: String,
    /// The `content-type` to send; no other field may be added.
    pub content_type: &'static str,
    /// The content, always of one size.
    pub body: Vec<u8>,
    /// What the answer is opened with.
    pub pending: Pending,
}

impl Core {
    /// A client of `profile` that remembers in `storage`.
    pub fn new(profile: Profile, storage: Box<dyn Storage>) -> Self {
        Self { profile, storage, session: Mutex::new(None), memory: Mutex::new(()) }
    }

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
        let first = random_below(self.profile.relays.len())?;
        let others = self.profile.relays.iter().enumerate();
        let operator = self.profile.relays.get(first).map_or("", |relay| &relay.operator);
        let others: Vec<_> =
            others.filter(|(_, relay)| !same_operator(&relay.operator, operator)).map(|(at, _)| at).collect();
        let second = others.get(random_below(others.len())?).copied();
        // Never: the profile has relays of two operators.
        let second = second.ok_or(Error::Prepare("the profile has too few relays"))?;
        let request = |at: usize| {
            self.profile.relays.get(at).map(|relay| PolicyRequest { url: relay.policy_url(), relay: at })
        };
        Ok([first, second].into_iter().filter_map(request).collect())
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

    fn agree_on(&self, fetched: &[(PolicyRequest, RelayResponse)], now: Timestamp) -> Result<Session, Error> {
        let copies = fetched.iter().map(|(request, response)| self.copy(request, response));
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let copies: [Copy<'_>; RELAYS_NEEDED] =
            copies.try_into().map_err(|_| Error::Prepare("two copies of the policy are needed"))?;
        let [one, other] = &copies;
        if same_operator(&one.relay.operator, &other.relay.operator) {
            return Err(Error::Prepare("the copies of the policy must come through relays of two operators"));
        }
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        agree(&self.profile, &copies, self.storage.as_ref(), now)
    }

    /// Seals a query for a relay chosen at random.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, or the query cannot be sealed.
    pub fn prepare(&self, query: Query, now: Timestamp) -> Result<Prepared, Error> {
        let session = self.session().clone().filter(|session| now < session.policy.not_after);
        let session = session.ok_or(Error::Prepare("the policy has not been fetched"))?;
        let relay = self.profile.relays.get(random_below(self.profile.relays.len())?);
        let relay: &Relay = relay.ok_or(Error::Prepare("the profile has no relay"))?;
        let (body, pending) = exchange::seal(&session, query, relay.host())?;
        Ok(Prepared { url: relay.url.to_string(), content_type: OHTTP_REQUEST, body, pending })
    }

    /// Opens and verifies the answer to a prepared lookup.
    ///
    /// # Errors
    ///
    /// [`Error`], which says who is at fault. Nothing of a refused answer is returned or remembered.
    pub fn finish(
        &self,
        pending: Pending,
        response: &RelayResponse,
        now: Timestamp,
    ) -> Result<Answer, Error> {
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = pending.finish(response, self.storage.as_ref(), now);
        if matches!(answer, Err(Error::Gateway(GatewayError::Key)))
            && let Some(session) = self.session().as_mut()
        {
            // The next lookup fetches the policy anew; this one is not repeated (RFC 9458 §6.5).
            session.refresh_at = now;
        }
        answer
    }

    fn copy<'a>(&'a self, request: &PolicyRequest, response: &'a RelayResponse) -> Result<Copy<'a>, Error> {
        let relay = self.profile.relays.get(request.relay);
        let relay = relay.ok_or(Error::Prepare("the request is another client's"))?;
        let refuse = |error| Error::Relay { relay: relay.host(), error };
        if response.status != 200 {
            let title = exchange::problem_title(response);
            return Err(refuse(RelayError::Status { status: response.status, title }));
        }
        if response.content_type.as_deref() != Some(POLICY_TYPE) {
            return Err(refuse(RelayError::MediaType));
        }
        Ok(Copy { relay, bytes: &response.body })
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number below `bound`, evenly spread for the small bounds used here.
fn random_below(bound: usize) -> Result<usize, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Error::Prepare("the system gives no randomness"))?;
    let drawn = u64::from_le_bytes(bytes) % (bound.max(1) as u64);
    Ok(usize::try_from(drawn).unwrap_or(0))
}
