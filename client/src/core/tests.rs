//! Where a request goes when a relay cannot be reached, and that it is never the same bytes.

use super::*;
use crate::error::PublishError;
use crate::publishing::Withdrawal;
use crate::storage::MemoryStorage;
use crate::testing::{NOW, core, csi, profile};
use discreet_envelope::keys::Kem;
use http::HeaderValue;
use std::collections::BTreeSet;

fn query() -> Query {
    Query { csi: csi(), tag: None }
}

fn unreachable<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Relay { relay, error: RelayError::Unreachable }) => relay,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it goes on"),
    }
}

#[test]
fn c33_a_lookup_goes_to_another_relay_once_and_freshly_sealed() {
    let core = core(Kem::X25519);
    let mut then = BTreeSet::new();
    for _ in 0..200 {
        let first = core.prepare(query(), NOW).unwrap();
        let (url, sealed) = (first.url, first.body);
        let second = core.prepare_elsewhere(first.pending).unwrap();
        assert_ne!(second.url, url);
        // RFC 9458 §4.3: seven bytes of header, then `enc`.
        assert_ne!(second.body[7..39], sealed[7..39]);
        assert_eq!(second.body.len(), 4096);
        let host = second.url.clone();
        then.insert((url, second.url));
        assert!(host.contains(&unreachable(core.prepare_elsewhere(second.pending))));
    }
    assert_eq!(then.len(), 6, "each of three relays, then each of the others");
}

#[test]
fn c33_no_relay_to_be_avoided_stands_in() {
    let core = core(Kem::X25519);
    // The only relay that is not of its operator.
    let only = core.prepare_avoiding(query(), Some("https://a.example/dp"), NOW).unwrap();
    assert_eq!(unreachable(core.prepare_elsewhere(only.pending)), "b.example");
    for _ in 0..32 {
        let first = core.prepare_avoiding(query(), Some("https://b.example/dp"), NOW).unwrap();
        let second = core.prepare_elsewhere(first.pending).unwrap();
        assert!(second.url.starts_with("https://a") && second.url != first.url, "{}", second.url);
    }
}

#[test]
fn c33_a_policy_is_fetched_from_another_relay_of_another_operator_than_the_one_kept() {
    let core = Core::new(profile(), Box::new(MemoryStorage::default()));
    for _ in 0..64 {
        let requests = core.policy_requests(NOW).unwrap();
        let [first, second] = requests.as_slice() else { panic!("two copies") };
        let (of_a, of_b) = if first.url.contains("//b") { (second, first) } else { (first, second) };
        let other = core.policy_request_elsewhere(&requests, of_b).unwrap().unwrap();
        assert!(other.url.contains("//a") && other.url != of_a.url, "{}", other.url);
        // Everybody else is of the operator of the one kept.
        assert!(core.policy_request_elsewhere(&requests, of_a).unwrap().is_none());
    }
}

/// The date the gateway gave went to one relay; another one must not carry it.
#[test]
fn c38_a_request_with_a_date_goes_to_no_other_relay() {
    let core = core(Kem::X25519);
    let (query, route) = core.prepare(query(), NOW).unwrap().pending.unsent();
    let date = Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    let dated = Prepared::new(query, Route { date, ..route }).unwrap();
    assert!(dated.url.contains(&unreachable(core.prepare_elsewhere(dated.pending))));
}

#[test]
fn c38_what_fits_without_a_date_fits_with_one() {
    for kem in [Kem::X25519, Kem::XWing] {
        let core = core(kem);
        let change = |size| Change::Withdraw(Withdrawal(vec![7; size]));
        let refused = core.prepare_publish(&change(5000), None, NOW).map(drop);
        let Err(Error::Publish(PublishError::TooLarge { room, .. })) = refused else { panic!("it fits") };
        let fits = core.prepare_publish(&change(room), None, NOW).unwrap();
        let (largest, route) = fits.pending.unsent();
        let date = Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let dated = PreparedChange::new(largest, Route { date: date.clone(), ..route.clone() }).unwrap();
        assert_eq!(dated.body.len(), 4096);
        // To the byte.
        assert!(PreparedChange::new(change(room + 1), Route { date, ..route }).is_err());
    }
}
