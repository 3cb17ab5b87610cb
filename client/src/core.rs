//! The client without I/O: what to fetch, what to send, and what the answers mean.
//!
//! Phones bring their own HTTP stack and runtime; they call these methods around it. All types at
//! this surface are owned and free of generics, so that they can be bound to other languages.

use crate::answer::Answer;
use crate::error::{Error, GatewayError, RelayError};
use crate::exchange::{RelayResponse, Route};
use crate::lookup::{self, Looked, Pending, Query, Recalled};
use crate::policy::{self, Session};
use crate::profile::{Profile, Relay};
use crate::publishing::{self, Change, PendingChange};
use crate::random;
use crate::storage::Storage;
use discreet_envelope::OHTTP_REQUEST;
use discreet_protocol::policy::Policy;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::Token;
use std::sync::{Mutex, MutexGuard, PoisonError};

mod policies;
mod tokens;

pub use tokens::Batch;

/// Most bytes of a signed policy.
pub const MAX_POLICY: usize = discreet_protocol::statement::MAX_STATEMENT;
/// Bytes of a lookup's answer, always.
pub const MAX_ANSWER: usize = discreet_envelope::padding::RESPONSE_CONTENT;

/// A client of one discovery domain.
pub struct Core {
    profile: Profile,
    storage: Box<dyn Storage>,
    session: Mutex<Option<Session>>,
    /// Held while what was seen, or is in stock, is compared and replaced.
    memory: Mutex<()>,
    /// Tokens of operations none of whose bytes left this machine, in memory only.
    unsent: Mutex<Vec<Vec<Token>>>,
    fresh_tokens: bool,
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
    /// The `content-type` to send. No other field may be added, except the credentials that a relay wants.
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
    /// The `content-type` to send. No other field may be added, except the credentials that a relay wants.
    pub content_type: &'static str,
    /// The content, always of one size.
    pub body: Vec<u8>,
    /// What the answer is opened with.
    pub pending: PendingChange,
}

/// What became of a lookup.
pub enum Finished {
    /// It is answered, and the answer verified.
    Answer(Answer),
    /// Nothing was processed: the gateway wants a date (RFC 9458 §6.5.2). The same query, sealed anew
    /// with the date that the gateway gave, to be posted at once to the same relay. At most once.
    Again(Box<Prepared>),
}

/// What became of a publication or withdrawal.
pub enum FinishedChange {
    /// The directory has taken it in, durably.
    Taken,
    /// As [`Finished::Again`].
    Again(Box<PreparedChange>),
}

impl Core {
    /// A client of `profile` that remembers in `storage`.
    pub fn new(profile: Profile, storage: Box<dyn Storage>) -> Self {
        Self {
            profile,
            storage,
            session: Mutex::new(None),
            memory: Mutex::new(()),
            unsent: Mutex::default(),
            fresh_tokens: false,
        }
    }

    /// The policy in force, if one has been fetched and stands at `now`.
    pub fn policy(&self, now: Timestamp) -> Option<Policy> {
        self.standing(now).map(|session| session.policy).ok()
    }

    /// The answer that an earlier lookup of the same got, as long as it may be used: nothing is sent. It
    /// is verified anew, by the latest policy that was seen.
    ///
    /// # Errors
    ///
    /// When the storage cannot be read.
    pub fn recall(&self, query: &Query, now: Timestamp) -> Result<Option<Recalled>, Error> {
        let policy = match self.policy(now) {
            Some(policy) => Some(policy),
            None => policy::recall(&self.profile, self.storage.as_ref(), now)?,
        };
        let Some(policy) = policy else { return Ok(None) };
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        lookup::recall(query, policy, self.storage.as_ref(), now)
    }

    /// Seals a query for a relay chosen at random, with the tokens it costs. These are used from then
    /// on, whether it is posted or not.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, there are no tokens, or the query cannot be sealed.
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
        let route = self.route(avoid, now)?;
        let price = route.session.policy.prices.lookup;
        lookup::check(&query, &route, price)?;
        Prepared::new(query, self.pay(route, price, now)?)
    }

    /// The query of `pending` sealed anew for another relay, after the relay it was sealed for could
    /// not even be connected to: no byte of it was sent, so it is not repeated (RFC 9458 §6.5). At
    /// most once.
    ///
    /// # Errors
    ///
    /// [`RelayError::Unreachable`] when there is no other relay to try, or it cannot be sealed.
    pub fn prepare_elsewhere(&self, pending: Pending) -> Result<Prepared, Error> {
        let (query, route) = pending.unsent();
        Prepared::new(query, self.elsewhere(route)?)
    }

    /// Seals a publication or withdrawal for a relay chosen at random, but not through the relay
    /// resource `avoid`, nor another one of the same operator.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, the change does not fit the frame beside its
    /// tokens, or there are none.
    pub fn prepare_publish(
        &self,
        change: &Change,
        avoid: Option<&str>,
        now: Timestamp,
    ) -> Result<PreparedChange, Error> {
        let route = self.route(avoid, now)?;
        let prices = route.session.policy.prices;
        let price = match change {
            Change::Publish(_) => prices.publish,
            Change::Withdraw(_) => prices.withdraw,
        };
        publishing::check(change, &route, price)?;
        PreparedChange::new(change.clone(), self.pay(route, price, now)?)
    }

    /// As [`Core::prepare_elsewhere`], for a publication or withdrawal.
    ///
    /// # Errors
    ///
    /// As [`Core::prepare_elsewhere`].
    pub fn prepare_publish_elsewhere(&self, pending: PendingChange) -> Result<PreparedChange, Error> {
        let (change, route) = pending.unsent();
        PreparedChange::new(change, self.elsewhere(route)?)
    }

    /// Opens the answer to a prepared change.
    ///
    /// # Errors
    ///
    /// [`Error`]. Unless it is [`Error::Publish`], the change may have been taken in all the same.
    pub fn finish_publish(
        &self,
        pending: PendingChange,
        response: &RelayResponse,
        now: Timestamp,
    ) -> Result<FinishedChange, Error> {
        let outcome = pending.finish(response);
        self.note_key_trouble(outcome.as_ref().err(), now);
        Ok(match outcome? {
            None => FinishedChange::Taken,
            Some((change, route)) => FinishedChange::Again(Box::new(PreparedChange::new(change, *route)?)),
        })
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
    ) -> Result<Finished, Error> {
        let looked = {
            let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            pending.finish(response, self.storage.as_ref(), now)
        };
        self.note_key_trouble(looked.as_ref().err(), now);
        Ok(match looked? {
            Looked::Answer(answer) => Finished::Answer(answer),
            Looked::Again(query, route) => Finished::Again(Box::new(Prepared::new(query, *route)?)),
        })
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

    /// Under the policy in force, through a relay drawn at random.
    fn route(&self, avoid: Option<&str>, now: Timestamp) -> Result<Route, Error> {
        let session = self.standing(now)?;
        // Never: the profile has relays of two operators.
        let relay = self.relay(avoid, None)?.ok_or(Error::Prepare("the profile has no other relay"))?;
        Ok(Route {
            session,
            relay,
            avoid: avoid.map(str::to_owned),
            may_move: true,
            date: None,
            tokens: Vec::new(),
        })
    }

    /// The same through another relay, if this one may be left: once, and not with the date that a
    /// gateway gave through it.
    fn elsewhere(&self, route: Route) -> Result<Route, Error> {
        let may_move = route.may_move && route.date.is_none();
        let other = if may_move { self.relay(route.avoid.as_deref(), Some(&route.relay))? } else { None };
        match other {
            Some(relay) => Ok(Route { relay, may_move: false, ..route }),
            None => {
                self.give_up(&route);
                Err(Error::Relay { relay: route.relay.host(), error: RelayError::Unreachable })
            }
        }
    }

    /// A relay drawn at random, by another operator than that of the relay resource `avoid`, and not
    /// the one that `failed`.
    fn relay(&self, avoid: Option<&str>, failed: Option<&Relay>) -> Result<Option<Relay>, Error> {
        let relays = &self.profile.relays;
        let avoided = avoid.and_then(|url| relays.iter().find(|relay| relay.url == url));
        let allowed = |relay: &&Relay| {
            avoided.is_none_or(|avoided| !relay.is_run_with(avoided))
                && failed.is_none_or(|failed| relay.url != failed.url)
        };
        Ok(random::pick(relays.iter().filter(allowed))?.cloned())
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    pub(crate) fn new(query: Query, route: Route) -> Result<Self, Error> {
        let url = route.relay.url.to_string();
        let (body, pending) = lookup::seal(query, route)?;
        Ok(Self { url, content_type: OHTTP_REQUEST, body, pending })
    }
}

impl PreparedChange {
    fn new(change: Change, route: Route) -> Result<Self, Error> {
        let url = route.relay.url.to_string();
        let (body, pending) = publishing::seal(change, route)?;
        Ok(Self { url, content_type: OHTTP_REQUEST, body, pending })
    }
}

#[cfg(test)]
mod tests;
