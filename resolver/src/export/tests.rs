//! Everything exported imports again, and no export brings back who left.

use crate::fixture::*;
use crate::import::LineError;
use crate::line::Line;
use crate::record::Tombstone;
use crate::{admission::Refused, statuses, subject};
use discreet_protocol::time::{DAY, Timestamp};

/// People of every kind: with tags, under two authorities, withdrawn, erased, revoked, hidden.
fn town() -> Site {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    site.publish(alice.clone().reaching(&["mimi://work.example"]).content("Work", 1));
    site.publish(alice.content("Default", 2));
    site.publish(person(TWO, 2, 10).content("Default", 1));
    let at = |n: u8| person(ONE, 10 + n, 10).at(&format!("+1415555010{n}"));
    for n in 0..6 {
        site.publish(at(n).content("Default", 5));
        site.publish(at(n).content("Work", 5));
    }
    site.withdraw(at(0).withdrawal(None, 6));
    site.withdraw(at(1).withdrawal(Some("Work"), 6));
    subject::erase(&site.directory(), at(2).csi(), NOW).unwrap();
    let key = authority_key(ONE).verifying_key();
    statuses::apply(&site.directory(), &domain(ONE), &key, NOW, &[at(3).revocation(NOW)]).unwrap();
    // Withdrawn under a credential that ends earlier than the mappings it voids.
    let mut short = at(4);
    short.credential.expires = NOW.plus(DAY);
    site.withdraw(short.withdrawal(None, 6));
    let mut hidden = at(5);
    hidden.hidden = true;
    site.publish(hidden.content("Work", 6));
    site
}

fn answers(site: &Site) -> Vec<Vec<u8>> {
    let numbers = (0..7).map(|n| format!("+1415555010{n}")).chain([NUMBER.to_owned()]);
    let asked =
        numbers.flat_map(|number| [None, Some("Work"), Some("Other")].map(|tag| (number.clone(), tag)));
    asked.map(|(number, tag)| site.look_up(&number, tag).encode().unwrap()).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines = lines(text);
    lines.sort();
    lines
}

#[test]
fn two_exports_of_one_directory_are_equal() {
    let site = town();
    assert_eq!(site.export(), site.export());
}

#[test]
fn everything_exported_imports_again_with_the_same_answers() {
    let site = town();
    let other = Site::with_pepper(8);
    let exported = site.export();
    let (summary, refused) = other.import_own(&lines(&exported));
    assert_eq!(refused, []);
    // Alice 3; 1 keeps `Default`, 5 both; 4 tombstones and a revocation.
    assert_eq!(counts(summary), [6, 0, 5, 0, 0]);
    assert_eq!(answers(&site), answers(&other));
    assert_eq!(sorted(&exported), sorted(&other.export()));
    assert_eq!(counts(other.import_own(&lines(&exported)).0), [0, 0, 0, 11, 0]);
    let backwards: Vec<_> = lines(&exported).into_iter().rev().collect();
    let other = Site::with_pepper(9);
    other.import_own(&backwards);
    other.import_own(&backwards);
    assert_eq!(answers(&site), answers(&other), "in any order, tags after their `Default`");
}

#[test]
fn an_old_export_does_not_bring_back_who_withdrew_since() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let old = lines(&site.export());
    site.withdraw(alice.withdrawal(None, 2));
    assert_eq!(site.import(&old).1, [LineError::Refused(Refused::Withdrawn)]);
    assert!(site.services(None).is_empty());
    // Nor with a status of today, a month later, nor in a directory that got the withdrawal by import.
    let other = Site::with_pepper(8);
    other.import_own(&lines(&site.export()));
    for site in [site, other] {
        site.clock.advance(30 * DAY);
        let status = alice.status(NOW.plus(30 * DAY));
        let line = super::line(alice.mapping("Default", 1), status);
        assert_eq!(site.import(&[line]).1, [LineError::Refused(Refused::Withdrawn)]);
    }
}

#[test]
fn who_withdrew_stays_away_from_a_restored_backup() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let site = site.reopened();
    let backup = std::fs::read(site.path("directory.db")).unwrap();
    site.withdraw(alice.withdrawal(None, 2));
    let withdrawn = site.export();
    let Site { resolver, folder, .. } = site;
    drop(resolver);
    std::fs::write(folder.path().join("directory.db"), backup).unwrap();
    let site = Site::open(folder);
    assert!(site.services(None).is_empty());
    assert_eq!(site.export(), withdrawn);
    // What is known is not replayed again.
    let version = site.directory().record(alice.csi()).unwrap().version;
    let site = site.reopened();
    assert_eq!(site.directory().record(alice.csi()).unwrap().version, version);
}

#[test]
fn imported_withdrawals_are_journalled() {
    let (site, other) = (town(), Site::with_pepper(8));
    other.import_own(&lines(&site.export()));
    let expected = answers(&other);
    let Site { resolver, folder, .. } = other;
    drop(resolver);
    std::fs::remove_file(folder.path().join("directory.db")).unwrap();
    drop(crate::create(&config(folder.path())).unwrap());
    let other = Site::open(folder);
    let mappings = site.export();
    let mappings: Vec<_> = lines(&mappings).into_iter().filter(|line| line.contains("mapping")).collect();
    other.import(&mappings);
    assert_eq!(answers(&other), expected);
    let at = |n: u8| person(ONE, 10 + n, 10).at(&format!("+1415555010{n}"));
    for n in [0, 2, 3, 4] {
        assert_eq!(other.publish(at(n).content("Default", 5)).0, 409, "{n}");
    }
}

#[test]
fn what_is_void_is_left_out() {
    let site = town();
    site.clock.set(NOW.start_of_day().plus(180 * DAY).unix());
    assert_eq!(site.export(), "");
}

#[test]
fn rejects_lines_that_are_forged() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let forger = discreet_protocol::SigningKey::from_bytes(&[99; 32]);
    let withdrawal = discreet_protocol::statement::sign(&alice.withdrawal_claims(None, 9), &forger);
    let said = discreet_protocol::credential::Revocation {
        id: alice.credential.id,
        at: NOW,
        expires: alice.credential.expires,
    };
    let revocation = discreet_protocol::statement::sign(&said, &forger);
    let line = crate::line::Line::Revocation { authority: domain(ONE), revocation };
    let unknown = crate::line::Line::Revocation {
        authority: domain("three.authority.example"),
        revocation: alice.revocation(NOW),
    };
    let erasure = "{\"erasure\":\"gA\"}".to_owned();
    let lines = [super::withdrawal_line(withdrawal), line.write(), unknown.write(), erasure];
    let (summary, refused) = site.import(&lines);
    assert_eq!(counts(summary), [0, 0, 0, 0, 4]);
    assert!(matches!(refused[0], LineError::Verify(_)));
    assert_eq!(refused[1..], [LineError::Revocation, LineError::Revocation, LineError::Unsigned]);
    assert_eq!(site.import_own(&lines).1[3], LineError::Format);
    assert_eq!(site.services(None).len(), 1);
}

#[test]
fn rejects_erasures_in_anybodys_file() {
    let (site, other) = (Site::new(), Site::new());
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 5));
    subject::erase(&site.directory(), alice.csi(), NOW).unwrap();
    let exported = lines(&site.export());
    assert!(exported[0].starts_with("{\"erasure\""));
    other.publish(alice.content("Default", 5));
    assert_eq!(other.import(&exported).1, [LineError::Unsigned]);
    assert_eq!(other.services(None).len(), 1);
    assert_eq!(counts(other.import_own(&exported).0), [0, 0, 1, 0, 0]);
    assert_eq!(other.services(None).len(), 0);
}

#[test]
fn rejects_an_erasure_from_the_future_and_bounds_how_long_it_lasts() {
    let site = Site::new();
    let erasure = |proved_at, until| {
        let holder = person(ONE, 1, 10).holder.verifying_key().to_bytes();
        let (authority, tag, evidence) = (domain(ONE), None, Vec::new());
        let stone = Tombstone { authority, holder, proved_at, tag, serial: 1, until, evidence };
        Line::Erasure(stone.encode_about(&phone(NUMBER))).write()
    };
    let ever = Timestamp::from_unix(u64::MAX);
    assert_eq!(site.import_own(&[erasure(NOW.plus(301), ever)]).1, [LineError::ErasureTimes]);
    assert_eq!(counts(site.import_own(&[erasure(NOW.plus(300), ever)]).0), [0, 0, 1, 0, 0]);
    let stones = site.directory().record(&phone(NUMBER)).unwrap().value.tombstones;
    assert_eq!(stones[0].until, NOW.plus(731 * 86_400));
}
