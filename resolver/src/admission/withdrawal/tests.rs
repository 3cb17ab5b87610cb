//! What withdrawals and erasures take away, and what remains.

use super::*;
use crate::admission::admit;
use crate::fixture::*;

const TAGS: [&str; 3] = ["Default", "Home", "Work"];

/// A person with a mapping of serial 5 for each of [`TAGS`].
fn published() -> (Holdings, Person) {
    let alice = person(ONE, 2, 10);
    let mut held = Holdings { csi: phone(NUMBER), entries: Vec::new(), tombstones: Vec::new() };
    for name in TAGS {
        admit(&mut held, &alice.signed(name, 5), None, NOW).unwrap();
    }
    (held, alice)
}

fn apply(held: &mut Holdings, who: &Person, tag: Option<&str>, serial: u64) -> Result<Admitted, Refused> {
    let statement = who.withdrawal(tag, serial);
    withdraw(held, &who.withdrawal_claims(tag, serial), &who.credential, &statement, None, NOW)
}

fn tags(held: &Holdings) -> Vec<&str> {
    held.entries.iter().map(|entry| entry.mapping.tag.as_str()).collect()
}

#[test]
fn a_withdrawal_takes_what_has_a_lower_serial() {
    let all: &[&str] = &TAGS;
    for (tag, serial, left) in [
        (None, 6, &[][..]),
        (None, 5, all),
        (Some("Work"), 6, &["Default", "Home"]),
        (Some("Work"), 5, all),
        (Some("Other"), 6, all),
    ] {
        let (mut held, alice) = published();
        assert_eq!(apply(&mut held, &alice, tag, serial), Ok(Admitted::Withdrawn));
        assert_eq!(tags(&held), left, "{tag:?} {serial}");
        assert_eq!(held.tombstones.len(), 1);
    }
}

#[test]
fn default_goes_last_or_with_all() {
    let (mut held, alice) = published();
    assert_eq!(apply(&mut held, &alice, Some("Default"), 6), Err(Refused::DefaultNeeded));
    assert_eq!((tags(&held), held.tombstones.len()), (TAGS.to_vec(), 0));
    for tag in ["Home", "Work", "Default"] {
        assert_eq!(apply(&mut held, &alice, Some(tag), 6), Ok(Admitted::Withdrawn));
    }
    assert_eq!((held.entries.len(), held.tombstones.len()), (0, 3));
    assert_eq!(apply(&mut held, &alice, None, 6), Ok(Admitted::Withdrawn));
    assert_eq!(held.tombstones.len(), 1, "one that voids all takes their place");
}

#[test]
fn a_withdrawal_that_adds_nothing_changes_nothing() {
    let (mut held, alice) = published();
    apply(&mut held, &alice, None, 9).unwrap();
    for (tag, serial) in [(None, 9), (None, 8), (Some("Work"), 9), (Some("Default"), 1)] {
        assert_eq!(apply(&mut held, &alice, tag, serial), Ok(Admitted::Unchanged), "{tag:?} {serial}");
    }
    // A higher serial is noted, and no reason to write a journal.
    assert_eq!(apply(&mut held, &alice, None, 10), Ok(Admitted::Noted));
    assert_eq!(apply(&mut held, &alice, Some("Work"), 11), Ok(Admitted::Noted));
    assert_eq!(held.tombstones.len(), 2);
}

#[test]
fn another_keys_withdrawal_touches_nothing_of_the_current_holder() {
    let all = TAGS.to_vec();
    for (authority, key, proved, expected) in [
        (ONE, 3, 11, Ok(Admitted::Unchanged)), // the previous holder: a day before
        (ONE, 3, 10, Err(Refused::LaterHolder)), // a tie
        (ONE, 3, 9, Ok(Admitted::Withdrawn)),  // a later one, who published nothing yet
        (TWO, 3, 9, Ok(Admitted::Withdrawn)),  // under another authority
        (TWO, 2, 10, Ok(Admitted::Withdrawn)), // the same key, under another authority
    ] {
        let (mut held, _) = published();
        let who = person(authority, key, proved);
        assert_eq!(apply(&mut held, &who, None, 99), expected, "{authority} {key} {proved}");
        assert_eq!(tags(&held), all);
    }
}

#[test]
fn a_tombstone_stays_until_the_last_it_voids_would_be_void() {
    let (mut held, alice) = published();
    apply(&mut held, &alice, None, 9).unwrap();
    assert_eq!(held.tombstones[0].until, alice.credential.expires);
    // Withdrawn under a credential that ends before the one inside the mappings.
    let (mut held, alice) = published();
    let mut short = alice.clone();
    short.credential.expires = NOW.plus(86_400);
    apply(&mut held, &short, None, 9).unwrap();
    assert_eq!(held.tombstones[0].until, alice.credential.expires);
    // A second withdrawal does not shorten the first.
    apply(&mut held, &short, None, 10).unwrap();
    assert_eq!((held.tombstones.len(), held.tombstones[0].until), (1, alice.credential.expires));
}

#[test]
fn a_withdrawal_works_where_its_statement_does_not_fit() {
    let (mut held, alice) = published();
    let alice = alice.reaching(&["mimi://b.example/u/a-rather-long-name-of-an-account-of-hers"]);
    for n in 0..2 {
        admit(&mut held, &alice.signed(&format!("Tag-{n}"), 5), None, NOW).unwrap();
    }
    for other in ["a", "b", "c", "d"] {
        let name = format!("{other}.example");
        let who = person(&name, 7, 10);
        if admit(&mut held, &who.signed("Default", 1), None, NOW).is_err() {
            break;
        }
    }
    assert_eq!(apply(&mut held, &alice, Some("Tag-1"), 6), Ok(Admitted::Withdrawn));
    assert_eq!(apply(&mut held, &alice, None, 6), Ok(Admitted::Withdrawn));
    assert!(held.fits());
}

#[test]
fn after_a_withdrawal_the_holder_may_publish_again() {
    let (mut held, alice) = published();
    apply(&mut held, &alice, None, 9).unwrap();
    assert_eq!(admit(&mut held, &alice.signed("Default", 8), None, NOW), Err(Refused::Withdrawn));
    assert_eq!(admit(&mut held, &alice.signed("Default", 9), None, NOW), Ok(Admitted::Added));
}

#[test]
fn an_erasure_leaves_tombstones_without_evidence() {
    let (mut held, alice) = published();
    admit(&mut held, &alice.signed("Work", 8), None, NOW).unwrap();
    let bob = person(TWO, 3, 10);
    admit(&mut held, &bob.signed("Default", 1), None, NOW).unwrap();
    let stones = erase(&mut held, NOW);
    assert_eq!((held.entries.len(), held.tombstones.len(), stones.len()), (0, 2, 2));
    let serials: Vec<_> = held.tombstones.iter().map(|stone| stone.serial).collect();
    assert_eq!(serials, [9, 2]);
    assert!(held.tombstones.iter().all(|stone| stone.evidence.is_empty() && stone.tag.is_none()));
    assert_eq!(admit(&mut held, &alice.signed("Default", 8), None, NOW), Err(Refused::Withdrawn));
    assert_eq!(admit(&mut held, &alice.signed("Default", 9), None, NOW), Ok(Admitted::Added));
}

#[test]
fn an_erasure_takes_the_evidence_of_withdrawals_too() {
    let (mut held, alice) = published();
    apply(&mut held, &alice, None, 9).unwrap();
    let stones = erase(&mut held, NOW);
    assert_eq!((stones.len(), held.tombstones.len()), (1, 1));
    assert!(held.tombstones[0].evidence.is_empty());
}

#[test]
fn a_key_keeps_four_withdrawals_of_tags_that_nothing_stands_under() {
    let (mut held, alice) = published();
    let few = |held: &Holdings, tag: Option<&str>, serial| {
        few_tags(held, &alice.withdrawal_claims(tag, serial), &alice.credential)
    };
    for n in 0..4 {
        let name = format!("Tag-{n}");
        assert_eq!(few(&held, Some(&name), 9), Ok(()));
        assert_eq!(apply(&mut held, &alice, Some(&name), 9), Ok(Admitted::Withdrawn));
    }
    assert_eq!(few(&held, Some("Tag-4"), 9), Err(Refused::WithdrawAll));
    assert_eq!(few(&held, Some("Tag-3"), 10), Ok(()), "a higher serial takes the place of one");
    assert_eq!(few(&held, Some("Work"), 9), Ok(()), "what stands can be withdrawn");
    assert_eq!(few(&held, None, 9), Ok(()));
    assert_eq!(apply(&mut held, &alice, None, 9), Ok(Admitted::Withdrawn));
    assert_eq!(held.tombstones.len(), 1);
    assert_eq!(few(&held, Some("Tag-4"), 9), Ok(()), "it is said already");
}

#[test]
fn a_revoked_key_takes_away_and_leaves_nothing_else() {
    let standing = |revoked| Standing { authority: domain(ONE), revoked, statement: Vec::new() };
    for (tag, serial, revoked, expected) in [
        (None, 6, true, Ok(Admitted::Withdrawn)),
        (Some("Work"), 6, true, Ok(Admitted::Withdrawn)),
        (None, 5, true, Err(Refused::Revoked)),
        (Some("Other"), 6, true, Err(Refused::Revoked)),
        (Some("Other"), 6, false, Ok(Admitted::Withdrawn)),
    ] {
        let (mut held, alice) = published();
        let claims = alice.withdrawal_claims(tag, serial);
        let standing = standing(revoked);
        let outcome = withdraw(&mut held, &claims, &alice.credential, b"", Some(&standing), NOW);
        assert_eq!(outcome, expected, "{tag:?} {serial}");
    }
}
