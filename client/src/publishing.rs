//! Publishing and withdrawing without I/O, in the same frame as a lookup.
//!
//! What is sent here has been signed elsewhere ([`crate::Identity`]); this module neither holds nor
//! needs a key of the user's.

use crate::error::{Error, PublishError};
use crate::exchange::{self, Opened, RelayResponse, Route, SealError, Sealed};
use bytes::Bytes;
use discreet_protocol::query::{VerifiableMapping, publish_path, withdraw_path};
use http::{Response, header::CONTENT_TYPE};

/// What a recipient tells a directory.
#[derive(Clone, Debug)]
pub enum Change {
    /// "I am reachable there": a mapping with its status.
    Publish(VerifiableMapping),
    /// "I am not, any more": a withdrawal statement.
    Withdraw(Withdrawal),
}

/// A withdrawal statement, whole. Its bytes would spell the identifier.
#[derive(Clone)]
pub struct Withdrawal(pub Vec<u8>);

/// A change on its way: what opens its answer. Consumed by that.
pub struct PendingChange {
    change: Change,
    sealed: Sealed,
}

/// Whether `change` fits beside `price` tokens.
pub(crate) fn check(change: &Change, route: &Route, price: u8) -> Result<(), Error> {
    let (path, content) = encode(change, route)?;
    exchange::check(route, &path, content, price).map_err(refuse)
}

/// Seals `change`: the content of the POST, and what its answer is opened with.
pub(crate) fn seal(change: Change, route: Route) -> Result<(Vec<u8>, PendingChange), Error> {
    let (path, content) = encode(&change, &route)?;
    let (body, sealed) = exchange::seal(route, &path, content).map_err(refuse)?;
    Ok((body, PendingChange { change, sealed }))
}

fn encode(change: &Change, route: &Route) -> Result<(String, Vec<u8>), Error> {
    let domain = &route.session.policy.domain;
    let (path, content) = match change {
        Change::Publish(mapping) => (publish_path(domain), mapping.encode()),
        Change::Withdraw(withdrawal) => (withdraw_path(domain), Some(withdrawal.0.clone())),
    };
    Ok((path, content.ok_or(Error::Prepare("the mapping cannot be encoded"))?))
}

fn refuse(error: SealError) -> Error {
    match error {
        SealError::TooLarge { size, room } => PublishError::TooLarge { size, room }.into(),
        SealError::Prepare(why) => Error::Prepare(why),
    }
}

impl PendingChange {
    /// Opens the relay's response: nothing once the directory has taken the change in, durably; or
    /// the change, to be sealed anew for the route.
    pub(crate) fn finish(self, response: &RelayResponse) -> Result<Option<(Change, Box<Route>)>, Error> {
        match self.sealed.open(response)? {
            Opened::Answer(inner) => Ok(judge(&inner).map(|()| None)?),
            Opened::Again(route) => Ok(Some((self.change, route))),
        }
    }

    /// What was to be said, and which way: for another relay, where this one was not reached.
    pub(crate) fn unsent(self) -> (Change, Route) {
        (self.change, self.sealed.route)
    }
}

fn judge(inner: &Response<Bytes>) -> Result<(), PublishError> {
    let content_type = inner.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let title = exchange::title_of(content_type, inner.body());
    Err(match inner.status().as_u16() {
        204 => return Ok(()),
        // Its issuer's budget is used up for today.
        status @ 429 => PublishError::Unavailable { status, title },
        status @ 400..500 => PublishError::Refused { status, title },
        status => PublishError::Unavailable { status, title },
    })
}

impl std::fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Withdrawal(…)")
    }
}

#[cfg(test)]
mod tests;
