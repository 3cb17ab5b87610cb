//! A role's own record: SQLite, one file of mode 0600, WAL, `synchronous=FULL`.
//!
//! What is in it is the role's: its [`Schema`]. Commands may use it while the service runs; writers wait
//! for each other.

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a writer waits for another process's write, such as a command of the operator.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a role keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// Marks the file as this role's (`PRAGMA application_id`).
    pub(crate) application_id: i64,
    /// Format of the tables (`PRAGMA user_version`).
    pub(crate) format: i64,
    /// Makes the tables.
    pub(crate) tables: &'static str,
}

/// Why a role's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is none. None is made silently: with an empty one, everybody's holder would be forgotten, or
    /// what everybody has used up.
    #[error("the database {} is missing; restore it from its backup or, for a new provider, run `discreet-provider init`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is damaged, or somebody else's.
    #[error("{} is damaged, or not the database of this role: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
    /// The file is of another version.
    #[error("{} has format {found}, this program knows {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that this program reads.
        known: i64,
    },
    /// The disk is full. Nothing was changed.
    #[error("the disk of {} is full; nothing was changed", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// A copy would overwrite something.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A copy cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It cannot be used for another reason.
    #[error("cannot use the database {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
}

/// An open database.
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens the database at `path`.
    pub(crate) fn open(path: &Path, schema: &Schema) -> Result<Self, DatabaseError> {
        if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
            return Err(DatabaseError::Missing { path: path.to_owned() });
        }
        Self::prepare(path, schema)
    }

    /// As [`Database::open`], but makes it if there is none.
    pub(crate) fn create(path: &Path, schema: &Schema) -> Result<Self, DatabaseError> {
        create_private(path).map_err(|error| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            failure(path, rusqlite::Error::SqliteFailure(code, Some(error.to_string())))
        })?;
        Self::prepare(path, schema)
    }

    fn prepare(path: &Path, schema: &Schema) -> Result<Self, DatabaseError> {
        let fail = |reason| failure(path, reason);
        // Not SQLITE_OPEN_CREATE: a file that disappears meanwhile is not made anew.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        ensure_tables(&mut connection, schema).map_err(fail)?;
        let format = pragma(&connection, "user_version").map_err(fail)?;
        if pragma(&connection, "application_id").map_err(fail)? != schema.application_id {
            let reason = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
            return Err(fail(rusqlite::Error::SqliteFailure(reason, None)));
        }
        if format != schema.format {
            return Err(DatabaseError::Format { path: path.to_owned(), found: format, known: schema.format });
        }
        synchronise(&connection).map_err(fail)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        // A thread that panicked while holding the lock left no half-done change: SQLite rolls it back.
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        read(&connection).map_err(|reason| failure(&self.path, reason))
    }

    /// Copies everything as it is now to `file`, durably. Others read and write meanwhile.
    pub(crate) fn copy_into(&self, file: &Path) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Copy { path: file.to_owned(), source };
        let mut partial = file.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // A leftover of an interrupted copy may have another mode.
        let _ = std::fs::remove_file(&partial);
        let copied = create_private(&partial).map_err(failed).and_then(|()| {
            self.read(|connection| {
                let name = partial.to_str().ok_or(rusqlite::Error::InvalidPath(partial.clone()))?;
                connection.execute("VACUUM INTO ?1", [name]).map(drop)
            })?;
            std::fs::File::open(&partial).and_then(|copy| copy.sync_all()).map_err(failed)?;
            // Unlike a rename, a link takes nobody's place.
            std::fs::hard_link(&partial, file).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => DatabaseError::Exists { path: file.to_owned() },
                _ => failed(source),
            })
        });
        let _ = std::fs::remove_file(&partial);
        copied?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = std::fs::File::open(folder.unwrap_or(Path::new(".")));
        folder.and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// Changes, all or nothing, durable on return. An `Err` inside the `Ok` changes nothing, too.
    pub(crate) fn write<T, E>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, E>>,
    ) -> Result<Result<T, E>, DatabaseError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let apply = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction)?;
            if changed.is_ok() {
                transaction.commit()?;
            }
            Ok(changed)
        };
        apply().map_err(|reason| failure(&self.path, reason))
    }

    /// Leaves nothing of what was deleted or changed, neither in the file, where it is overwritten with zeros, nor in
    /// the log. If somebody reads meanwhile, such as a copy in the making, what is in the log stays until the next time.
    pub(crate) fn scrub(&self) -> Result<(), DatabaseError> {
        self.read(|connection| {
            // Everybody who writes would wait, too.
            connection.busy_timeout(Duration::ZERO)?;
            let emptied = empty_log(connection);
            connection.busy_timeout(BUSY_TIMEOUT)?;
            emptied
        })
    }
}

/// Brings the log into the file and cuts it to nothing, unless somebody reads in it.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// In one transaction, so that of two commands that start at once one makes the tables.
fn ensure_tables(connection: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(schema.tables)?;
        transaction.pragma_update(None, "application_id", schema.application_id)?;
        transaction.pragma_update(None, "user_version", schema.format)?;
    }
    transaction.commit()
}

fn synchronise(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // FULL is 2. A file system without shared memory refuses WAL.
    if mode != "wal" || pragma(connection, "synchronous")? != 2 {
        let reason = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        let message = Some("its disk supports neither WAL nor full synchronisation".to_owned());
        return Err(rusqlite::Error::SqliteFailure(reason, message));
    }
    Ok(())
}

/// Creates the file with mode 0600 before SQLite would create it with the process's umask. SQLite
/// gives its `-wal` and `-shm` files the mode of the main file.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn failure(path: &Path, reason: rusqlite::Error) -> DatabaseError {
    let path = path.to_owned();
    match reason.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DatabaseError::Corrupt { path, reason },
        Some(ErrorCode::DiskFull) => DatabaseError::Full { path },
        _ => DatabaseError::Unusable { path, reason },
    }
}

#[cfg(test)]
mod tests;
