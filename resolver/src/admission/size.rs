//! What fits into a row, and into an answer.
//!
//! A row belongs to everybody whom an authority attests, so nobody may fill it: for three authorities a
//! share is kept free, [`share`] bytes of the row and [`ANSWER_SHARE`] of an answer, room for a mapping
//! for `Default` with one service and its key, and for a withdrawal. What they leave, one may use: five
//! mappings under one authority fit. The rule looks at what is held, not at what came first, so what
//! was held together can be imported again in any order.
//!
//! A withdrawal is not refused for room: what it takes away is larger than what it leaves, and where it
//! takes nothing away an authority has its share.

use super::Refused;
use crate::record::{Holdings, Signed, Tombstone};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::mapping::Tag;

/// Most bytes of mappings, statuses and URIs in one answer. An Encapsulated Response has 8192
/// bytes; this leaves room for framing and for a transparency proof of about 1.5 KB.
pub const MAX_ANSWER: usize = 6400;
/// What one mapping adds to an answer beside its own bytes and its URIs: its status, and lengths.
const ANSWER_OVERHEAD: usize = 180;
/// For how many authorities a share is kept free. A discovery provider names one or two for most numbers.
const SHARES: usize = 3;
/// Bytes of an answer that are kept for an authority.
const ANSWER_SHARE: usize = 800;

/// The record fits into its row, and what a sender may get for any tag into one answer, and room is left
/// for other authorities.
pub(super) fn check(held: &mut Holdings) -> Result<(), Refused> {
    if !squeeze(held) || !leaves_room(held) {
        return Err(Refused::TooLarge);
    }
    let fits = |entry: &Signed| answer_size(held, &entry.mapping.tag) <= MAX_ANSWER;
    if held.entries.iter().all(fits) { Ok(()) } else { Err(Refused::TooLarge) }
}

/// Whether the record fits into its row; the evidence of tombstones goes where it does not. They count
/// without it.
pub(super) fn squeeze(held: &mut Holdings) -> bool {
    while !held.fits() {
        match held.tombstones.iter_mut().find(|tombstone| !tombstone.evidence.is_empty()) {
            Some(tombstone) => tombstone.evidence.clear(),
            None => return false,
        }
    }
    true
}

/// Whether each authority uses no more than others leave it.
pub(super) fn leaves_room(held: &Holdings) -> bool {
    let mut sizes: Vec<(&Domain, usize)> = Vec::new();
    let entries = held.entries.iter().map(|entry| (&entry.credential.authority, entry.entry().size()));
    let stones = held.tombstones.iter().map(|stone| (&stone.authority, stone.size()));
    for (authority, size) in entries.chain(stones) {
        match sizes.iter_mut().find(|(known, _)| *known == authority) {
            Some((_, sum)) => *sum += size,
            // Whoever is attested next can still withdraw.
            None => sizes.push((authority, size + Tombstone::largest(authority))),
        }
    }
    with_shares(sizes.iter().map(|(_, size)| *size).collect(), share(&held.csi)) <= held.room()
}

/// Bytes of a row that are kept for an authority. A mapping spells the identifier twice.
fn share(csi: &Csi) -> usize {
    600 + 2 * csi.uri().len()
}

/// The sum of `sizes`, where the [`SHARES`] largest count as no less than `share`, also if there are fewer.
fn with_shares(mut sizes: Vec<usize>, share: usize) -> usize {
    sizes.resize(sizes.len().max(SHARES), 0);
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let counted = sizes.iter().enumerate();
    counted.map(|(place, size)| if place < SHARES { share.max(*size) } else { *size }).sum()
}

/// Most bytes of the answer to a sender who asks for `tag`: from each authority the mapping for that
/// tag or for `Default`.
fn answer_size(held: &Holdings, tag: &Tag) -> usize {
    let mut sizes: Vec<(&Domain, usize)> = Vec::new();
    for entry in held.entries.iter().filter(|e| e.mapping.tag == *tag || e.mapping.tag.is_default()) {
        let authority = &entry.credential.authority;
        match sizes.iter_mut().find(|(known, _)| *known == authority) {
            Some((_, size)) => *size = (*size).max(in_answer(entry)),
            None => sizes.push((authority, in_answer(entry))),
        }
    }
    with_shares(sizes.iter().map(|(_, size)| *size).collect(), ANSWER_SHARE)
}

fn in_answer(entry: &Signed) -> usize {
    let uris = entry.mapping.reaches.iter().map(|reach| reach.uri.as_str().len() + 2);
    entry.statement.len() + ANSWER_OVERHEAD + uris.sum::<usize>()
}
