//! Answers that are used again: until when, and only as long as they verify.

use super::*;
use crate::identity::{Draft, Taken};
use crate::storage::MemoryStorage;
use crate::testing::{NOW, attested, csi, domain, policy, reach};
use discreet_protocol::time::DAY;

const HOUR: u64 = 3600;

fn query() -> Query {
    Query { csi: csi(), tag: None }
}

/// What a directory says that serves one mapping, to be used for so many seconds.
fn serves(refresh_after: u64) -> (IdentifierResponse, VerifiableMapping) {
    let mut identity = attested();
    let draft = Draft { refresh_after, ..Draft::new(vec![reach("mimi://b.example/u/alice")]) };
    let mapping = identity.mapping(&draft, &policy(Vec::new()), NOW).unwrap();
    identity.conclude(Some(&draft.tag), &domain(), "https://a.example/dp", Taken::Yes);
    let uris = vec![MimiUri::new("mimi://b.example/u/alice").unwrap()];
    (IdentifierResponse { code: ResponseCode::Success, uris, mappings: vec![mapping.clone()] }, mapping)
}

fn kept(response: &IdentifierResponse) -> MemoryStorage {
    let storage = MemoryStorage::default();
    cache::keep(&storage, &domain(), &query(), &response.encode().unwrap(), NOW).unwrap();
    storage
}

fn recalled(storage: &MemoryStorage, now: Timestamp) -> Option<Recalled> {
    recall(&query(), policy(Vec::new()), storage, now).unwrap()
}

#[test]
fn an_answer_is_used_until_its_holder_wants_it_asked_anew() {
    let storage = kept(&serves(2 * DAY).0);
    for (later, is_there) in [(0, true), (2 * DAY - 1, true), (2 * DAY, false)] {
        assert_eq!(recalled(&storage, NOW.plus(later)).is_some(), is_there, "{later}");
    }
    let recalled = recalled(&storage, NOW.plus(DAY)).unwrap();
    assert_eq!(recalled.asked_at, NOW);
    assert_eq!(recalled.answer.mappings[0].fresh_until, NOW.plus(2 * DAY));
    assert_eq!(recalled.answer.mappings[0].services[0].uri.as_str(), "mimi://b.example/u/alice");
}

/// The authority's word is good for 72 hours, whatever the holder says.
#[test]
fn an_answer_is_not_used_beyond_its_status() {
    let storage = kept(&serves(7 * DAY).0);
    assert!(recalled(&storage, NOW.plus(72 * HOUR)).is_some());
    assert!(recalled(&storage, NOW.plus(72 * HOUR + 1)).is_none());
}

#[test]
fn an_answer_is_judged_by_todays_policy() {
    let storage = kept(&serves(DAY).0);
    let mut stricter = policy(Vec::new());
    stricter.authorities = discreet_protocol::policy::Authorities::default();
    assert!(recall(&query(), stricter, &storage, NOW).unwrap().is_none());
}

#[test]
fn an_answer_older_than_what_was_seen_since_is_not_used() {
    let (response, mapping) = serves(DAY);
    let storage = kept(&response);
    let mut later =
        policy(Vec::new()).verifier(NOW).verify(mapping.mapping(), mapping.status(), None).unwrap();
    later.mapping.serial += 1;
    let judged = trust::judge(&storage, &domain(), &later).unwrap();
    trust::remember(&storage, &judged).unwrap();
    assert!(recalled(&storage, NOW).is_none());
}

/// Nobody there, and somebody who wants to look so, are one answer: it is kept alike, for a day.
#[test]
fn absence_is_kept_for_a_day() {
    let storage = kept(&IdentifierResponse::empty(ResponseCode::NotFound));
    assert!(recalled(&storage, NOW.plus(DAY - 1)).unwrap().answer.mappings.is_empty());
    assert!(recalled(&storage, NOW.plus(DAY)).is_none());
}

#[test]
fn an_answer_from_the_future_is_not_used() {
    let storage = kept(&IdentifierResponse::empty(ResponseCode::NotFound));
    assert!(recalled(&storage, NOW.minus(1)).is_none());
}

#[test]
fn rejects_what_was_put_in_the_place_of_an_answer() {
    let (mut response, _) = serves(DAY);
    response.mappings[0] = VerifiableMapping::new(vec![0x84], vec![0x84]);
    assert!(recalled(&kept(&response), NOW).is_none());
    let storage = MemoryStorage::default();
    cache::keep(&storage, &domain(), &query(), b"\xff\xff", NOW).unwrap();
    assert!(recalled(&storage, NOW).is_none());
}
