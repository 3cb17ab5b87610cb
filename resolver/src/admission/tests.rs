//! Each rule of admission, with its table of cases.

use super::*;
use crate::fixture::*;
use crate::record::{Opened, Tombstone};
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
        (9, 5, Err(Refused::SameSerial)),
        (9, 4, Err(Refused::Superseded)),
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
    withdraw(&mut held, &claims, &new.credential, b"evidence", None, NOW).unwrap();
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
        (stone(Some("Default"), 5), signed(ONE, 2, 10, "Default", 5), Ok(Admitted::Added)),
        (stone(Some("Default"), 4), signed(ONE, 2, 10, "Default", 5), Ok(Admitted::Added)),
        (stone(Some("Work"), 6), signed(ONE, 2, 10, "Default", 5), Ok(Admitted::Added)),
        // It has ended: whether somebody has tidied up since does not matter.
        (Tombstone { until: NOW, ..stone(None, 6) }, signed(ONE, 2, 10, "Default", 5), Ok(Admitted::Added)),
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
    // Nor again what is there.
    let mut held = holding(&[alice.signed("Default", 1)]);
    let again = admit(&mut held, &alice.signed("Default", 1), Some(&standing(true)), NOW);
    assert_eq!(again, Err(Refused::Revoked));
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

/// Publishes tag after tag until one is refused; returns how many there are.
fn fill(held: &mut Holdings, who: &Person) -> usize {
    let tags = (0..40).map(|n| if n == 0 { "Default".to_owned() } else { format!("Tag-{n}") });
    let refused = tags.map(|tag| admit(held, &who.signed(&tag, 1), None, NOW)).find_map(Result::err);
    assert_eq!(refused, Some(Refused::TooLarge));
    let own = held.entries.iter().filter(|entry| entry.credential.authority == who.credential.authority);
    own.count()
}

/// With the key of the service beside its URI, which makes the usual mapping as large as it gets.
fn keyed(authority: &str) -> Person {
    let mut who = person(authority, 2, 10);
    who.reaches[0].thumbprint = Some([1; 32]);
    who
}

const THREE: &str = "three.authority.example";

#[test]
fn size_what_one_authority_fills_leaves_room_for_two_others() {
    let mut short = person(ONE, 2, 10);
    short.reaches.clear();
    for (first, expected) in [(person(ONE, 2, 10), 5), (keyed(ONE), 5), (short, 5)] {
        let mut held = nothing();
        assert_eq!(fill(&mut held, &first), expected);
        for other in [keyed(TWO), keyed(THREE)] {
            assert_eq!(admit(&mut held, &other.signed("Default", 1), None, NOW), Ok(Admitted::Added));
        }
        // And whoever is attested next under any of them can still withdraw.
        for name in [ONE, TWO, THREE] {
            let new = person(name, 9, 1);
            let claims = new.withdrawal_claims(None, 1);
            let withdrawn = withdraw(&mut held, &claims, &new.credential, b"evidence", None, NOW);
            assert_eq!(withdrawn, Ok(Admitted::Withdrawn));
            assert!(held.fits());
        }
    }
}

#[test]
fn size_is_judged_by_what_is_held_and_not_by_what_came_first() {
    let mut held = nothing();
    fill(&mut held, &person(ONE, 2, 10));
    for name in [TWO, THREE] {
        admit(&mut held, &keyed(name).signed("Default", 1), None, NOW).unwrap();
    }
    let mut back: Vec<_> = held.entries.iter().rev().cloned().collect();
    back.sort_by_key(|entry| !entry.mapping.tag.is_default());
    assert_eq!(holding(&back).entries.len(), held.entries.len());
}

#[test]
fn size_withdrawals_of_made_up_tags_keep_nobody_out() {
    let (mut held, two) = (nothing(), person(TWO, 3, 10));
    let outcomes: Vec<_> = (0..40)
        .map(|n| {
            let claims = two.withdrawal_claims(Some(&format!("Tag-{n}")), 9);
            withdraw(&mut held, &claims, &two.credential, b"evidence", None, NOW)
        })
        .collect();
    assert_eq!(outcomes.first(), Some(&Ok(Admitted::Withdrawn)));
    assert_eq!(outcomes.last(), Some(&Err(Refused::WithdrawAll)));
    let mut one = holding(&[]);
    one.tombstones = held.tombstones;
    assert_eq!(admit(&mut one, &keyed(ONE).signed("Default", 1), None, NOW), Ok(Admitted::Added));
    for who in [keyed(ONE), two] {
        let claims = who.withdrawal_claims(None, 99);
        let withdrawn = withdraw(&mut one, &claims, &who.credential, b"evidence", None, NOW);
        assert_eq!(withdrawn, Ok(Admitted::Withdrawn));
    }
    assert_eq!((one.entries.len(), one.tombstones.len()), (0, 2));
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
    assert_eq!(admitted, 6);
    assert_eq!(held.entries.len(), admitted);
}

#[test]
fn holders_a_new_one_is_rid_of_the_former_ones_tombstones() {
    let former = person(ONE, 2, 10);
    let mut new = person(ONE, 3, 5);
    for (longer, left) in [(false, 1), (true, 0)] {
        let mut held = nothing();
        for n in 0..4 {
            let claims = former.withdrawal_claims(Some(&format!("Tag-{n}")), 9);
            withdraw(&mut held, &claims, &former.credential, b"evidence", None, NOW).unwrap();
        }
        new.credential.expires = former.credential.expires;
        new.credential.expires =
            if longer { new.credential.expires } else { new.credential.expires.minus(86_400) };
        assert_eq!(admit(&mut held, &new.signed("Default", 1), None, NOW), Ok(Admitted::Added));
        assert_eq!(held.tombstones.len(), left, "longer: {longer}");
        assert_eq!(admit(&mut held, &former.signed("Tag-9", 99), None, NOW), Err(Refused::LaterHolder));
        // Also once the new one's credential has expired.
        let later = new.credential.expires;
        if !longer {
            let mut back = former.clone();
            back.credential.expires = former.credential.expires;
            back.not_after = later.plus(86_400);
            assert_eq!(admit(&mut held, &back.signed("Default", 99), None, later), Err(Refused::LaterHolder));
        }
    }
}

#[test]
fn expiry_a_short_mapping_does_not_let_the_longer_one_before_it_back() {
    let long = person(ONE, 2, 10);
    let mut short = long.clone();
    short.not_after = NOW.start_of_day().plus(86_400);
    let mut held = holding(&[long.signed("Default", 1), short.signed("Default", 2)]);
    let after = short.not_after;
    assert_eq!(admit(&mut held, &long.signed("Default", 1), None, after), Err(Refused::Withdrawn));
    let other = person(TWO, 3, 10);
    admit(&mut held, &other.signed("Default", 1), None, after).unwrap();
    assert_eq!(held.entries.len(), 1, "tidied up");
    assert_eq!(admit(&mut held, &long.signed("Default", 1), None, after), Err(Refused::Withdrawn));
    assert_eq!(admit(&mut held, &long.signed("Default", 3), None, after), Ok(Admitted::Added));
}

#[test]
fn size_evidence_gives_way_to_mappings() {
    let mut held = holding(&[signed(ONE, 2, 10, "Default", 1)]);
    let alice = person(ONE, 2, 90);
    let evidence = alice.withdrawal(None, 2);
    withdraw(&mut held, &alice.withdrawal_claims(None, 2), &alice.credential, &evidence, None, NOW).unwrap();
    assert_eq!(held.tombstones[0].evidence, evidence);
    let alice = alice.reaching(&["mimi://b.example/u/a-rather-long-name-of-an-account-of-hers"]);
    for name in ["Default", "Tag-1", "Tag-2", "Tag-3"] {
        admit(&mut held, &alice.signed(name, 5), None, NOW).unwrap();
    }
    for other in [keyed(TWO), keyed(THREE)] {
        let (claims, evidence) = (other.withdrawal_claims(None, 2), other.withdrawal(None, 2));
        withdraw(&mut held, &claims, &other.credential, &evidence, None, NOW).unwrap();
        admit(&mut held, &other.signed("Default", 5), None, NOW).unwrap();
    }
    assert!(held.tombstones[0].evidence.is_empty());
    assert_eq!(admit(&mut held, &signed(ONE, 2, 10, "Other", 1), None, NOW), Err(Refused::Withdrawn));
}

#[test]
fn what_is_void_anyway_is_dropped_with_the_next_write() {
    let mut held = holding(&[signed(ONE, 2, 10, "Default", 1), signed(ONE, 2, 10, "Work", 1)]);
    let alice = person(ONE, 2, 90);
    withdraw(&mut held, &alice.withdrawal_claims(Some("Work"), 2), &alice.credential, b"", None, NOW)
        .unwrap();
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
    let opened = Opened::new(record.record().encode());
    let listed = opened.listed().unwrap();
    let chosen = |name: &str| -> Vec<[Option<&str>; 2]> {
        let choices = choices(listed.iter().copied(), &tag(name)).into_iter();
        choices.map(|pair| pair.map(|entry| entry.map(|entry| entry.tag))).collect()
    };
    assert_eq!(chosen("Work"), [[Some("Work"), Some("Default")], [None, Some("Default")]]);
    assert_eq!(chosen("Default"), [[Some("Default"), None], [Some("Default"), None]]);
    assert_eq!(chosen("Other"), [[None, Some("Default")], [None, Some("Default")]]);
}
