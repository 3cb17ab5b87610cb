//! The terms of a policy: what of it a lookup shows to whoever opens it. By its key, by how many tokens pay for
//! it, and by whose. Everybody must go by the same, or the terms tell clients apart.
//!
//! Terms are used only if two relays have handed them out alike, now or the last time they did. So neither a
//! relay alone, nor the owner of the directory key with one relay's help, can have a client go by terms of its
//! own: not by a later policy, nor by an older one that is still valid.

use super::SESSION_LIFETIME;
use crate::error::Error;
use crate::storage::{Storage, StorageError};
use crate::trust::{self, Kept};
use discreet_protocol::VerifyingKey;
use discreet_protocol::policy::Policy;
use discreet_protocol::time::{DAY, Timestamp};

/// How long relays may honestly hand out different terms, in seconds: a copy lives for an hour, and a client
/// may have looked just before it ended.
const TURNING: u64 = 3600 + SESSION_LIFETIME;

/// The rules of the `latest` policy under the terms that both relays vouch for.
///
/// While relays turn to other terms, those that were confirmed last go on: as long as one of the two still
/// hands them out, and for [`TURNING`] at most. Who has none that were confirmed, waits until relays agree.
pub(crate) fn settle(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    (latest, signed): (Policy, &[u8]),
    older: &Policy,
    now: Timestamp,
) -> Result<Policy, Error> {
    if are_same(&latest, older) {
        trust::keep_policy(storage, directory_key, &latest, signed, Kept::Confirmed)?;
        trust::keep_apart_since(storage, directory_key, &latest.domain, None)?;
        return Ok(latest);
    }
    let confirmed = trust::kept_policy(storage, directory_key, &latest.domain, Kept::Confirmed)?;
    let confirmed = confirmed.ok_or(Error::RelaysDisagree)?;
    // The other relay has still to turn to the terms that are confirmed already, or both are turning to others.
    let goes_on =
        are_same(&latest, &confirmed) || are_same(older, &confirmed) && may_lag(older, &latest, now);
    if !goes_on || !are_turning(storage, directory_key, &latest, now)? {
        return Err(Error::RelaysDisagree);
    }
    let Policy { keys, prices, issuers, .. } = confirmed;
    Ok(Policy { keys, prices, issuers, ..latest })
}

/// Whether lookups by the one look like lookups by the other.
fn are_same(one: &Policy, other: &Policy) -> bool {
    one.keys == other.keys && one.prices == other.prices && one.issuers == other.issuers
}

/// Whether an honest relay may still have the `older` copy. Policies begin a day before the day they are signed
/// for, and no honest copy outlives its day: what is older was kept for whoever was away meanwhile.
fn may_lag(older: &Policy, latest: &Policy, now: Timestamp) -> bool {
    let is_of_yesterday = older.not_before.plus(DAY) >= latest.not_before;
    let day = latest.not_before.plus(DAY);
    older.not_before >= latest.not_before || is_of_yesterday && now < day.plus(TURNING)
}

/// Whether relays have not been apart for longer than it takes to turn. Only when they agree again is that
/// forgotten: later serials prove nothing, whoever has the directory key makes as many as are wanted.
fn are_turning(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    latest: &Policy,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let noted = trust::apart_since(storage, directory_key, &latest.domain)?;
    // A clock that was ahead when it was noted must not make it last.
    let since = noted.filter(|since| *since <= now).unwrap_or(now);
    trust::keep_apart_since(storage, directory_key, &latest.domain, Some(since))?;
    Ok(now < since.plus(TURNING))
}
