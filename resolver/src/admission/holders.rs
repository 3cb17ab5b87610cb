//! Under one authority an identifier has at most one holder: the key that proved it last.

use super::{Refused, same_authority};
use crate::record::{Holdings, Signed, Tombstone};
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

/// Of the tombstones of former holders remains what is needed: that nobody comes back who proved the
/// identifier before `new`. Where its credential outlives them, its own date says so, and they go.
pub(super) fn succeed(held: &mut Holdings, new: &Signed) {
    let Signed { credential, .. } = new;
    let is_former = |stone: &Tombstone| stone.authority == credential.authority && !stone.is_of(credential);
    let until = held.tombstones.iter().filter(|stone| is_former(stone)).map(|stone| stone.until).max();
    held.tombstones.retain(|stone| !is_former(stone));
    if let Some(until) = until.filter(|until| *until > credential.expires) {
        held.tombstones.push(Tombstone {
            authority: credential.authority.clone(),
            holder: credential.holder.to_bytes(),
            proved_at: credential.proved_at,
            tag: None,
            serial: 0,
            until,
            evidence: Vec::new(),
        });
    }
}

/// A new holder takes the place of all mappings of the one before him, under one authority.
pub(super) fn gives_way(held: &Signed, new: &Signed) -> bool {
    same_authority(held, new) && held.credential.holder != new.credential.holder
}
