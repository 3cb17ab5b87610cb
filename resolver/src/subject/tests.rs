//! What a person is told, and what remains after an erasure.

use super::*;
use crate::fixture::*;
use crate::store::{Sqlite, Store, Table};

#[test]
fn the_export_of_a_person_is_all_there_is_about_them() {
    let site = Site::new();
    let (alice, other) = (person(ONE, 1, 10), person(ONE, 3, 10).at("+14155550199"));
    site.publish(alice.content("Default", 1));
    site.publish(other.content("Default", 1));
    site.publish(alice.content("Work", 1));
    let withdrawal = alice.withdrawal(Some("Work"), 2);
    site.withdraw(withdrawal.clone());
    let lines = super::export(&site.directory(), alice.csi()).unwrap();
    assert_eq!(lines, [crate::export::withdrawal_line(withdrawal), alice.line("Default", 1)]);
    assert!(super::export(&site.directory(), &phone("+14155550000")).unwrap().is_empty());
}

#[test]
fn an_erasure_leaves_nothing_but_what_keeps_it_erased() {
    let site = Site::new();
    let (alice, other) = (person(ONE, 1, 10), person(ONE, 3, 10).at("+14155550199"));
    let lines = [alice.line("Default", 7), alice.line("Work", 3), other.line("Default", 1)];
    site.import(&lines);
    assert_eq!(erase(&site.directory(), alice.csi(), NOW).unwrap(), 2);
    assert!(site.services(None).is_empty());
    assert!(site.directory().status(&domain(ONE), &alice.credential.id).unwrap().value.is_none());
    assert_eq!(site.look_up("+14155550199", None).uris.len(), 1);
    let left = super::export(&site.directory(), alice.csi()).unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].starts_with("{\"erasure\":"));
    // An old export does not undo it; the holder may come back.
    assert_eq!(counts(site.import(&lines).0), [0, 0, 0, 1, 2]);
    assert_eq!(site.publish(alice.content("Default", 8)).0, 204);
    assert_eq!(erase(&site.directory(), &phone("+14155550000"), NOW).unwrap(), 0);
}

#[test]
fn an_erasure_outlives_a_restored_backup() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 7));
    let site = site.reopened();
    let backup = std::fs::read(site.path("directory.db")).unwrap();
    erase(&site.directory(), alice.csi(), NOW).unwrap();
    let Site { resolver, folder, .. } = site;
    drop(resolver);
    std::fs::write(folder.path().join("directory.db"), backup).unwrap();
    let site = Site::open(folder);
    assert!(site.services(None).is_empty());
    assert_eq!(site.publish(alice.content("Default", 7)).0, 409);
}

#[test]
fn an_erasure_outlives_a_backup_of_who_had_withdrawn_before() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 7));
    site.withdraw(alice.withdrawal(None, 8));
    let site = site.reopened();
    let backup = std::fs::read(site.path("directory.db")).unwrap();
    let evidence = |site: &Site| {
        let stones = site.directory().record(alice.csi()).unwrap().value.tombstones;
        stones.iter().map(|stone| stone.evidence.len()).sum::<usize>()
    };
    assert!(evidence(&site) > 0);
    erase(&site.directory(), alice.csi(), NOW).unwrap();
    let Site { resolver, folder, .. } = site;
    drop(resolver);
    std::fs::write(folder.path().join("directory.db"), backup).unwrap();
    let site = Site::open(folder);
    assert_eq!(evidence(&site), 0);
    assert_eq!(site.publish(alice.content("Default", 7)).0, 409);
}

#[test]
fn an_erased_row_is_nowhere_in_the_database() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 7));
    let store = Sqlite::open(&site.path("directory.db")).unwrap();
    let rows = store.scan(Table::Records, None, 10).unwrap();
    drop(store);
    erase(&site.directory(), alice.csi(), NOW).unwrap();
    let left = |sealed: &[u8]| {
        ["directory.db", "directory.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(site.path(name)).unwrap_or_default();
            // What is left of a row may begin anywhere in it.
            sealed.chunks_exact(64).any(|part| bytes.windows(64).any(|window| window == part))
        })
    };
    let gone = rows.iter().filter(|(_, row)| !left(&row.sealed)).count();
    assert_eq!((rows.len(), gone), (2, 1), "the decoy's row stays");
}
