//! What is void by its date goes when the record is next written.

use super::bury;
use crate::record::{Holdings, Signed, Tombstone};
use discreet_protocol::time::Timestamp;

/// Drops what is void at `now`. A mapping whose credential outlives it leaves a tombstone: it took the
/// place of earlier ones, and one of those may be valid for longer.
pub(super) fn tidy(held: &mut Holdings, now: Timestamp) {
    held.tombstones.retain(|tombstone| now < tombstone.until);
    let expired: Vec<_> = held.entries.iter().filter(|entry| entry.void_from() <= now).map(remains).collect();
    held.entries.retain(|entry| now < entry.void_from());
    for tombstone in expired.into_iter().filter(|tombstone| now < tombstone.until) {
        bury(held, tombstone);
    }
}

fn remains(entry: &Signed) -> Tombstone {
    Tombstone {
        authority: entry.credential.authority.clone(),
        holder: entry.credential.holder.to_bytes(),
        proved_at: entry.credential.proved_at,
        tag: Some(entry.mapping.tag.clone()),
        serial: entry.mapping.serial,
        until: entry.credential.expires,
        evidence: Vec::new(),
    }
}
