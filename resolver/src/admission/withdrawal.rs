//! What a withdrawal takes away, and the tombstone it leaves.

use super::{Admitted, Refused, expiry, make_room, size};
use crate::record::{Holdings, Signed, Standing, Tombstone};
use discreet_protocol::credential::Credential;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use discreet_protocol::withdrawal::Withdrawal;

/// Most withdrawals of single tags that are kept for one key where they took nothing away.
const MAX_TAGS: usize = 4;

/// Takes away what `withdrawal` makes void and leaves a tombstone, also where there was nothing: what
/// is void must not be published later. `statement`: the withdrawal, whole; `standing`: the latest word
/// kept about its credential. One that is revoked still takes away, but leaves nothing where nothing was.
///
/// It touches nothing of another key. `Default` goes last, and a withdrawal that has nothing to add to
/// an earlier one changes nothing.
pub fn withdraw(
    held: &mut Holdings,
    withdrawal: &Withdrawal,
    credential: &Credential,
    statement: &[u8],
    standing: Option<&Standing>,
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
    expiry::tidy(&mut changed, now);
    let stood = changed.entries.len();
    let told =
        |stone: &Tombstone| stone.is_of(credential) && (stone.tag.is_none() || stone.tag == withdrawal.tag);
    let first = !changed.tombstones.iter().any(told);
    if !bury(&mut changed, tombstone) {
        return Ok(Admitted::Unchanged);
    }
    let took = changed.entries.len() < stood;
    if !took && standing.is_some_and(|standing| standing.revoked) {
        return Err(Refused::Revoked);
    }
    if !took && withdrawal.tag.is_some() && !size::leaves_room(&changed) {
        return Err(Refused::WithdrawAll);
    }
    if withdrawal.tag.as_ref().is_some_and(Tag::is_default) {
        check_default(&changed, credential)?;
    }
    // Beside more than three authorities a share is not certain. Where a tombstone has no room, a mapping
    // has none either.
    if !took && !size::squeeze(&mut changed) {
        return Ok(Admitted::Unchanged);
    }
    make_room(&mut changed);
    *held = changed;
    Ok(if took || first { Admitted::Withdrawn } else { Admitted::Noted })
}

/// Whether `withdrawal`, as people send it, may leave a tombstone: there may be any number of tags that
/// nothing stands under.
pub(crate) fn few_tags(
    held: &Holdings,
    withdrawal: &Withdrawal,
    credential: &Credential,
) -> Result<(), Refused> {
    let Some(tag) = &withdrawal.tag else { return Ok(()) };
    let stones = held.tombstones.iter().filter(|stone| stone.is_of(credential));
    let mut tags = stones.clone().filter_map(|stone| stone.tag.as_ref());
    let mine = |entry: &&Signed| {
        entry.credential.authority == credential.authority && entry.credential.holder == credential.holder
    };
    let stands = held.entries.iter().filter(mine).any(|entry| entry.mapping.tag == *tag);
    let covers = |stone: &Tombstone| stone.tag.is_none() && stone.serial >= withdrawal.serial;
    if stands
        || tags.clone().count() < MAX_TAGS
        || tags.any(|known| known == tag)
        || stones.clone().any(covers)
    {
        return Ok(());
    }
    Err(Refused::WithdrawAll)
}

/// Takes away every mapping and all evidence. For each key a tombstone remains, so that an old export
/// does not bring its mappings back; the key may publish again with a higher serial. Returns all
/// tombstones, also of earlier withdrawals: what a backup holds of those is to go, too.
pub fn erase(held: &mut Holdings, now: Timestamp) -> Vec<Tombstone> {
    expiry::tidy(held, now);
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
    for stone in stones {
        bury(held, stone);
    }
    make_room(held);
    held.tombstones.clone()
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

/// What `erasure` says is gone: the evidence of withdrawals that say as much. Returns whether there was any.
pub(crate) fn forget(held: &mut Holdings, erasure: &Tombstone) -> bool {
    let told = held.tombstones.iter_mut().filter(|known| known.covers(erasure));
    let mut forgot = false;
    for known in told.filter(|known| !known.evidence.is_empty()) {
        known.evidence.clear();
        forgot = true;
    }
    forgot
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
