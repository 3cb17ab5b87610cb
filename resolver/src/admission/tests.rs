//! Each rule of admission, with its table of cases.

use super::*;
use crate::fixture::*;
use crate::record::Tombstone;
use discreet_protocol::identifier::Csi;

/// A mapping: authority, holder's key, how long after the first proof he proved the identifier, tag, serial.
fn signed(authority: &str, key: u8, proved: u64, tag: &str, serial: u64) -> Signed {
    person(authority, key, 100 - proved).signed(tag, serial)
}

fn nothing() -> Holdings {
    let csi: Csi = phone(NUMBER);
    Holdings { csi, entries: Vec::new(), tombstones: Vec::new() }
}

fn holding(entries: &[Signed]) -> Holdings {
    let mut held = nothing();
    for entry in entries {
        admit(&mut held, entry, None, NOW).unwrap();
    }
    held
}

/// Admits `new` beside `held` and returns the outcome with how many entries remain.
fn outcome(held: &[Signed], new: &Signed) -> (Result<Admitted, Refused>, usize) {
    let mut held = holding(held);
    let outcome = admit(&mut held, new, None, NOW);
    (outcome, held.entries.len())
}

#[test]
fn a_first_mapping_is_added_and_repeating_it_changes_nothing() {
    let one = signed(ONE, 2, 10, "Default", 1);
    assert_eq!(outcome(&[], &one), (Ok(Admitted::Added), 1));
    assert_eq!(outcome(std::slice::from_ref(&one), &one), (Ok(Admitted::Unchanged), 1));
}

#[test]
fn serials_same_key_needs_a_higher_one() {
    let held = [signed(ONE, 2, 10, "Default", 5)];
    for (proved, serial, expected) in [
        (10, 6, Ok(Admitted::Replaced)),
        (11, 6, Ok(Admitted::Replaced)),
        (10, 5, Ok(Admitted::Unchanged)),
        (11, 5, Err(Refused::SameSerial)),
        (10, 4, Err(Refused::Superseded)),
        (11, 4, Err(Refused::Superseded)),
        (9, 6, Err(Refused::OlderCredential)),
    ] {
        let new = signed(ONE, 2, proved, "Default", serial);
        assert_eq!(outcome(&held, &new), (expected, 1), "{proved} {serial}");
    }
}

#[test]
fn serials_count_per_tag() {
    let held = [signed(ONE, 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, &signed(ONE, 2, 10, "Work", 1)), (Ok(Admitted::Added), 2));
}

#[test]
fn holders_another_key_needs_a_later_proof() {
    let held = [signed(ONE, 2, 10, "Default", 5), signed(ONE, 2, 10, "Work", 5)];
    for (proved, serial, expected) in [
        (11, 1, (Ok(Admitted::Replaced), 1)),
        (10, 9, (Err(Refused::LaterHolder), 2)),
        (9, 9, (Err(Refused::LaterHolder), 2)),
    ] {
        assert_eq!(outcome(&held, &signed(ONE, 3, proved, "Default", serial)), expected, "{proved}");
    }
}

#[test]
fn holders_the_previous_one_cannot_renew_his_way_back() {
    // Renewal copies `proved_at`, whatever the serial and the number of the credential.
    let held = [signed(ONE, 2, 10, "Default", 5), signed(ONE, 3, 11, "Default", 1)];
    let renewed = person(ONE, 2, 90).id([0x55; 16]).signed("Default", 99);
    assert_eq!(outcome(&held, &renewed), (Err(Refused::LaterHolder), 1));
}

#[test]
fn holders_a_later_ones_withdrawal_bars_the_one_before() {
    let mut held = holding(&[signed(ONE, 2, 10, "Default", 5), signed(ONE, 3, 11, "Default", 1)]);
    let new = person(ONE, 3, 89);
    let claims = new.withdrawal_claims(None, 9);
    withdraw(&mut held, &claims, &new.credential, b"evidence", NOW).unwrap();
    assert_eq!(held.entries.len(), 0);
    for (proved, expected) in
        [(10, Err(Refused::LaterHolder)), (11, Err(Refused::LaterHolder)), (12, Ok(Admitted::Added))]
    {
        let mut held = held.clone();
        assert_eq!(admit(&mut held, &signed(ONE, 2, proved, "Default", 99), None, NOW), expected);
    }
}

#[test]
fn authorities_stand_side_by_side() {
    // Later date, higher serial, other key: none of it displaces anybody under the first authority.
    let held = [signed(ONE, 2, 10, "Default", 5)];
    assert_eq!(outcome(&held, &signed(TWO, 3, 99, "Default", 9)), (Ok(Admitted::Added), 2));
    assert_eq!(outcome(&held, &signed(TWO, 3, 1, "Default", 9)), (Ok(Admitted::Added), 2));
    assert_eq!(outcome(&held, &signed(TWO, 2, 10, "Default", 5)), (Ok(Admitted::Added), 2));
}

#[test]
fn withdrawn_serials_do_not_come_back() {
    let alice = person(ONE, 2, 90);
    let stone = |tag: Option<&str>, serial| Tombstone {
        authority: domain(ONE),
        holder: alice.holder.verifying_key().to_bytes(),
        proved_at: alice.credential.proved_at,
        tag: tag.map(crate::fixture::tag),
        serial,
        until: NOW.plus(1000),
        evidence: Vec::new(),
    };
    for (stone, new, expected) in [
        (stone(None, 6), signed(ONE, 2, 10, "Default", 5), Err(Refused::Withdrawn)),
        (stone(None, 6), signed(ONE, 2, 10, "Default", 6), Ok(Admitted::Added)),
        (stone(None, 6), signed(ONE, 2, 11, "Default", 5), Err(Refused::Withdrawn)),
        (stone(Some("Default"), 6), signed(ONE, 2, 10, "Default", 5), Err(Refused::Withdrawn)),
        (stone(Some("Work"), 6), signed(ONE, 2, 10, "Default", 5), Ok(Admitted::Added)),
        (stone(None, 6), signed(TWO, 2, 10, "Default", 5), Ok(Admitted::Added)),
        (stone(None, 6), signed(ONE, 3, 11, "Default", 5), Ok(Admitted::Added)),
    ] {
        let mut held = Holdings { tombstones: vec![stone], ..nothing() };
        assert_eq!(admit(&mut held, &new, None, NOW), expected);
    }
}

#[test]
fn revoked_credentials_publish_nothing() {
    let alice = person(ONE, 2, 10);
    let standing = |revoked| Standing { authority: domain(ONE), revoked, statement: Vec::new() };
    for (standing, expected) in [
        (None, Ok(Admitted::Added)),
        (Some(standing(false)), Ok(Admitted::Added)),
        (Some(standing(true)), Err(Refused::Revoked)),
    ] {
        let admitted = admit(&mut nothing(), &alice.signed("Default", 1), standing.as_ref(), NOW);
        assert_eq!(admitted, expected);
    }
}

#[test]
fn tags_need_a_default_beside_them() {
    assert_eq!(outcome(&[], &signed(ONE, 2, 10, "Work", 1)), (Err(Refused::NoDefault), 0));
    let held = [signed(TWO, 2, 10, "Default", 1)];
    assert_eq!(outcome(&held, &signed(ONE, 2, 10, "Work", 1)), (Err(Refused::NoDefault), 1));
    // A new holder's first mapping takes the former one's `Default` away, so it must be `Default`.
    let held = [signed(ONE, 2, 10, "Default", 1)];
    assert_eq!(outcome(&held, &signed(ONE, 3, 11, "Work", 1)), (Err(Refused::NoDefault), 1));
}

#[test]
fn size_what_does_not_fit_is_refused_and_nothing_is_lost() {
    let mut held = nothing();
    let mut admitted = 0;
    let refused = (0..40).find_map(|n| {
        let name = format!("a{n}.example");
        let outcome = admit(&mut held, &signed(&name, 2, 10, "Default", 1), None, NOW);
        admitted += usize::from(outcome.is_ok());
        outcome.err()
    });
    assert_eq!(refused, Some(Refused::TooLarge));
    assert_eq!(admitted, 8);
    assert_eq!(held.entries.len(), admitted);
}

#[test]
fn size_evidence_gives_way_to_mappings() {
    let mut held = holding(&[signed(ONE, 2, 10, "Default", 1)]);
    let alice = person(ONE, 2, 90);
    let evidence = alice.withdrawal(None, 2);
    withdraw(&mut held, &alice.withdrawal_claims(None, 2), &alice.credential, &evidence, NOW).unwrap();
    assert_eq!(held.tombstones[0].evidence, evidence);
    let alice = alice.reaching(&["mimi://b.example/u/a-rather-long-name-of-an-account-of-hers"]);
    for n in 0..7 {
        let name = if n == 0 { "Default".to_owned() } else { format!("Tag-{n}") };
        admit(&mut held, &alice.signed(&name, 5), None, NOW).unwrap();
    }
    assert!(held.tombstones[0].evidence.is_empty());
    assert_eq!(admit(&mut held, &signed(ONE, 2, 10, "Other", 1), None, NOW), Err(Refused::Withdrawn));
}

#[test]
fn what_is_void_anyway_is_dropped_with_the_next_write() {
    let mut held = holding(&[signed(ONE, 2, 10, "Default", 1), signed(ONE, 2, 10, "Work", 1)]);
    let alice = person(ONE, 2, 90);
    withdraw(&mut held, &alice.withdrawal_claims(Some("Work"), 2), &alice.credential, b"", NOW).unwrap();
    let mut later = person(TWO, 3, 10);
    later.credential.expires = later.credential.expires.plus(1000 * 86_400);
    admit(&mut held, &later.signed("Default", 1), None, alice.credential.expires).unwrap();
    assert_eq!((held.entries.len(), held.tombstones.len()), (1, 0));
}

#[test]
fn a_sender_gets_his_tag_or_default_from_each_authority() {
    let record = holding(&[
        signed(ONE, 2, 10, "Default", 1),
        signed(ONE, 2, 10, "Work", 1),
        signed(TWO, 3, 10, "Default", 1),
    ]);
    let record = record.record();
    let chosen = |name: &str| -> Vec<[Option<&str>; 2]> {
        let choices = choices(&record, &tag(name)).into_iter();
        choices.map(|pair| pair.map(|entry| entry.map(|entry| entry.tag.as_str()))).collect()
    };
    assert_eq!(chosen("Work"), [[Some("Work"), Some("Default")], [None, Some("Default")]]);
    assert_eq!(chosen("Default"), [[Some("Default"), None], [Some("Default"), None]]);
    assert_eq!(chosen("Other"), [[None, Some("Default")], [None, Some("Default")]]);
}
