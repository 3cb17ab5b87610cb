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
    // The other relay has still to turn to the terms that are confirmed already: nothing to wait for.
    if are_same(&latest, &confirmed) {
        return Ok(latest);
    }
    if !are_same(older, &confirmed) || !may_turn(storage, directory_key, &latest, older, now)? {
        return Err(Error::RelaysDisagree);
    }
    let Policy { keys, prices, issuers, .. } = confirmed;
    Ok(Policy { keys, prices, issuers, ..latest })
}

/// Whether lookups by the one look like lookups by the other.
fn are_same(one: &Policy, other: &Policy) -> bool {
    one.keys == other.keys && one.prices == other.prices && one.issuers == other.issuers
}

/// Whether relays may be turning from the `older` terms to the latest.
fn may_turn(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    latest: &Policy,
    older: &Policy,
    now: Timestamp,
) -> Result<bool, StorageError> {
    // Policies begin a day before the day they are signed for, and no honest copy outlives its day: what is
    // older than the latest one's day was kept for whoever was away meanwhile.
    let day = latest.not_before.plus(DAY);
    let is_of_today = older.not_before >= latest.not_before || now < day.plus(TURNING);
    // What was noted a day ago and more was another change than this.
    let noted = trust::apart_since(storage, directory_key, &latest.domain)?;
    let since = noted.filter(|since| (*since..since.plus(DAY)).contains(&now)).unwrap_or(now);
    trust::keep_apart_since(storage, directory_key, &latest.domain, Some(since))?;
    Ok(is_of_today && now < since.plus(TURNING))
}
