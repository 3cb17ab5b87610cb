//! What a withdrawal takes away, and the tombstone it leaves.

use super::{Admitted, Refused, drop_expired, size};
use crate::record::{Holdings, Signed, Tombstone};
use discreet_protocol::credential::Credential;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use discreet_protocol::withdrawal::Withdrawal;

/// Takes away what `withdrawal` makes void and leaves a tombstone, also where there was nothing: what
/// is void must not be published later. `statement`: the withdrawal, whole.
///
/// It touches nothing of another key. `Default` goes last, and a withdrawal that has nothing to add to
/// an earlier one changes nothing.
pub fn withdraw(
    held: &mut Holdings,
    withdrawal: &Withdrawal,
    credential: &Credential,
    statement: &[u8],
    now: Timestamp,
) -> Result<Admitted, Refused> {
    let tombstone = Tombstone {
        authority: credential.authority.clone(),
        holder: credential.holder.to_bytes(),
        proved_at: credential.proved_at,
        tag: withdrawal.tag.clone(),
        serial: withdrawal.serial,
        until: credential.expires,
        evidence: statement.to_vec(),
    };
    match successor(held, credential) {
        // The later proof bars the former holder's mappings by itself.
        Some(proved_at) if proved_at > credential.proved_at => return Ok(Admitted::Unchanged),
        Some(proved_at) if proved_at == credential.proved_at => return Err(Refused::LaterHolder),
        _ => {}
    }
    let mut changed = held.clone();
    drop_expired(&mut changed, now);
    if !bury(&mut changed, tombstone) {
        return Ok(Admitted::Unchanged);
    }
    if withdrawal.tag.as_ref().is_some_and(Tag::is_default) {
        check_default(&changed, credential)?;
    }
    if !size::squeeze(&mut changed) {
        return Err(Refused::TooLarge);
    }
    *held = changed;
    Ok(Admitted::Withdrawn)
}

/// Takes away every mapping and all evidence. For each key a tombstone remains, so that an old export
/// does not bring its mappings back; the key may publish again with a higher serial. Returns the new
/// tombstones.
pub fn erase(held: &mut Holdings, now: Timestamp) -> Vec<Tombstone> {
    drop_expired(held, now);
    held.tombstones.iter_mut().for_each(|tombstone| tombstone.evidence.clear());
    let mut stones: Vec<Tombstone> = Vec::new();
    for entry in &held.entries {
        let stone = erasure(entry);
        match stones.iter_mut().find(|known| known.is_of(&entry.credential)) {
            Some(known) => {
                known.serial = known.serial.max(stone.serial);
                known.proved_at = known.proved_at.max(stone.proved_at);
                known.until = known.until.max(stone.until);
            }
            None => stones.push(stone),
        }
    }
    for stone in &stones {
        bury(held, stone.clone());
    }
    stones
}

fn erasure(entry: &Signed) -> Tombstone {
    Tombstone {
        authority: entry.credential.authority.clone(),
        holder: entry.credential.holder.to_bytes(),
        proved_at: entry.credential.proved_at,
        tag: None,
        serial: entry.mapping.serial.saturating_add(1),
        until: entry.credential.expires.max(entry.mapping.not_after),
        evidence: Vec::new(),
    }
}

/// Removes what `tombstone` makes void and keeps it, in place of tombstones it makes needless. `false`
/// if one that is there says as much already, and nothing changed.
pub(crate) fn bury(held: &mut Holdings, mut tombstone: Tombstone) -> bool {
    let standing = held.entries.len();
    let removed = held.entries.iter().filter(|entry| tombstone.voids(entry));
    let outlived = removed.map(|entry| entry.mapping.not_after.max(entry.credential.expires)).max();
    tombstone.until = tombstone.until.max(outlived.unwrap_or(tombstone.until));
    held.entries.retain(|entry| !tombstone.voids(entry));
    let covered = |known: &Tombstone| {
        known.covers(&tombstone) && known.until >= tombstone.until && known.proved_at >= tombstone.proved_at
    };
    if held.entries.len() == standing && held.tombstones.iter().any(covered) {
        return false;
    }
    let (needless, others) = held.tombstones.drain(..).partition(|known| tombstone.covers(known));
    held.tombstones = others;
    for known in needless as Vec<Tombstone> {
        tombstone.until = tombstone.until.max(known.until);
        tombstone.proved_at = tombstone.proved_at.max(known.proved_at);
    }
    held.tombstones.push(tombstone);
    true
}

/// When another key last proved the identifier under the same authority, by what is held of it.
fn successor(held: &Holdings, credential: &Credential) -> Option<Timestamp> {
    let others = held.entries.iter().map(|entry| &entry.credential);
    let others = others.filter(|other| other.authority == credential.authority);
    let mappings = others.filter(|other| other.holder != credential.holder).map(|other| other.proved_at);
    let stones = held.tombstones.iter().filter(|stone| stone.authority == credential.authority);
    mappings.chain(stones.filter(|stone| !stone.is_of(credential)).map(|stone| stone.proved_at)).max()
}

/// Without `Default` a sender who asks for another tag would get no answer.
fn check_default(held: &Holdings, credential: &Credential) -> Result<(), Refused> {
    let mine = |entry: &&Signed| {
        entry.credential.authority == credential.authority && entry.credential.holder == credential.holder
    };
    let mut tags = held.entries.iter().filter(mine).map(|entry| &entry.mapping.tag);
    if tags.clone().next().is_none() || tags.any(Tag::is_default) {
        return Ok(());
    }
    Err(Refused::DefaultNeeded)
}

#[cfg(test)]
mod tests;
