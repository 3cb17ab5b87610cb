//! Answers that are kept until they must be asked for anew, so that looking twice sends once.
//!
//! What is kept is what the directory said, word for word; it is verified each time it is used
//! ([`crate::lookup::recall`]). This module knows nothing of that: it finds bytes by question.
//!
//! The storage cannot list what it holds, so the place of an entry follows from its question, and the
//! number of places bounds them all. Entries tell whom the user has looked up, as `seen.` does.

use crate::lookup::Query;
use crate::storage::{Storage, StorageError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Values in the storage that answers are kept in.
pub const CACHE_SETS: u16 = 1024;
/// Answers kept in each of them. Of more, the one asked for longest ago goes.
pub const CACHE_WAYS: usize = 8;
/// For how many seconds nobody is asked about again who was not found. That somebody looks absent is told
/// by the same answer, so it is kept as long.
pub const ABSENT_FRESH: u64 = DAY;

/// What the directory said, and when.
pub(crate) struct Kept {
    pub(crate) asked_at: Timestamp,
    /// An `IdentifierResponse`, unverified.
    pub(crate) response: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    question: String,
    asked_at: u64,
    response: String,
}

/// What was said to `query`, if it is still there.
pub(crate) fn find(
    storage: &dyn Storage,
    domain: &Domain,
    query: &Query,
) -> Result<Option<Kept>, StorageError> {
    let (place, question) = place(domain, query);
    let entry = load(storage, &place)?.into_iter().find(|entry| entry.question == question);
    Ok(entry.and_then(|entry| {
        let response = STANDARD_NO_PAD.decode(entry.response).ok()?;
        Some(Kept { asked_at: Timestamp::from_unix(entry.asked_at), response })
    }))
}

/// Keeps what was said to `query`.
pub(crate) fn keep(
    storage: &dyn Storage,
    domain: &Domain,
    query: &Query,
    response: &[u8],
    asked_at: Timestamp,
) -> Result<(), StorageError> {
    let (place, question) = place(domain, query);
    let mut entries = load(storage, &place)?;
    entries.retain(|entry| entry.question != question);
    entries.sort_by_key(|entry| entry.asked_at);
    let surplus = (entries.len() + 1).saturating_sub(CACHE_WAYS);
    entries.drain(..surplus);
    entries.push(Entry { question, asked_at: asked_at.unix(), response: STANDARD_NO_PAD.encode(response) });
    let damaged = |_| StorageError::Damaged { key: place.clone() };
    storage.store(&place, &serde_json::to_vec(&entries).map_err(damaged)?)
}

/// What is damaged counts as gone: unlike what protects against rollback, it is only asked for again.
fn load(storage: &dyn Storage, place: &str) -> Result<Vec<Entry>, StorageError> {
    let bytes = storage.load(place)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Where the answer to a question is kept, and the question itself, hashed.
fn place(domain: &Domain, query: &Query) -> (String, String) {
    let tag = query.tag.as_ref().filter(|tag| !tag.is_default());
    let question = Sha256::new()
        .chain_update(domain.as_str())
        .chain_update([0])
        .chain_update(query.csi.uri())
        .chain_update([0])
        .chain_update(tag.map(Tag::as_str).unwrap_or_default())
        .finalize();
    let [first, second, ..] = question.0;
    let set = u16::from_be_bytes([first, second]) % CACHE_SETS;
    (format!("answers.{set:03x}"), hex::encode(question))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;
    use crate::testing::{NOW, csi, domain};
    use discreet_protocol::identifier::Csi;
    use std::collections::BTreeSet;

    fn query(number: u32) -> Query {
        Query { csi: Csi::phone(&format!("+1415{number:07}")).unwrap(), tag: None }
    }

    fn said(storage: &MemoryStorage, query: &Query) -> Option<Vec<u8>> {
        find(storage, &domain(), query).unwrap().map(|kept| kept.response)
    }

    #[test]
    fn an_answer_is_found_by_domain_identifier_and_tag() {
        let storage = MemoryStorage::default();
        let asked = Query { csi: csi(), tag: None };
        keep(&storage, &domain(), &asked, b"one", NOW).unwrap();
        assert_eq!(said(&storage, &asked), Some(b"one".to_vec()));
        let default = Query { tag: Some(Tag::default_tag()), ..asked.clone() };
        assert_eq!(said(&storage, &default), Some(b"one".to_vec()), "the same question");

        let work = Query { tag: Some(Tag::new("Work").unwrap()), ..asked.clone() };
        assert_eq!(said(&storage, &work), None);
        assert_eq!(said(&storage, &query(7)), None);
        let elsewhere = Domain::new("other.example").unwrap();
        assert!(find(&storage, &elsewhere, &asked).unwrap().is_none());
    }

    #[test]
    fn a_later_answer_takes_the_place_of_the_earlier() {
        let storage = MemoryStorage::default();
        keep(&storage, &domain(), &query(1), b"one", NOW).unwrap();
        keep(&storage, &domain(), &query(1), b"two", NOW.plus(5)).unwrap();
        let kept = find(&storage, &domain(), &query(1)).unwrap().unwrap();
        assert_eq!((kept.response, kept.asked_at), (b"two".to_vec(), NOW.plus(5)));
    }

    #[test]
    fn each_place_holds_eight_and_there_are_1024() {
        let storage = MemoryStorage::default();
        let places = (0..20_000).map(|number| (place(&domain(), &query(number)).0, number));
        let all: BTreeSet<_> = places.clone().map(|(place, _)| place).collect();
        assert_eq!(all.len(), 1024);
        let together: Vec<_> = places.filter(|(place, _)| place == "answers.000").take(9).collect();
        assert_eq!(together.len(), 9);
        for (at, (_, number)) in together.iter().enumerate() {
            keep(&storage, &domain(), &query(*number), b"x", NOW.plus(at as u64)).unwrap();
        }
        let there = together.iter().filter(|(_, number)| said(&storage, &query(*number)).is_some());
        assert_eq!(there.count(), 8);
        assert_eq!(said(&storage, &query(together[0].1)), None, "the oldest has gone");
    }

    #[test]
    fn a_damaged_place_is_an_empty_one() {
        let storage = MemoryStorage::default();
        let (place, _) = place(&domain(), &query(1));
        for damage in [&b""[..], b"{", b"[{\"question\":1}]", b"\xff"] {
            storage.store(&place, damage).unwrap();
            assert_eq!(said(&storage, &query(1)), None);
            keep(&storage, &domain(), &query(1), b"one", NOW).unwrap();
            assert_eq!(said(&storage, &query(1)), Some(b"one".to_vec()));
        }
    }
}
