//! What becomes of the file: who may read it, what is refused, what is left of what was deleted.

use super::*;
use crate::authority::SCHEMA;

fn created() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(&folder.path().join("authority.db"), &SCHEMA).unwrap();
    (folder, database)
}

#[test]
fn none_is_made_silently() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    assert!(matches!(Database::open(&path, &SCHEMA), Err(DatabaseError::Missing { .. })));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Database::open(&path, &SCHEMA), Err(DatabaseError::Missing { .. })));
    drop(Database::create(&path, &SCHEMA).unwrap());
    assert!(Database::open(&path, &SCHEMA).is_ok());
}

#[test]
fn rejects_what_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    std::fs::write(&path, "not a database, but long enough to be taken for one ".repeat(40)).unwrap();
    assert!(matches!(Database::open(&path, &SCHEMA), Err(DatabaseError::Corrupt { .. })));
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Database::open(&other, &SCHEMA), Err(DatabaseError::Corrupt { .. })));
    let later = folder.path().join("later.db");
    drop(Database::create(&later, &SCHEMA).unwrap());
    Connection::open(&later).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(Database::open(&later, &SCHEMA), Err(DatabaseError::Format { found: 2, .. })));
}

#[cfg(unix)]
#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, database) = created();
    let change =
        |connection: &Transaction<'_>| connection.execute("UPDATE feed SET last = 1", []).map(Ok::<_, ()>);
    database.write(change).unwrap().unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2, "the database and its log");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let (_folder, database) = created();
    let change = |connection: &Transaction<'_>| {
        connection.execute("UPDATE feed SET last = 9", []).map(|_| Err::<(), _>("refused"))
    };
    assert_eq!(database.write(change).unwrap(), Err("refused"));
    let last = |connection: &Connection| {
        connection.query_row("SELECT last FROM feed", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(database.read(last).unwrap(), 0);
}

#[test]
fn a_copy_holds_what_is_there_and_overwrites_nothing() {
    let (folder, database) = created();
    let change =
        |connection: &Transaction<'_>| connection.execute("UPDATE feed SET last = 9", []).map(Ok::<_, ()>);
    database.write(change).unwrap().unwrap();
    let copy = folder.path().join("copy.db");
    database.copy_into(&copy).unwrap();
    let last = |connection: &Connection| {
        connection.query_row("SELECT last FROM feed", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(Database::open(&copy, &SCHEMA).unwrap().read(last).unwrap(), 9);
    assert!(matches!(database.copy_into(&copy), Err(DatabaseError::Exists { .. })));
    let missing = folder.path().join("no/such/folder/copy.db");
    assert!(matches!(database.copy_into(&missing), Err(DatabaseError::Copy { .. })));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_str().unwrap().contains("partial")));
}

#[test]
fn nothing_of_what_was_deleted_is_left_in_the_files() {
    let (folder, database) = created();
    let uri = |number: u32| format!("tel:+1415{number:07}");
    let fill = |connection: &Transaction<'_>| {
        for number in 0..300 {
            let add = "INSERT INTO enrolments VALUES (?1, ?1, ?2, 0, 0)";
            connection.execute(add, rusqlite::params![number.to_string(), uri(number)])?;
        }
        Ok(Ok::<_, ()>(()))
    };
    database.write(fill).unwrap().unwrap();
    let there = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let bytes: Vec<_> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        let holds = |number: &u32| {
            let uri = uri(*number);
            bytes.windows(uri.len()).any(|window| window == uri.as_bytes())
        };
        (0..300).step_by(37).filter(holds).count()
    };
    assert_eq!(there(), 9);
    let delete =
        |connection: &Transaction<'_>| connection.execute("DELETE FROM enrolments", []).map(Ok::<_, ()>);
    database.write(delete).unwrap().unwrap();
    database.scrub().unwrap();
    assert_eq!(there(), 0);
}

/// A copy in the making reads for as long as it takes; whoever writes does not wait for that.
#[test]
fn scrubbing_waits_for_no_reader_and_is_done_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.db");
    let database = Database::create(&path, &SCHEMA).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM feed").unwrap();
    let change =
        |connection: &Transaction<'_>| connection.execute("UPDATE feed SET last = 9", []).map(Ok::<_, ()>);
    database.write(change).unwrap().unwrap();
    let log = || std::fs::metadata(folder.path().join("authority.db-wal")).unwrap().len();
    let began = std::time::Instant::now();
    database.scrub().unwrap();
    assert!(log() > 0 && began.elapsed() < BUSY_TIMEOUT);
    reader.execute_batch("COMMIT").unwrap();
    database.scrub().unwrap();
    assert_eq!(log(), 0);
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let (_folder, database) = created();
    let few = |connection: &Connection| connection.pragma_update(None, "max_page_count", 1);
    database.read(few).unwrap();
    let change = |connection: &Transaction<'_>| {
        let fill = "INSERT INTO enrolments VALUES (zeroblob(1000000), '', '', 0, 0)";
        connection.execute(fill, []).map(Ok::<_, ()>)
    };
    assert!(matches!(database.write(change), Err(DatabaseError::Full { .. })));
    let count = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM enrolments", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(database.read(count).unwrap(), 0);
}
