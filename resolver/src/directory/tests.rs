//! What a walk shows, whose pepper and journal fit, where rows lie under another pepper.

use super::*;
use crate::fixture::*;
use crate::journal::JournalError;
use crate::record::Tombstone;
use crate::store::Sqlite;
use discreet_serve::secret::Secret32;

fn pepper(fill: u8) -> Pepper {
    Pepper::new(Secret32::new([fill; 32]))
}

fn open(folder: &Path, fill: u8) -> Result<Directory, DirectoryError> {
    let store = Sqlite::open(&folder.join("directory.db"))?;
    Directory::open(store, pepper(fill), &folder.join("journal"))
}

/// A directory with one record.
fn with_one_record(folder: &Path) -> Directory {
    let directory = open(folder, 1).unwrap();
    let entries = vec![person(ONE, 1, 10).signed("Default", 5).entry()];
    let record = Record { entries, ..Record::new(phone(NUMBER)) };
    let change = Change::Record(Versioned { value: record, version: None });
    assert_eq!(directory.apply(&[change]).unwrap(), [Written::Applied]);
    directory
}

#[test]
fn the_decoy_is_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    let mut seen = 0;
    let walked = directory.walk(|_, position| {
        seen += 1;
        assert!((0.0..=1.0).contains(&position));
        Ok::<_, DirectoryError>(())
    });
    walked.unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn rejects_another_pepper() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_one_record(folder.path()));
    assert!(matches!(open(folder.path(), 2), Err(DirectoryError::WrongPepper)));
    assert!(open(folder.path(), 1).is_ok());
}

#[test]
fn a_change_at_an_old_version_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    let change = || Change::Record(directory.record(&phone(NUMBER)).unwrap());
    let (first, second) = (change(), change());
    assert_eq!(directory.apply(&[first]).unwrap(), [Written::Applied]);
    assert_eq!(directory.apply(&[second]).unwrap(), [Written::Conflict]);
}

#[test]
fn the_row_of_an_empty_record_goes_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    let Versioned { value, version } = directory.record(&phone(NUMBER)).unwrap();
    let empty = Versioned { value: Record::new(phone(NUMBER)), version };
    assert_eq!(directory.apply(&[Change::Record(empty)]).unwrap(), [Written::Applied]);
    assert!(directory.find(&phone(NUMBER)).unwrap().is_none());
    let old = Change::Record(Versioned { value: value.clone(), version });
    let new = Change::Record(Versioned { value, version: None });
    assert_eq!(directory.apply(&[old]).unwrap(), [Written::Conflict]);
    assert_eq!(directory.apply(&[new]).unwrap(), [Written::Applied]);
    let again = directory.record(&phone(NUMBER)).unwrap().version;
    assert_ne!(again, version, "the new row is not taken for the old one");
}

#[test]
fn the_database_holds_no_identifier_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_one_record(folder.path()));
    for file in ["directory.db", "journal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        for clear in ["4155550123", "mimi://", "handle:decoy", "decoy.invalid", "cursor"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()), "{clear}");
        }
    }
}

#[test]
fn a_cursor_is_kept_per_authority() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    assert_eq!(directory.cursor(&domain(ONE)).unwrap().value, 0);
    directory.set_cursor(&domain(ONE), 70).unwrap();
    directory.set_cursor(&domain(ONE), 71).unwrap();
    directory.set_cursor(&domain(TWO), 5).unwrap();
    drop(directory);
    let directory = open(folder.path(), 1).unwrap();
    assert_eq!(directory.cursor(&domain(ONE)).unwrap().value, 71);
    assert_eq!(directory.cursor(&domain(TWO)).unwrap().value, 5);
}

#[test]
fn every_row_tells_its_label_under_another_pepper() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    directory.set_cursor(&domain(ONE), 70).unwrap();
    let alice = person(ONE, 1, 10);
    let standing = |revoked, statement| Some(Standing { authority: domain(ONE), revoked, statement });
    let put = |id, value| Change::Status(domain(ONE), id, Versioned { value, version: None });
    let revoked = alice.clone().id([9; 16]);
    directory
        .apply(&[
            put([1; 16], standing(false, alice.status(NOW))),
            put([9; 16], standing(true, revoked.revocation(NOW))),
        ])
        .unwrap();
    let (old, new) = (pepper(1), pepper(2));
    let mut labels = Vec::new();
    for table in [Table::Records, Table::Statuses] {
        let walked = directory.rows.walk(table, |label, row| {
            let plain = directory.rows.open(label, row)?;
            labels.push(relabel(table, label, &plain, &old, &new).expect("every row has a label"));
            assert_eq!(relabel(table, label, &plain, &old, &old), Some(*label));
            Ok::<_, DirectoryError>(())
        });
        walked.unwrap();
    }
    let mut expected = vec![
        new.record_label(&phone(NUMBER)),
        new.decoy_label(),
        new.status_label(&domain("decoy.invalid"), &[0; 16]),
        new.status_label(&domain(ONE), &[1; 16]),
        new.status_label(&domain(ONE), &[9; 16]),
        new.cursor_label(&domain(ONE)),
        new.journal_label(),
    ];
    labels.sort();
    expected.sort();
    assert_eq!(labels, expected);
    assert_eq!(relabel(Table::Records, &[0; 32], b"\x80", &old, &new), None);
    assert_eq!(relabel(Table::Statuses, &[0; 32], b"\x83\x61a", &old, &new), None);
}

#[test]
fn rejects_a_missing_journal() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_one_record(folder.path()));
    std::fs::remove_file(folder.path().join("journal")).unwrap();
    let error = open(folder.path(), 1).err().unwrap();
    assert!(matches!(error, DirectoryError::Journal(JournalError::Missing { .. })), "{error}");
}

#[test]
fn rejects_another_directorys_journal() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop((with_one_record(folder.path()), with_one_record(other.path())));
    std::fs::copy(other.path().join("journal"), folder.path().join("journal")).unwrap();
    let error = open(folder.path(), 1).err().unwrap();
    assert!(matches!(error, DirectoryError::Journal(JournalError::Other { .. })), "{error}");
}

#[test]
fn rejects_a_journal_that_is_older_than_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    let journal = folder.path().join("journal");
    let older = std::fs::read(&journal).unwrap();
    let standing =
        Standing { authority: domain(ONE), revoked: true, statement: person(ONE, 1, 10).revocation(NOW) };
    directory.journal(&[Journalled::Revocation(standing)]).unwrap();
    drop(directory);
    drop(open(folder.path(), 1).unwrap());
    std::fs::write(&journal, older).unwrap();
    let error = open(folder.path(), 1).err().unwrap();
    assert!(matches!(error, DirectoryError::Journal(JournalError::Short { .. })), "{error}");
}

#[test]
fn a_new_directory_takes_over_the_journal_of_a_lost_one() {
    let folder = tempfile::tempdir().unwrap();
    let directory = with_one_record(folder.path());
    let alice = person(ONE, 1, 10);
    let standing = Standing { authority: domain(ONE), revoked: true, statement: alice.revocation(NOW) };
    directory.journal(&[Journalled::Revocation(standing.clone())]).unwrap();
    drop(directory);
    std::fs::remove_file(folder.path().join("directory.db")).unwrap();
    let directory = open(folder.path(), 1).unwrap();
    assert_eq!(directory.status(&domain(ONE), &[1; 16]).unwrap().value, Some(standing));
    // Under another pepper it is closed, and stays as it is.
    std::fs::remove_file(folder.path().join("directory.db")).unwrap();
    let before = std::fs::read(folder.path().join("journal")).unwrap();
    let error = open(folder.path(), 2).err().unwrap();
    assert!(matches!(error, DirectoryError::Journal(JournalError::Damaged { .. })), "{error}");
    assert_eq!(std::fs::read(folder.path().join("journal")).unwrap(), before);
}

fn stone(authority: &str, name: Option<&str>, serial: u64, evidence: usize) -> Tombstone {
    Tombstone {
        authority: domain(authority),
        holder: person(ONE, 1, 10).holder.verifying_key().to_bytes(),
        proved_at: person(ONE, 1, 10).credential.proved_at,
        tag: name.map(tag),
        serial,
        until: NOW.plus(1000),
        evidence: vec![1; evidence],
    }
}

/// A directory whose journal has `entries` that are not in it yet, opened.
fn replayed(folder: &Path, entries: &[Journalled]) -> Record {
    let directory = with_one_record(folder);
    directory.journal(entries).unwrap();
    drop(directory);
    open(folder, 1).unwrap().record(&phone(NUMBER)).unwrap().value
}

#[test]
fn a_journal_with_more_than_fits_is_replayed_all_the_same() {
    let tags = (0..40).map(|n| stone(ONE, Some(&format!("Tag-{n}")), 4, 0));
    let whole = (0..40).map(|n| stone(ONE, Some(&format!("Tag-{n}")), 4, 400));
    let others = (0..60).map(|n| stone(&format!("authority-{n}.example"), None, 4, 400));
    for (stones, left) in [(tags.collect::<Vec<_>>(), 40), (whole.collect(), 40), (others.collect(), 59)] {
        let folder = tempfile::tempdir().unwrap();
        let entries = stones.into_iter().map(|stone| Journalled::Tombstone(phone(NUMBER), stone));
        let record = replayed(folder.path(), &entries.collect::<Vec<_>>());
        assert_eq!(record.entries.len(), 1);
        let stones = record.tombstones.len();
        assert!((1..=left).contains(&stones), "{stones}");
    }
}

#[test]
fn what_was_taken_back_is_not_replayed() {
    let done = || Journalled::Tombstone(phone(NUMBER), stone(ONE, None, 6, 10));
    let undone = || Journalled::Undone(phone(NUMBER), stone(ONE, None, 6, 10));
    for (entries, left) in [
        (vec![done()], 0),
        (vec![done(), undone()], 1),
        (vec![done(), undone(), done()], 0),
        (vec![undone()], 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(replayed(folder.path(), &entries).entries.len(), left);
    }
}

#[test]
fn a_repepper_without_its_journal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_one_record(folder.path()));
    let at = |name: &str| folder.path().join(name);
    discreet_serve::secret::create_secret(&at("pepper.key"), &[1; 32]).unwrap();
    std::fs::rename(at("journal"), at("elsewhere")).unwrap();
    let repepper =
        || crate::repepper::repepper(&at("directory.db"), &at("journal"), &at("pepper.key"), |_| {});
    let error = repepper().unwrap_err().to_string();
    assert!(error.contains("is missing; restore its latest copy"), "{error}");
    assert!(!crate::repepper::next_pepper(&at("pepper.key")).exists());
    std::fs::rename(at("elsewhere"), at("journal")).unwrap();
    assert!(open(folder.path(), 1).is_ok());
    repepper().unwrap();
    assert!(matches!(open(folder.path(), 1), Err(DirectoryError::WrongPepper)));
}
