//! What an append leaves on the disk, what a power cut may leave of it, and what is damage.

use super::*;
use crate::fixture::*;
use discreet_serve::secret::Secret32;

fn pepper(fill: u8) -> Pepper {
    Pepper::new(Secret32::new([fill; 32]))
}

fn entry(number: u8) -> Entry {
    let who = person(ONE, number, 10).id([number; 16]);
    Entry::Revocation(Standing { authority: domain(ONE), revoked: true, statement: who.revocation(NOW) })
}

/// A journal with entries 1, then 2 and 3 at once, then 4.
fn journal(folder: &Path) -> (PathBuf, Journal) {
    let path = folder.join("journal");
    let journal = Journal::create(&path, &pepper(1)).unwrap();
    journal.append(&pepper(1), &[entry(1)]).unwrap();
    journal.append(&pepper(1), &[entry(2), entry(3)]).unwrap();
    journal.append(&pepper(1), &[entry(4)]).unwrap();
    (path, journal)
}

fn numbers(entries: &[Entry]) -> Vec<u8> {
    (1..=9).filter(|number| entries.contains(&entry(*number))).collect()
}

#[test]
fn what_was_appended_is_read_back_from_any_number_on() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = journal(folder.path());
    assert_eq!(fs::metadata(&path).unwrap().len(), 32 + 5 * 2048);
    assert_eq!(fs::read(&path).unwrap()[..16], *b"discreet-journal");
    for (known, expected) in [(1, &[1, 2, 3, 4][..]), (3, &[3, 4]), (5, &[])] {
        assert_eq!(numbers(&journal.read(&pepper(1), known).unwrap()), expected);
    }
    assert!(matches!(journal.read(&pepper(1), 6), Err(JournalError::Short { .. })));
}

#[test]
fn an_entry_is_a_tombstone_with_its_evidence_if_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(&folder.path().join("journal"), &pepper(1)).unwrap();
    let stone = |size: usize| crate::record::Tombstone {
        authority: domain(ONE),
        holder: [1; 32],
        proved_at: NOW,
        tag: None,
        serial: 7,
        until: NOW,
        evidence: vec![5; size],
    };
    let entries = [500, 3000].map(|size| Entry::Tombstone(phone(NUMBER), stone(size)));
    journal.append(&pepper(1), &entries).unwrap();
    let read = journal.read(&pepper(1), 1).unwrap();
    assert!(read[0] == entries[0]);
    assert!(read[1] == Entry::Tombstone(phone(NUMBER), stone(0)));
}

#[test]
fn a_torn_tail_is_cut_off_and_written_over() {
    for (keep, garbage, expected) in [
        (32 + 4 * 2048 + 1, 0, &[1, 2, 3][..]), // half an entry
        (32 + 4 * 2048, 2048, &[1, 2, 3]),      // a whole one that was never written
        (32 + 2 * 2048, 4096, &[1]),            // a batch of two
        (32 + 2 * 2048, 700, &[1]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (path, journal) = journal(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(keep);
        bytes.resize(keep + garbage, 0);
        fs::write(&path, bytes).unwrap();
        assert_eq!(numbers(&journal.read(&pepper(1), 1).unwrap()), expected);
        journal.append(&pepper(1), &[entry(9)]).unwrap();
        let expected = [expected, &[9]].concat();
        assert_eq!(numbers(&journal.read(&pepper(1), 1).unwrap()), expected);
    }
}

#[test]
fn of_a_batch_that_was_never_finished_nothing_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = journal(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(32 + 4 * 2048);
    // Entry 3 reached the disk, entry 2 of the same batch did not.
    bytes[32 + 2 * 2048..32 + 3 * 2048].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(numbers(&journal.read(&pepper(1), 1).unwrap()), [1]);
}

#[test]
fn rejects_damage_before_what_was_acknowledged_later() {
    for number in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let (path, journal) = journal(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[32 + number * 2048 + 100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(journal.read(&pepper(1), 1), Err(JournalError::Damaged { .. })), "{number}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn rejects_another_pepper_and_cuts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = journal(folder.path());
    assert!(matches!(journal.read(&pepper(2), 1), Err(JournalError::Damaged { .. })));
    assert_eq!(fs::metadata(&path).unwrap().len(), 32 + 5 * 2048);
}

#[test]
fn rejects_a_file_that_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    assert!(matches!(Journal::open(&path), Err(JournalError::Missing { .. })));
    for content in ["", "discreet-journal", "something else that is long enough for it"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Other { .. })));
    }
}

#[test]
fn a_resealed_journal_opens_under_the_new_pepper_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = journal(folder.path());
    reseal(&path, &pepper(1), &pepper(2)).unwrap();
    reseal(&path, &pepper(1), &pepper(2)).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.id(), old.id());
    assert_eq!(numbers(&journal.read(&pepper(2), 1).unwrap()), [1, 2, 3, 4]);
    assert!(journal.read(&pepper(1), 1).is_err());
    assert!(matches!(reseal(&path, &pepper(1), &pepper(3)), Err(JournalError::Damaged { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn many_append_at_once_and_all_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let one = Journal::create(&path, &pepper(1)).unwrap();
    let other = Journal::open(&path).unwrap();
    std::thread::scope(|scope| {
        for number in 1..=8 {
            let journal = if number % 2 == 0 { &one } else { &other };
            scope.spawn(move || journal.append(&pepper(1), &[entry(number)]).unwrap());
        }
    });
    assert_eq!(numbers(&one.read(&pepper(1), 1).unwrap()), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = journal(folder.path());
    reseal(&path, &pepper(1), &pepper(2)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
