//! The contract, and what is SQLite's own: damage, a full disk, group commit, counted synchronisations.

use super::*;
use crate::store::contract;

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    contract::check(|| Sqlite::open(&path).unwrap());
}

#[test]
fn rejects_a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    std::fs::write(&path, "not a database, but long enough to be taken for one ".repeat(40)).unwrap();
    let error = Sqlite::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn rejects_somebody_elses_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Corrupt { .. })));
}

#[test]
fn rejects_a_later_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Format { found: 3, .. })));
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
    store.write(&[contract::insert(1, 4000)]).unwrap();
    store.limit_pages(12);
    let batch: Vec<_> = (2..40).map(|n| contract::insert(n, 4000)).collect();
    assert!(matches!(store.write(&batch), Err(StoreError::Full { .. })));
    assert_eq!(store.scan(Table::Records, None, 100).unwrap().len(), 1);
}

#[test]
fn a_closed_store_is_one_file_and_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
    store.write(&[contract::insert(1, 10)]).unwrap();
    assert_eq!(store.scan(Table::Records, None, 100).unwrap().len(), 1);
    drop(store);
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["directory.db", "directory.db.lock"]);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    let store = Sqlite::open(&path).unwrap();
    store.write(&[contract::insert(1, 10)]).unwrap();
    for name in ["directory.db", "directory.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn a_thousand_writers_wait_for_the_disk_far_less_than_a_thousand_times() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
    let start = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for thread in 0..100u8 {
            let (store, start) = (&store, &start);
            scope.spawn(move || {
                start.wait();
                for n in 0..10u8 {
                    let mut label = [thread; 32];
                    label[31] = n;
                    let write = Write { label, ..contract::insert(0, 4096) };
                    assert_eq!(store.write(&[write]).unwrap(), [Written::Applied]);
                }
            });
        }
    });
    assert_eq!(store.scan(Table::Records, None, 2000).unwrap().len(), 1000);
    // Each thread waits for its write before the next: ten rounds, if all go together.
    assert!((10..250).contains(&store.syncs()), "{}", store.syncs());
}

#[test]
fn of_writers_that_share_a_transaction_only_the_one_too_large_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
    store.limit_pages(40);
    let large: Vec<_> = (100..200).map(|n| contract::insert(n, 4000)).collect();
    let small = [1, 2, 3].map(|n| vec![contract::insert(n, 100)]);
    let [one, two, three] = small;
    let outcomes = store.commit_group(&[one, large, two, three]);
    assert!(matches!(outcomes.as_slice(), [Ok(_), Err(StoreError::Full { .. }), Ok(_), Ok(_)]));
    assert_eq!(store.scan(Table::Records, None, 100).unwrap().len(), 3);
}

#[test]
fn a_long_log_is_brought_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    let store = Sqlite::open(&path).unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    for round in 0..32u8 {
        let row = |n: u16| {
            let mut label = [round; 32];
            label[1..3].copy_from_slice(&n.to_be_bytes());
            Write { label, ..contract::insert(0, 4096) }
        };
        store.write(&(0..256).map(row).collect::<Vec<_>>()).unwrap();
    }
    assert!(size() > before + 16 * 1024 * 1024, "{}", size());
}

#[test]
fn rejects_a_directory_that_is_being_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    let _lock = Lock::exclusive(&path).unwrap();
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Locked(_))));
}

#[test]
fn a_scrubbed_file_holds_nothing_of_deleted_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db");
    let store = Sqlite::open(&path).unwrap();
    let mark = b"to be forgotten";
    let forget = || contract::insert(9, 0);
    let row = Row { version: 1, sealed: mark.repeat(300) };
    store.write(&[contract::insert(1, 4000), Write { row: Some(row), ..forget() }]).unwrap();
    store.write(&[Write { replaces: Some(1), row: None, ..forget() }]).unwrap();
    let holds = || {
        ["directory.db", "directory.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            bytes.windows(mark.len()).any(|window| window == mark)
        })
    };
    assert!(holds(), "as free pages or in the log");
    store.scrub().unwrap();
    assert!(!holds());
    assert!(store.read(Table::Records, &[1; 32]).unwrap().is_some());
}
