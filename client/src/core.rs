//! The client without I/O: what to fetch, what to send, and what the answers mean.
//!
//! Phones bring their own HTTP stack and runtime; they call these methods around it. All types at
//! this surface are owned and free of generics, so that they can be bound to other languages.

use crate::answer::Answer;
use crate::error::{Error, GatewayError, RelayError};
use crate::exchange::{self, RelayResponse};
use crate::lookup::{self, Pending, Query};
use crate::policy::{Copy, Session, agree};
use crate::profile::{Profile, RELAYS_NEEDED, Relay, same_operator};
use crate::publishing::{self, Change, PendingChange};
use crate::random;
use crate::storage::Storage;
use discreet_envelope::OHTTP_REQUEST;
use discreet_protocol::policy::{MEDIA_TYPE as POLICY_TYPE, Policy};
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

/// A publication or withdrawal to POST, as [`Prepared`] is for lookups.
pub struct PreparedChange {
    /// Where: the relay resource, by which the caller can later avoid this relay.
    pub url: String,
    /// The `content-type` to send; no other field may be added.
    pub content_type: &'static str,
    /// The content, always of one size.
    pub body: Vec<u8>,
    /// What the answer is opened with.
    pub pending: PendingChange,
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
        let first = random::below(self.profile.relays.len())?;
        let others = self.profile.relays.iter().enumerate();
        let operator = self.profile.relays.get(first).map_or("", |relay| &relay.operator);
        let others: Vec<_> =
            others.filter(|(_, relay)| !same_operator(&relay.operator, operator)).map(|(at, _)| at).collect();
        let second = others.get(random::below(others.len())?).copied();
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

    /// The policy in force, if one has been fetched and stands at `now`.
    pub fn policy(&self, now: Timestamp) -> Option<Policy> {
        self.standing(now).map(|session| session.policy).ok()
    }

    /// Seals a query for a relay chosen at random.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, or the query cannot be sealed.
    pub fn prepare(&self, query: Query, now: Timestamp) -> Result<Prepared, Error> {
        self.prepare_avoiding(query, None, now)
    }

    /// As [`Core::prepare`], but not through the relay resource `avoid`, nor another one of the same
    /// operator.
    ///
    /// # Errors
    ///
    /// As [`Core::prepare`].
    pub fn prepare_avoiding(
        &self,
        query: Query,
        avoid: Option<&str>,
        now: Timestamp,
    ) -> Result<Prepared, Error> {
        let session = self.standing(now)?;
        let relay = self.relay(avoid)?;
        let (body, pending) = lookup::seal(&session, query, relay.host())?;
        Ok(Prepared { url: relay.url.to_string(), content_type: OHTTP_REQUEST, body, pending })
    }

    /// Seals a publication or withdrawal for a relay chosen at random, but not through the relay
    /// resource `avoid`, nor another one of the same operator.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, or the change does not fit the frame.
    pub fn prepare_publish(
        &self,
        change: &Change,
        avoid: Option<&str>,
        now: Timestamp,
    ) -> Result<PreparedChange, Error> {
        let session = self.standing(now)?;
        let relay = self.relay(avoid)?;
        let (body, pending) = publishing::seal(&session, change, relay.host())?;
        Ok(PreparedChange { url: relay.url.to_string(), content_type: OHTTP_REQUEST, body, pending })
    }

    /// Opens the answer to a prepared change: `Ok` once the directory has taken it in, durably.
    ///
    /// # Errors
    ///
    /// [`Error`]. Unless it is [`Error::Publish`], the change may have been taken in all the same.
    pub fn finish_publish(
        &self,
        pending: PendingChange,
        response: &RelayResponse,
        now: Timestamp,
    ) -> Result<(), Error> {
        let outcome = pending.finish(response);
        self.note_key_trouble(outcome.as_ref().err(), now);
        outcome
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
        self.note_key_trouble(answer.as_ref().err(), now);
        answer
    }

    /// The next request fetches the policy anew; this one is not repeated (RFC 9458 §6.5).
    fn note_key_trouble(&self, error: Option<&Error>, now: Timestamp) {
        if matches!(error, Some(Error::Gateway(GatewayError::Key)))
            && let Some(session) = self.session().as_mut()
        {
            session.refresh_at = now;
        }
    }

    fn standing(&self, now: Timestamp) -> Result<Session, Error> {
        let session = self.session().clone().filter(|session| now < session.policy.not_after);
        session.ok_or(Error::Prepare("the policy has not been fetched"))
    }

    /// A relay drawn at random, by another operator than that of the relay resource `avoid`.
    fn relay(&self, avoid: Option<&str>) -> Result<&Relay, Error> {
        let relays = &self.profile.relays;
        let avoided = avoid.and_then(|url| relays.iter().find(|relay| relay.url == url));
        let allowed =
            |relay: &&Relay| avoided.is_none_or(|avoided| !same_operator(&relay.operator, &avoided.operator));
        let allowed: Vec<_> = relays.iter().filter(allowed).collect();
        let drawn = allowed.get(random::below(allowed.len())?).copied();
        // Never: the profile has relays of two operators.
        drawn.ok_or(Error::Prepare("the profile has no other relay"))
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
