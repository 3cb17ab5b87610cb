//! What is taken in, and each way of being refused: by the form, by the chain, by what the directory
//! holds, by a disk that is full.

use crate::fixture::*;
use bytes::Bytes;
use discreet_protocol::SigningKey;
use discreet_protocol::query::{ResponseCode, VerifiableMapping};
use discreet_protocol::statement::{Claims, Fields, sign};
use discreet_protocol::time::{DAY, Timestamp};
use http::Request;
use std::sync::Barrier;

mod bounds;

const OK: (u16, String) = (204, String::new());

const OLD_STATUS: &str = "the credential's status is older than 48 hours; get a fresh one from the authority \
     (`discreet credential refresh`) and publish again";

fn refused(status: u16, title: &str) -> (u16, String) {
    (status, title.to_owned())
}

#[test]
fn what_is_published_is_found_by_the_next_lookup() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.look_up(NUMBER, None).code, ResponseCode::NotFound);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    let answer = site.look_up(NUMBER, None);
    assert_eq!(answer.uris[0].as_str(), "mimi://b.example/u/alice");
    assert_eq!(answer.mappings[0].mapping(), alice.mapping("Default", 5));
    assert_eq!(answer.mappings[0].status(), alice.status(NOW));
}

#[test]
fn publishing_again_what_is_there_changes_nothing() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    let version = site.directory().record(alice.csi()).unwrap().version;
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    assert_eq!(site.directory().record(alice.csi()).unwrap().version, version);
}

#[test]
fn a_higher_serial_replaces_and_the_order_is_the_recipients() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    let uris = ["mimi://c.example/d/phone", "mimi://b.example", "mimi://a.example/u/al"];
    assert_eq!(site.publish(alice.reaching(&uris).content("Default", 6)), OK);
    assert_eq!(site.services(None), uris);
}

#[test]
fn rejects_an_old_serial_replayed() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    assert_eq!(site.publish(alice.content("Default", 6)), OK);
    let title = "the directory holds a later mapping of this holder (higher serial)";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(409, title));
}

#[test]
fn rejects_a_mapping_for_another_provider() {
    // A mapping looked up at one provider cannot be published at another.
    let site = Site::new();
    let mut alice = person(ONE, 1, 10);
    alice.audience = vec![domain("other.example")];
    let title = "the mapping is for another discovery domain";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(422, title));
    assert_eq!(site.withdraw(alice.withdrawal(None, 9)), refused(422, title));
}

#[test]
fn rejects_a_key_whose_credential_names_another_identifier() {
    let site = Site::new();
    let mallory = person(ONE, 1, 10).at("+14155550199");
    let mut claims = mallory.claims("Default", 5);
    claims.csi = phone(NUMBER);
    let mapping = sign(&claims, &mallory.holder);
    let content = VerifiableMapping::new(mapping, mallory.status(NOW)).encode().unwrap();
    let title = "the credential is for another identifier than the mapping";
    assert_eq!(site.publish(content), refused(422, title));
    let mut claims = mallory.withdrawal_claims(None, 5);
    claims.csi = phone(NUMBER);
    assert_eq!(site.withdraw(sign(&claims, &mallory.holder)), refused(422, title));
}

#[test]
fn rejects_a_credential_from_the_future() {
    let site = Site::new();
    let mut alice = person(ONE, 1, 10);
    alice.credential.proved_at = NOW.plus(301);
    let title = "the credential's times contradict each other or lie in the future";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(422, title));
}

#[test]
fn a_clock_five_minutes_off_is_accepted() {
    let site = Site::new();
    let mut alice = person(ONE, 1, 10);
    alice.credential.proved_at = NOW.plus(300);
    let status = alice.status(NOW.plus(300));
    let content = VerifiableMapping::new(alice.mapping("Default", 5), status).encode().unwrap();
    assert_eq!(site.publish(content), OK);
}

#[test]
fn rejects_a_credential_of_a_self_made_authority() {
    let site = Site::new();
    let mut alice = person(ONE, 1, 10);
    alice.credential.authority = domain("three.authority.example");
    let title = "the credential is by an authority that the policy does not name";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(422, title));
    alice.credential.authority = domain(ONE);
    let mut claims = alice.claims("Default", 5);
    claims.credential = sign(&alice.credential, &SigningKey::from_bytes(&[99; 32]));
    let mapping = sign(&claims, &alice.holder);
    let content = VerifiableMapping::new(mapping, alice.status(NOW)).encode().unwrap();
    let title = "credential: the signature does not verify under the expected key";
    assert_eq!(site.publish(content), refused(422, title));
}

#[test]
fn rejects_a_forged_signature_of_the_holder() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    let forged = sign(&alice.claims("Default", 5), &SigningKey::from_bytes(&[99; 32]));
    let content = VerifiableMapping::new(forged, alice.status(NOW)).encode().unwrap();
    let title = "mapping: the signature does not verify under the expected key";
    assert_eq!(site.publish(content), refused(422, title));
    let forged = sign(&alice.withdrawal_claims(None, 5), &SigningKey::from_bytes(&[99; 32]));
    let title = "withdrawal: the signature does not verify under the expected key";
    assert_eq!(site.withdraw(forged), refused(422, title));
}

#[test]
fn rejects_a_mapping_of_a_megabyte() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    let content = VerifiableMapping::new(vec![0x84; 1 << 20], alice.status(NOW)).encode().unwrap();
    let title = "mapping: the statement is longer than any statement may be";
    assert_eq!(site.publish(content), refused(400, title));
    let title = "withdrawal: the statement is longer than any statement may be";
    assert_eq!(site.withdraw(vec![0x84; 1 << 20]), refused(400, title));
}

#[test]
fn rejects_ten_thousand_reaches() {
    let site = Site::new();
    let alice = person(ONE, 1, 10).reaching(&["mimi://b"; 10_000]);
    assert_eq!(site.publish(alice.content("Default", 5)).0, 400);
    let alice = alice.reaching(&["mimi://b"; 17]);
    let title = "mapping: the statement's claims cannot be read";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(400, title));
    let alice = alice.reaching(&["mimi://b"; 16]);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
}

#[test]
fn rejects_a_tag_with_control_characters() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    let ciborium::Value::Map(mut claims) = alice.claims("Work", 5).to_cbor() else { panic!("a map") };
    // The claim 3 is the tag; the holder signs it all the same.
    claims[2].1 = "Wo\u{1b}k".into();
    let mapping = sign(&Bent(ciborium::Value::Map(claims)), &alice.holder);
    let content = VerifiableMapping::new(mapping, alice.status(NOW)).encode().unwrap();
    let title = "mapping: the statement's claims cannot be read";
    assert_eq!(site.publish(content), refused(400, title));
}

#[test]
fn rejects_what_is_no_mapping() {
    let site = Site::new();
    let title = "the content is not a mapping with its status";
    for content in [&b""[..], b"\x01", b"\x01\x00\x00\x00", b"{\"mapping\":\"\"}"] {
        assert_eq!(site.publish(content.to_vec()), refused(400, title));
    }
    let content = VerifiableMapping::new(b"no".to_vec(), Vec::new()).encode().unwrap();
    let title = "mapping: the statement is not a COSE_Sign1 structure";
    assert_eq!(site.publish(content), refused(400, title));
    let title = "withdrawal: the statement is not a COSE_Sign1 structure";
    assert_eq!(site.withdraw(Vec::new()), refused(400, title));
    let title = "withdrawal: the statement is of another type, or names another algorithm than Ed25519";
    assert_eq!(site.withdraw(person(ONE, 1, 10).mapping("Default", 1)), refused(400, title));
}

#[test]
fn rejects_other_methods() {
    let site = Site::new();
    for resource in ["identifierQuery", "mappings", "withdrawals"] {
        let uri = format!("https://{DOMAIN}/v1/{resource}/{DOMAIN}");
        let request = Request::builder().method("PUT").uri(uri).body(Bytes::new()).unwrap();
        let response = site.resolver.answer(request);
        assert_eq!((response.status().as_u16(), response.headers()["allow"].as_bytes()), (405, &b"POST"[..]));
    }
}

#[test]
fn a_stale_or_missing_status_is_made_up_for_by_the_kept_one() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    let with = |serial, status| VerifiableMapping::new(alice.mapping("Default", serial), status).encode();
    let stale = alice.status(NOW.minus(4 * DAY));
    assert_eq!(site.publish(with(5, stale.clone()).unwrap()), refused(422, OLD_STATUS));
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    assert_eq!(site.publish(with(6, stale).unwrap()), OK);
    assert_eq!(site.publish(with(7, Vec::new()).unwrap()), OK);
    assert_eq!(site.look_up(NUMBER, None).mappings[0].status(), alice.status(NOW));
}

#[test]
fn an_authority_silent_for_a_week_stops_publishing_but_not_withdrawing() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    site.clock.advance(7 * DAY);
    let content = VerifiableMapping::new(alice.mapping("Default", 6), Vec::new()).encode().unwrap();
    assert_eq!(site.publish(content), refused(422, OLD_STATUS));
    assert_eq!(site.services(None).len(), 1, "clients judge the status");
    assert_eq!(site.withdraw(alice.withdrawal(None, 6)), OK);
    assert_eq!(site.services(None).len(), 0);
}

#[test]
fn rejects_what_would_not_fit_into_one_answer() {
    let site = Site::new();
    let long: Vec<_> = (0..15).map(|n| format!("mimi://b.example/u/{n:0200}")).collect();
    let long: Vec<_> = long.iter().map(String::as_str).collect();
    let alice = person(ONE, 1, 10).reaching(&long);
    let title = "the mappings of this identifier would not fit into one answer";
    assert_eq!(site.publish(alice.content("Default", 5)), refused(413, title));
}

#[test]
fn of_two_publishes_racing_with_one_serial_one_is_refused() {
    let site = Site::new();
    for serial in 1..=20 {
        let barrier = Barrier::new(2);
        let race = |uri| {
            let content = person(ONE, 1, 10).reaching(&[uri]).content("Default", serial);
            barrier.wait();
            site.publish(content)
        };
        let outcomes = std::thread::scope(|scope| {
            let racers = ["mimi://b.example", "mimi://c.example"].map(|uri| scope.spawn(move || race(uri)));
            racers.map(|racer| racer.join().unwrap())
        });
        let title = "the directory holds another mapping of this holder with the same serial";
        let mut outcomes = outcomes.to_vec();
        outcomes.sort();
        assert_eq!(outcomes, [OK, refused(409, title)]);
    }
}

#[test]
fn two_hundred_publishers_at_once_are_all_served() {
    let site = Site::new();
    let people: Vec<_> = (0..200u64)
        .map(|n| person(ONE, 1, 10).at(&format!("+1415555{n:04}")).content("Default", 1))
        .collect();
    std::thread::scope(|scope| {
        for some in people.chunks(25) {
            scope.spawn(|| some.iter().for_each(|content| assert_eq!(site.publish(content.clone()), OK)));
        }
    });
    assert_eq!(site.export().lines().count(), 200);
}

#[test]
fn a_full_disk_refuses_publishing_and_lookups_go_on() {
    let mut site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    site.rewire(|store| {
        store.limit_pages(1);
        store
    });
    let title = "the directory cannot take anything in now; try again later";
    let mut filled = false;
    for n in 0..40u64 {
        let bob = person(ONE, 2, 10).at(&format!("+1415555{n:04}"));
        let published = site.publish(bob.content("Default", 1));
        assert!(published == OK || published == refused(503, title), "{published:?}");
        filled |= published.0 == 503;
    }
    assert!(filled);
    assert_eq!(site.services(None), ["mimi://b.example/u/alice"]);
    assert!(!site.log.text().contains("4155"), "the log names nobody");
    assert!(site.log.text().contains("the disk is full"));
}

#[test]
fn the_metrics_do_not_tell_outcomes_apart() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 5));
    site.publish(alice.content("Default", 5));
    site.withdraw(alice.withdrawal(None, 9));
    site.withdraw(alice.withdrawal(None, 9));
    site.publish(alice.content("Default", 5));
    site.look_up(NUMBER, None);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &site.registry).unwrap();
    for line in [
        "resolver_operations_total{operation=\"Publish\",outcome=\"Answered\"} 2",
        "resolver_operations_total{operation=\"Withdraw\",outcome=\"Answered\"} 2",
        "resolver_operations_total{operation=\"Publish\",outcome=\"Refused\"} 1",
        "resolver_operations_total{operation=\"Lookup\",outcome=\"Answered\"} 1",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_status_later_than_the_kept_one_takes_its_place() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 5));
    let later = alice.status(Timestamp::from_unix(NOW.unix() + 60));
    let content = VerifiableMapping::new(alice.mapping("Default", 5), later.clone()).encode().unwrap();
    assert_eq!(site.publish(content), OK);
    assert_eq!(site.look_up(NUMBER, None).mappings[0].status(), later);
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    assert_eq!(site.look_up(NUMBER, None).mappings[0].status(), later);
}

#[test]
fn at_rest_nobody_is_named_published_or_withdrawn() {
    let site = Site::new();
    let (alice, bob) = (person(ONE, 1, 10), person(TWO, 2, 10).at("+14155550199"));
    site.publish(alice.content("Default", 5));
    site.publish(bob.content("Default", 5));
    site.withdraw(alice.withdrawal(None, 9));
    let files = ["directory.db", "directory.db-wal", "directory.db.journal"];
    for file in files {
        let bytes = std::fs::read(site.path(file)).unwrap();
        let keys = [alice.holder.verifying_key().to_bytes(), bob.holder.verifying_key().to_bytes()];
        let clear = [&b"41555501"[..], b"mimi://", b"authority.example", &keys[0], &keys[1]];
        for clear in clear {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear), "{file}");
        }
    }
}

/// A mapping whose claims were changed past what the library lets one write.
struct Bent(ciborium::Value);

impl Claims for Bent {
    const CONTENT_TYPE: &'static str = "application/discreet-mapping+cbor";

    fn to_cbor(&self) -> ciborium::Value {
        self.0.clone()
    }

    fn from_cbor(_: &mut Fields) -> Option<Self> {
        None
    }
}

/// 1,000 people publish at the same moment: they wait for the disk together.
#[test]
fn a_thousand_concurrent_publishes_take_far_fewer_synchronisations() {
    let site = Site::new();
    let contents: Vec<_> =
        (0..1000u32).map(|n| person(ONE, 1, 10).at(&format!("+1415{n:07}")).content("Default", 5)).collect();
    let before = site.directory().syncs();
    let start = std::sync::Barrier::new(contents.len());
    std::thread::scope(|scope| {
        for content in contents {
            let (site, start) = (&site, &start);
            scope.spawn(move || {
                start.wait();
                assert_eq!(site.publish(content), OK);
            });
        }
    });
    let syncs = site.directory().syncs() - before;
    assert!(syncs < 250, "{syncs} synchronisations");
    println!("{syncs} synchronisations for 1,000 publishes");
}
