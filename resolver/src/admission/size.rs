//! What fits into a row, and into an answer.

use super::Refused;
use crate::record::{Holdings, Signed};
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;

/// Most bytes of mappings, statuses and URIs in one answer. An Encapsulated Response has 8192
/// bytes; this leaves room for framing and for a transparency proof of about 1.5 KB.
pub const MAX_ANSWER: usize = 6400;
/// What one mapping adds to an answer beside its own bytes and its URIs: its status, and lengths.
const ANSWER_OVERHEAD: usize = 180;

/// The record fits into its row, and what a sender may get for any tag into one answer.
pub(super) fn check(held: &mut Holdings) -> Result<(), Refused> {
    if !squeeze(held) {
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

/// Most bytes of the answer to a sender who asks for `tag`: from each authority the mapping for that
/// tag or for `Default`.
fn answer_size(held: &Holdings, tag: &Tag) -> usize {
    let mut sizes: Vec<(&Domain, usize)> = Vec::new();
    for entry in held.entries.iter().filter(|e| e.mapping.tag == *tag || e.mapping.tag.is_default()) {
        let authority = &entry.credential.authority;
        match sizes.iter_mut().find(|(known, _)| *known == authority) {
            Some((_, size)) => *size = (*size).max(share(entry)),
            None => sizes.push((authority, share(entry))),
        }
    }
    sizes.iter().map(|(_, size)| size).sum()
}

fn share(entry: &Signed) -> usize {
    let uris = entry.mapping.reaches.iter().map(|reach| reach.uri.as_str().len() + 2);
    entry.statement.len() + ANSWER_OVERHEAD + uris.sum::<usize>()
}
