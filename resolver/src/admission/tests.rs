//! Each rule of admission, with its table of cases.

use super::*;
use discreet_protocol::SigningKey;
use discreet_protocol::credential::Credential;
use discreet_protocol::identifier::{Csi, MimiUri};
use discreet_protocol::mapping::{Mapping, Reach};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;

/// A mapping: authority, holder's key, when he proved the identifier, tag, serial.
fn entry(authority: &str, holder: u8, proved: u64, tag: &str, serial: u64) -> Entry {
    let holder = SigningKey::from_bytes(&[holder; 32]);
    let csi = Csi::phone("+14155550123").unwrap();
    let credential = Credential {
        authority: Domain::new(authority).unwrap(),
        csi: csi.clone(),
        holder: holder.verifying_key(),
        id: [0; 16],
        expires: Timestamp::from_unix(9_000_000),
        proved_at: Timestamp::from_unix(proved),
        holder_since: Timestamp::from_unix(proved),
    };
    let mapping = Mapping {
        csi,
        audience: vec![Domain::new("dp.example").unwrap()],
        tag: Tag::new(tag).unwrap(),
        serial,
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::from_unix(86_400),
        refresh_after: 1,
        reaches: vec![Reach::to(MimiUri::new("mimi://b.example/u/alice").unwrap())],
        credential: sign(&credential, &SigningKey::from_bytes(&[1; 32])),
        serve_as_not_found: false,
    };
    Entry::read(sign(&mapping, &holder)).unwrap()
}

fn record(entries: &[Entry]) -> Record {
    let mut record = Record::default();
    for entry in entries {
        admit(&mut record, entry.clone()).unwrap();
    }
    record
}

/// Admits `new` into a record of `held` and returns the outcome with how many entries remain.
fn outcome(held: &[Entry], new: Entry) -> (Result<Admitted, Refused>, usize) {
    let mut record = record(held);
    let outcome = admit(&mut record, new);
    (outcome, record.entries.len())
}

#[test]
fn a_first_mapping_is_added_and_repeating_it_changes_nothing() {
    let one = entry("a.example", 2, 10, "Default", 1);
    assert_eq!(outcome(&[], one.clone()), (Ok(Admitted::Added), 1));
    assert_eq!(outcome(std::slice::from_ref(&one), one.clone()), (Ok(Admitted::Unchanged), 1));
}

#[test]
fn same_key_needs_a_higher_serial() {
    let held = [entry("a.example", 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, entry("a.example", 2, 10, "Default", 6)), (Ok(Admitted::Replaced), 1));
    assert_eq!(outcome(&held, entry("a.example", 2, 10, "Default", 4)), (Err(Refused::Superseded), 1));
    assert_eq!(outcome(&held, entry("a.example", 2, 11, "Default", 5)), (Err(Refused::SameSerial), 1));
}

#[test]
fn same_key_does_not_go_back_to_an_earlier_proof() {
    let held = [entry("a.example", 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, entry("a.example", 2, 9, "Default", 6)), (Err(Refused::OlderCredential), 1));
}

#[test]
fn serials_count_per_tag() {
    let held = [entry("a.example", 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, entry("a.example", 2, 10, "Work", 1)), (Ok(Admitted::Added), 2));
}

#[test]
fn another_key_needs_a_later_proof() {
    let held = [entry("a.example", 2, 10, "Default", 5), entry("a.example", 2, 10, "Work", 5)];
    assert_eq!(outcome(&held, entry("a.example", 3, 11, "Default", 1)), (Ok(Admitted::Replaced), 1));
    assert_eq!(outcome(&held, entry("a.example", 3, 10, "Default", 9)), (Err(Refused::LaterHolder), 2));
    assert_eq!(outcome(&held, entry("a.example", 3, 9, "Default", 9)), (Err(Refused::LaterHolder), 2));
}

#[test]
fn another_authority_displaces_nobody() {
    let held = [entry("a.example", 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, entry("b.example", 3, 99, "Default", 9)), (Ok(Admitted::Added), 2));
}

#[test]
fn a_tag_needs_a_default_beside_it() {
    assert_eq!(outcome(&[], entry("a.example", 2, 10, "Work", 1)), (Err(Refused::NoDefault), 0));
    let held = [entry("b.example", 2, 10, "Default", 1)];
    assert_eq!(outcome(&held, entry("a.example", 2, 10, "Work", 1)), (Err(Refused::NoDefault), 1));
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let mut record = Record::default();
    let mut admitted = 0;
    let refused = (0..40).find_map(|n| {
        let outcome = admit(&mut record, entry(&format!("a{n}.example"), 2, 10, "Default", 1));
        admitted += usize::from(outcome.is_ok());
        outcome.err()
    });
    assert_eq!(refused, Some(Refused::TooLarge));
    assert!(admitted >= 7, "{admitted}");
    assert_eq!(record.entries.len(), admitted);
}

#[test]
fn a_sender_gets_his_tag_or_default_from_each_authority() {
    let record = record(&[
        entry("a.example", 2, 10, "Default", 1),
        entry("a.example", 2, 10, "Work", 1),
        entry("b.example", 3, 10, "Default", 1),
    ]);
    let chosen = |tag: &str| -> Vec<(String, String)> {
        let entries = select(&record, &Tag::new(tag).unwrap()).into_iter();
        entries.map(|e| (e.credential.authority.to_string(), e.mapping.tag.as_str().to_owned())).collect()
    };
    let pair = |authority: &str, tag: &str| (authority.to_owned(), tag.to_owned());
    assert_eq!(chosen("Work"), [pair("a.example", "Work"), pair("b.example", "Default")]);
    assert_eq!(chosen("Default"), [pair("a.example", "Default"), pair("b.example", "Default")]);
    assert_eq!(chosen("Other"), chosen("Default"));
}
