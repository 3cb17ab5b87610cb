//! Opening the file: whose it is, which format, and that it keeps what it is given.

use super::{BUSY_TIMEOUT, failure};
use crate::store::StoreError;
use rusqlite::{Connection, ffi};
use std::io::ErrorKind;
use std::path::Path;

/// What a file of ours is.
pub(super) struct Layout {
    /// Marks the file as ours (`PRAGMA application_id`).
    pub(super) application_id: i64,
    /// Format of the tables and of what is in them (`PRAGMA user_version`).
    pub(super) format: i64,
    /// The statements that make the tables.
    pub(super) tables: &'static str,
    /// Those that files of this format did not have from the beginning: made where they are not there.
    pub(super) later: &'static str,
    /// Whether what a page held is overwritten with zeros, so that nothing stays of what was deleted.
    pub(super) secure_delete: bool,
    /// What to do when the file is damaged.
    pub(super) advice: &'static str,
}

/// The directory. The index holds labels alone: `WITHOUT ROWID` would have each comparison read a whole
/// row, because rows are longer than a page of the tree takes in.
pub(super) const DIRECTORY: Layout = Layout {
    // "dscr"
    application_id: 0x6473_6372,
    format: 2,
    tables: "CREATE TABLE IF NOT EXISTS records (label BLOB NOT NULL UNIQUE, version INTEGER NOT NULL, sealed BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS statuses (label BLOB NOT NULL UNIQUE, version INTEGER NOT NULL, sealed BLOB NOT NULL);",
    later: "",
    secure_delete: true,
    advice: "restore it from a backup",
};

/// Memory for pages between the file and the writer, in KiB.
const CACHE: i64 = 64 * 1024;

/// The connection that writes.
pub(super) fn open(path: &Path, layout: &Layout) -> Result<Connection, StoreError> {
    let fail = |reason| failure(path, layout, reason);
    create_private(path, layout)?;
    let connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    prepare(&connection, path, layout)?;
    Ok(connection)
}

/// Creates the file with mode 0600 before SQLite would create it with the process's umask. SQLite
/// gives its `-wal` and `-shm` files the mode of the main file. A file that is there is not opened:
/// closing it would give up the locks that SQLite holds on it in this process.
fn create_private(path: &Path, layout: &Layout) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let code = ffi::Error::new(ffi::SQLITE_CANTOPEN);
            Err(failure(path, layout, rusqlite::Error::SqliteFailure(code, Some(error.to_string()))))
        }
        _ => Ok(()),
    }
}

fn prepare(connection: &Connection, path: &Path, layout: &Layout) -> Result<(), StoreError> {
    let fail = |reason| failure(path, layout, reason);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fail);
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if tables == 0 {
        create_tables(connection, layout).map_err(fail)?;
    } else if application != layout.application_id {
        let reason = ffi::Error::new(ffi::SQLITE_NOTADB);
        return Err(fail(rusqlite::Error::SqliteFailure(reason, None)));
    } else if format != layout.format {
        return Err(StoreError::Format { path: path.to_owned(), found: format, expected: layout.format });
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fail)?;
    // FULL is 2. A file system without shared memory refuses WAL.
    if mode != "wal" || pragma("synchronous")? != 2 {
        let reason = ffi::Error::new(ffi::SQLITE_IOERR);
        let message = Some("it supports neither WAL nor full synchronisation".to_owned());
        return Err(fail(rusqlite::Error::SqliteFailure(reason, message)));
    }
    let secure = if layout.secure_delete { "ON" } else { "OFF" };
    connection.pragma_update_and_check(None, "secure_delete", secure, |_| Ok(())).map_err(fail)?;
    connection.execute_batch(layout.later).map_err(fail)?;
    // Checkpoints are made, and counted, in `wal`. Negative: KiB instead of pages.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -CACHE).map_err(fail)
}

fn create_tables(connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
    let Layout { application_id, format, tables, .. } = layout;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {tables}
         PRAGMA application_id = {application_id};
         PRAGMA user_version = {format};
         COMMIT;"
    ))
}
