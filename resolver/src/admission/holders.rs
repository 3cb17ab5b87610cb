//! Under one authority an identifier has at most one holder: the key that proved it last.

use super::{Refused, same_authority};
use crate::record::{Holdings, Signed};
use discreet_protocol::time::Timestamp;

/// Another key must have proved the identifier later than any that published or withdrew under the
/// same authority; ties refuse. So a former holder cannot come back, not even after the new one has
/// withdrawn everything. A date under another authority counts for nothing.
pub(super) fn check(held: &Holdings, new: &Signed) -> Result<(), Refused> {
    match latest_other(held, new) {
        Some(proved_at) if new.credential.proved_at <= proved_at => Err(Refused::LaterHolder),
        _ => Ok(()),
    }
}

/// When another key last proved the identifier, under the same authority.
fn latest_other(held: &Holdings, new: &Signed) -> Option<Timestamp> {
    let mappings = held.entries.iter().filter(|entry| same_authority(entry, new));
    let mappings = mappings.filter(|entry| entry.credential.holder != new.credential.holder);
    let stones = held.tombstones.iter().filter(|stone| stone.authority == new.credential.authority);
    let stones = stones.filter(|stone| !stone.is_of(&new.credential));
    mappings.map(|entry| entry.credential.proved_at).chain(stones.map(|stone| stone.proved_at)).max()
}

/// A new holder takes the place of all mappings of the one before him, under one authority.
pub(super) fn gives_way(held: &Signed, new: &Signed) -> bool {
    same_authority(held, new) && held.credential.holder != new.credential.holder
}
