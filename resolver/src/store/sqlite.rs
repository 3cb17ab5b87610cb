//! The embedded store: SQLite, one host, one file. WAL, so that lookups go on while an import
//! writes; `synchronous=FULL`, so that what was acknowledged survives the loss of power.

use super::{Label, Row, Store, StoreError, Table, Write, Written};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// "dscr": marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x6473_6372;
/// Format of the tables (`PRAGMA user_version`).
const FORMAT: i64 = 1;
/// How long a writer waits for another process's write, such as an import.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Reading connections kept open; more are opened under load and closed again.
const IDLE_READERS: usize = 16;

/// A directory in one SQLite file.
pub struct Sqlite {
    path: PathBuf,
    // Closed before the writer: the last connection to close tidies up the write-ahead log, and one
    // that only reads cannot.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the file at `path`, or creates it (readable by its owner only).
    ///
    /// # Errors
    ///
    /// When the file is damaged, of another format, or cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |reason| failure(path, reason);
        create_private(path)?;
        let connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        prepare(&connection, path)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(connection), readers: Mutex::new(Vec::new()) })
    }

    fn reading<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = lock(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.reader().map_err(|reason| failure(&self.path, reason))?,
        };
        let value = read(&connection).map_err(|reason| failure(&self.path, reason))?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        Ok(value)
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }
}

impl Store for Sqlite {
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError> {
        let sql = match table {
            Table::Records => "SELECT version, sealed FROM records WHERE label = ?1",
            Table::Statuses => "SELECT version, sealed FROM statuses WHERE label = ?1",
        };
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([label], row_at(0)).optional()
        })
    }

    fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        let mut writer = lock(&self.writer);
        let mut apply = || {
            let transaction = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let written = batch.iter().map(|write| write_one(&transaction, write));
            let written = written.collect::<rusqlite::Result<Vec<_>>>()?;
            transaction.commit()?;
            Ok(written)
        };
        apply().map_err(|reason| failure(&self.path, reason))
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError> {
        let sql = match table {
            Table::Records => {
                "SELECT label, version, sealed FROM records WHERE label > ?1 ORDER BY label LIMIT ?2"
            }
            Table::Statuses => {
                "SELECT label, version, sealed FROM statuses WHERE label > ?1 ORDER BY label LIMIT ?2"
            }
        };
        // The empty blob sorts before every label.
        let after = after.map_or(&[][..], |label| label.as_slice());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map(params![after, limit], |row| Ok((row.get::<_, Label>(0)?, row_at(1)(row)?)))?;
            rows.collect()
        })
    }
}

fn row_at(column: usize) -> impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    move |row| {
        // SQLite's integers are signed; the bits are what counts.
        let version = row.get::<_, i64>(column)?.cast_unsigned();
        Ok(Row { version, sealed: row.get(column + 1)? })
    }
}

fn write_one(connection: &Connection, write: &Write) -> rusqlite::Result<Written> {
    let sql = match (write.table, write.replaces) {
        (Table::Records, None) => {
            "INSERT INTO records (label, version, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
        }
        (Table::Statuses, None) => {
            "INSERT INTO statuses (label, version, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
        }
        (Table::Records, Some(_)) => {
            "UPDATE records SET version = ?2, sealed = ?3 WHERE label = ?1 AND version = ?4"
        }
        (Table::Statuses, Some(_)) => {
            "UPDATE statuses SET version = ?2, sealed = ?3 WHERE label = ?1 AND version = ?4"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let version = write.row.version.cast_signed();
    let changed = match write.replaces {
        None => statement.execute(params![write.label, version, write.row.sealed])?,
        Some(old) => statement.execute(params![write.label, version, write.row.sealed, old.cast_signed()])?,
    };
    Ok(if changed == 1 { Written::Applied } else { Written::Conflict })
}

/// Creates the file with mode 0600 before SQLite would create it with the process's umask. SQLite
/// gives its `-wal` and `-shm` files the mode of the main file.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| {
        let message = Some(error.to_string());
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        failure(path, rusqlite::Error::SqliteFailure(code, message))
    })
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |reason| failure(path, reason);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, format) = (pragma("application_id"), pragma("user_version"));
    let (application, format) = (application.map_err(fail)?, format.map_err(fail)?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if tables == 0 {
        create_tables(connection).map_err(fail)?;
    } else if application != APPLICATION_ID {
        let reason = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
        return Err(failure(path, rusqlite::Error::SqliteFailure(reason, None)));
    } else if format != FORMAT {
        return Err(StoreError::Format { path: path.to_owned(), found: format, expected: FORMAT });
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fail)?;
    let synchronous = pragma("synchronous").map_err(fail)?;
    // FULL is 2. A file system without shared memory refuses WAL.
    if mode != "wal" || synchronous != 2 {
        let reason = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        let message = Some("it supports neither WAL nor full synchronisation".to_owned());
        return Err(failure(path, rusqlite::Error::SqliteFailure(reason, message)));
    }
    Ok(())
}

fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS records (label BLOB PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS statuses (label BLOB PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         COMMIT;"
    ))
}

fn failure(path: &Path, reason: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match reason.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path, reason },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        _ => StoreError::Unusable { path, reason },
    }
}

/// A thread that panicked while holding the lock left no half-done change: SQLite rolls it back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
        assert!(matches!(Sqlite::open(&path), Err(StoreError::Format { found: 2, .. })));
    }

    #[test]
    fn a_full_disk_is_named_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
        store.write(&[contract::insert(1, 4000)]).unwrap();
        lock(&store.writer).pragma_update(None, "max_page_count", 12).unwrap();
        let batch: Vec<_> = (2..40).map(|n| contract::insert(n, 4000)).collect();
        assert!(matches!(store.write(&batch), Err(StoreError::Full { .. })));
        assert_eq!(store.scan(Table::Records, None, 100).unwrap().len(), 1);
    }

    #[test]
    fn a_closed_store_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
        store.write(&[contract::insert(1, 10)]).unwrap();
        assert_eq!(store.scan(Table::Records, None, 100).unwrap().len(), 1);
        drop(store);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
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
}
