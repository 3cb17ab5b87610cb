//! What a lookup reads, what a walk shows, and whose pepper fits.

use super::*;
use crate::store::Sqlite;
use discreet_serve::secret::Secret32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store that counts what is read from it.
struct Counting(Sqlite, Arc<AtomicUsize>);

impl Store for Counting {
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.read(table, label)
    }

    fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.0.write(batch)
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError> {
        self.0.scan(table, after, limit)
    }
}

fn open(folder: &Path, pepper: u8) -> Result<(Directory, Arc<AtomicUsize>), DirectoryError> {
    let reads = Arc::new(AtomicUsize::new(0));
    let store = Counting(Sqlite::open(&folder.join("directory.db"))?, Arc::clone(&reads));
    Ok((Directory::open(store, Pepper::new(Secret32::new([pepper; 32])))?, reads))
}

fn csi(number: &str) -> Csi {
    Csi::phone(number).unwrap()
}

/// A directory with one record, filed under +14155550123.
fn with_one_record(folder: &Path) -> (Directory, Arc<AtomicUsize>) {
    let (directory, reads) = open(folder, 1).unwrap();
    let record = directory.find(&csi("+14155550123")).unwrap().record;
    let change = Change::Record(csi("+14155550123"), Versioned { value: record, version: None });
    assert_eq!(directory.apply(&[change]).unwrap(), [Written::Applied]);
    (directory, reads)
}

#[test]
fn a_miss_reads_and_opens_as_much_as_a_hit() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, reads) = with_one_record(folder.path());
    let work = |number| {
        reads.store(0, Ordering::SeqCst);
        let found = directory.find(&csi(number)).unwrap();
        let [entry] = found.record.entries.as_slice() else { panic!("one mapping is opened") };
        let credential = &entry.credential;
        assert!(directory.status(&credential.authority, &credential.id).unwrap().is_some());
        (found.is_decoy, reads.load(Ordering::SeqCst))
    };
    assert_eq!(work("+14155550123"), (false, 3));
    assert_eq!(work("+14155550124"), (true, 3));
}

#[test]
fn the_decoy_is_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, _) = with_one_record(folder.path());
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
    let (directory, _) = with_one_record(folder.path());
    let change = || Change::Record(csi("+14155550123"), directory.record(&csi("+14155550123")).unwrap());
    let (first, second) = (change(), change());
    assert_eq!(directory.apply(&[first]).unwrap(), [Written::Applied]);
    assert_eq!(directory.apply(&[second]).unwrap(), [Written::Conflict]);
}

#[test]
fn the_database_holds_no_identifier_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_one_record(folder.path()));
    let bytes = std::fs::read(folder.path().join("directory.db")).unwrap();
    for clear in ["4155550123", "mimi://", "handle:decoy", "decoy.invalid"] {
        assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()), "{clear}");
    }
}
