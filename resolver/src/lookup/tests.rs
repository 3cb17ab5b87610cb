//! What senders get, and that the work for it tells nothing more.

use crate::fixture::*;
use crate::store::Table;
use discreet_protocol::query::ResponseCode;
use std::sync::{Arc, Mutex};

#[test]
fn a_sender_gets_the_mapping_for_his_tag_or_default() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    site.publish(alice.clone().reaching(&["mimi://work.example"]).content("Work", 1));
    assert_eq!(site.services(Some("Work")), ["mimi://work.example"]);
    assert_eq!(site.services(Some("Home")), ["mimi://b.example/u/alice"]);
    assert_eq!(site.services(None), ["mimi://b.example/u/alice"]);
}

#[test]
fn authorities_stand_side_by_side_in_the_answer() {
    let site = Site::new();
    site.publish(person(TWO, 2, 1).reaching(&["mimi://two.example"]).content("Default", 9));
    site.publish(person(ONE, 1, 10).reaching(&["mimi://one.example"]).content("Default", 1));
    assert_eq!(site.services(None), ["mimi://one.example", "mimi://two.example"]);
}

#[test]
fn a_void_tag_falls_back_to_default() {
    let mut site = Site::new();
    let alice = person(ONE, 1, 10);
    let mut work = alice.clone().reaching(&["mimi://work.example"]);
    work.not_after = NOW.start_of_day().plus(86_400);
    site.publish(alice.content("Default", 1));
    site.publish(work.content("Work", 1));
    assert_eq!(site.services(Some("Work")), ["mimi://work.example"]);
    site.clock.set(work.not_after.unix());
    assert_eq!(site.services(Some("Work")), ["mimi://b.example/u/alice"]);

    // The credential of the tag's mapping is revoked, the one of `Default` is another and stands.
    site = Site::new();
    let renewed = alice.clone().id([0x44; 16]).reaching(&["mimi://work.example"]);
    site.publish(alice.content("Default", 1));
    site.publish(renewed.content("Work", 1));
    let key = authority_key(ONE).verifying_key();
    crate::statuses::apply(&site.directory(), &domain(ONE), &key, NOW, &[renewed.revocation(NOW)]).unwrap();
    assert_eq!(site.services(Some("Work")), ["mimi://b.example/u/alice"]);
    crate::statuses::apply(&site.directory(), &domain(ONE), &key, NOW, &[alice.revocation(NOW)]).unwrap();
    assert_eq!(site.look_up(NUMBER, Some("Work")).code, ResponseCode::NotFound);
}

#[test]
fn whoever_wants_to_look_absent_does() {
    let site = Site::new();
    let mut alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    alice.hidden = true;
    site.publish(alice.content("Work", 1));
    let answer = site.look_up(NUMBER, Some("Work"));
    assert_eq!((answer.code, answer.mappings.len(), answer.uris.len()), (ResponseCode::NotFound, 0, 0));
    assert_eq!(site.services(None).len(), 1);
}

#[test]
fn no_lookup_tells_by_its_reads_what_there_is() {
    let mut site = Site::new();
    let at = |number: &str| person(ONE, 1, 10).at(number).id([number.as_bytes()[11]; 16]);
    let (one, many, hidden) = ("+14155550001", "+14155550002", "+14155550003");
    let (withdrawn, revoked, expired) = ("+14155550004", "+14155550005", "+14155550006");
    site.publish(at(one).content("Default", 1));
    for name in ["Default", "A", "B", "C", "Work"] {
        assert_eq!(site.publish(at(many).content(name, 1)).0, 204);
    }
    let mut absent = at(hidden);
    absent.hidden = true;
    site.publish(absent.content("Default", 1));
    site.publish(at(withdrawn).content("Default", 1));
    site.withdraw(at(withdrawn).withdrawal(None, 9));
    site.publish(at(revoked).content("Default", 1));
    let key = authority_key(ONE).verifying_key();
    let revocation = at(revoked).revocation(NOW);
    crate::statuses::apply(&site.directory(), &domain(ONE), &key, NOW, &[revocation]).unwrap();
    let mut short = at(expired);
    short.not_after = NOW.start_of_day().plus(86_400);
    site.publish(short.content("Default", 1));
    site.clock.set(short.not_after.unix());

    let reads = Arc::new(Mutex::new(Vec::new()));
    site.rewire(|store| Counting(store, Arc::clone(&reads)));
    for number in [one, many, hidden, withdrawn, revoked, expired, NUMBER] {
        for tag in [None, Some("Work"), Some("Other")] {
            reads.lock().unwrap().clear();
            site.look_up(number, tag);
            let reads = reads.lock().unwrap();
            // The table's first row stands in behind its last: a read more, for some labels, found or not.
            let mut distinct = reads.clone();
            distinct.dedup();
            assert_eq!(distinct, [Table::Records, Table::Statuses], "{number} {tag:?}");
        }
    }
}

#[test]
fn what_was_withdrawn_is_answered_as_what_never_was() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    site.withdraw(alice.withdrawal(None, 2));
    let answers = [NUMBER, "+14155559999"].map(|number| site.look_up(number, None).encode().unwrap());
    assert_eq!(hex::encode(&answers[0]), "01000000");
    assert_eq!(answers[0], answers[1]);
}
