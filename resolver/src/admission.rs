//! Which mappings a record takes in, once the chain of each has been verified: the rules of
//! design §6 on authorities, holders, tags and serials, and what fits into an answer.

use crate::record::{Entry, RECORD_SIZE, Record};
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;

/// Most bytes of mappings, statuses and URIs in one answer. An Encapsulated Response has 8192
/// bytes; this leaves room for framing and for a transparency proof of about 1.5 KB.
pub const MAX_ANSWER: usize = 6400;
/// What one mapping adds to an answer beside its own bytes and its URIs: its status, and lengths.
const ANSWER_OVERHEAD: usize = 180;
/// What a sealed record loses to nonce, tag and framing.
const RECORD_OVERHEAD: usize = 64;

/// What became of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is new.
    Added,
    /// It took the place of an earlier one.
    Replaced,
    /// It was there already.
    Unchanged,
}

/// Why a mapping was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The same key has published a higher serial for this tag.
    #[error("the directory holds a later mapping of this holder (higher serial)")]
    Superseded,
    /// The mapping's credential was proved earlier than that of the one it would replace.
    #[error("the directory holds a mapping of this holder under a later proof of the identifier")]
    OlderCredential,
    /// The same key has published another mapping under the same serial.
    #[error("the directory holds another mapping of this holder with the same serial")]
    SameSerial,
    /// Another key has proved control of the identifier later, or at the same moment.
    #[error("the directory holds a mapping by a key that proved the identifier later, or at the same time")]
    LaterHolder,
    /// A tag without `Default`.
    #[error("a mapping for another tag needs one for Default first")]
    NoDefault,
    /// The record or an answer would exceed its size.
    #[error("the mappings of this identifier would not fit into one answer")]
    TooLarge,
}

/// Takes `new` into `record`, or says why not; then the record is as before.
pub fn admit(record: &mut Record, new: Entry) -> Result<Admitted, Refused> {
    if record.entries.iter().any(|entry| entry.bytes == new.bytes) {
        return Ok(Admitted::Unchanged);
    }
    if record.entries.iter().any(|held| displaces_nobody(held, &new)) {
        return Err(Refused::LaterHolder);
    }
    if let Some(held) = record.entries.iter().find(|held| same_slot(held, &new)) {
        match new.mapping.serial.cmp(&held.mapping.serial) {
            std::cmp::Ordering::Less => return Err(Refused::Superseded),
            std::cmp::Ordering::Equal => return Err(Refused::SameSerial),
            std::cmp::Ordering::Greater => {}
        }
        if new.credential.proved_at < held.credential.proved_at {
            return Err(Refused::OlderCredential);
        }
    }
    let mut changed = record.clone();
    changed.entries.retain(|held| !gives_way(held, &new));
    let outcome =
        if changed.entries.len() < record.entries.len() { Admitted::Replaced } else { Admitted::Added };
    changed.entries.push(new);
    check_default(&changed)?;
    check_size(&changed)?;
    *record = changed;
    Ok(outcome)
}

fn same_authority(one: &Entry, other: &Entry) -> bool {
    one.credential.authority == other.credential.authority
}

/// Authority, key and tag are the same: the serial decides.
fn same_slot(held: &Entry, new: &Entry) -> bool {
    same_authority(held, new)
        && held.credential.holder == new.credential.holder
        && held.mapping.tag == new.mapping.tag
}

/// Under one authority another key must have proved the identifier later; ties refuse.
fn displaces_nobody(held: &Entry, new: &Entry) -> bool {
    same_authority(held, new)
        && held.credential.holder != new.credential.holder
        && new.credential.proved_at <= held.credential.proved_at
}

/// A new holder takes the place of all mappings of the one before him, under one authority.
fn gives_way(held: &Entry, new: &Entry) -> bool {
    same_slot(held, new) || (same_authority(held, new) && held.credential.holder != new.credential.holder)
}

fn check_default(record: &Record) -> Result<(), Refused> {
    let has_default = |entry: &Entry| {
        record.entries.iter().any(|other| same_authority(entry, other) && other.mapping.tag.is_default())
    };
    if record.entries.iter().all(has_default) { Ok(()) } else { Err(Refused::NoDefault) }
}

fn check_size(record: &Record) -> Result<(), Refused> {
    if record.encode().len() + RECORD_OVERHEAD > RECORD_SIZE {
        return Err(Refused::TooLarge);
    }
    let fits = |entry: &Entry| answer_size(record, &entry.mapping.tag) <= MAX_ANSWER;
    if record.entries.iter().all(fits) { Ok(()) } else { Err(Refused::TooLarge) }
}

/// Bytes of the answer to a sender who asks for `tag`.
fn answer_size(record: &Record, tag: &Tag) -> usize {
    let entries = select(record, tag).into_iter();
    entries
        .map(|entry| {
            let uris = entry.mapping.reaches.iter().map(|reach| reach.uri.as_str().len() + 2);
            entry.bytes.len() + ANSWER_OVERHEAD + uris.sum::<usize>()
        })
        .sum()
}

/// What a sender gets who asks for `tag`: from each authority the mapping for that tag, or the
/// one for `Default`.
pub fn select<'a>(record: &'a Record, tag: &Tag) -> Vec<&'a Entry> {
    let mut authorities: Vec<&Domain> = Vec::new();
    for entry in &record.entries {
        if !authorities.contains(&&entry.credential.authority) {
            authorities.push(&entry.credential.authority);
        }
    }
    let of = |authority: &Domain, wanted: &dyn Fn(&Tag) -> bool| {
        record
            .entries
            .iter()
            .find(|entry| entry.credential.authority == *authority && wanted(&entry.mapping.tag))
    };
    let chosen = authorities
        .into_iter()
        .map(|authority| of(authority, &|have| have == tag).or_else(|| of(authority, &Tag::is_default)));
    chosen.flatten().collect()
}

#[cfg(test)]
mod tests;
