//! The embedded store: SQLite, one host, one file. WAL, so that lookups go on while an import
//! writes; `synchronous=FULL`, so that what was acknowledged survives the loss of power.
//!
//! Writers that come at the same time share one transaction (`crate::group`). Whoever has the file
//! open holds the shared lock beside it (`crate::lock`).

use super::{Label, Row, Store, StoreError, Table, Write, Written};
use crate::group::Group;
use crate::lock::Lock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

mod prepare;
mod readers;
mod rows;
mod spent;
#[cfg(test)]
mod tests;
mod wal;

use prepare::{DIRECTORY, Layout};
use readers::Readers;
pub use spent::{Asked, Spend, Spent, SpentTokens};

/// How long a writer waits for another process's write, such as an import.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Writes in a batch from which on it is committed by itself: it makes good use of a
/// synchronisation alone, and is not worth copying.
const LARGE: usize = 256;

type Outcome = Result<Vec<Written>, StoreError>;

/// A directory in one SQLite file.
pub struct Sqlite {
    path: PathBuf,
    // Closed before the writer: the last connection to close tidies up the write-ahead log, and one
    // that only reads cannot.
    readers: Readers,
    writer: Mutex<Connection>,
    group: Group<Vec<Write>, Outcome>,
    /// The log is so long that it should be brought into the file.
    checkpoint_due: AtomicBool,
    /// SQLite has synchronised the folder, too: once, when it first synchronises the log.
    folder_synced: AtomicBool,
    syncs: AtomicU64,
    // Given up last.
    _lock: Lock,
}

impl Sqlite {
    /// Opens the file at `path`, or creates it (readable by its owner only), and shares it.
    ///
    /// # Errors
    ///
    /// When the file is damaged, of another format, being rebuilt, or cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Lock::shared(path)?)
    }

    /// As [`Sqlite::open`], under a lock that the caller took.
    pub(crate) fn open_with(path: &Path, lock: Lock) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(prepare::open(path, &DIRECTORY)?),
            readers: Readers::default(),
            group: Group::default(),
            checkpoint_due: AtomicBool::new(false),
            folder_synced: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Writes all of the directory as it is now into `file`, which must be there and empty. Others
    /// read and write meanwhile.
    pub(crate) fn copy_into(&self, file: &Path) -> Result<(), StoreError> {
        let copy = |connection: &Connection| {
            let name = file.to_str().ok_or(rusqlite::Error::InvalidPath(file.to_owned()))?;
            connection.execute("VACUUM INTO ?1", [name]).map(drop)
        };
        self.reading(copy)
    }

    /// Leaves nothing of deleted rows, neither in the file nor in the log.
    pub(crate) fn scrub(&self) -> Result<(), StoreError> {
        let writer = lock(&self.writer);
        wal::empty(&writer)
            .and_then(|_| writer.execute_batch("VACUUM"))
            .and_then(|()| wal::empty(&writer))
            .map(drop)
            .map_err(|reason| failure(&self.path, &DIRECTORY, reason))
    }

    fn reading<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let read = self.readers.read(|| self.reader(), read);
        read.map_err(|reason| failure(&self.path, &DIRECTORY, reason))
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // One plan for all values: else the scan is compiled anew for each label.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    }

    /// Commits all of `batches` at once or, if that fails, each by itself: one that does not fit on
    /// the disk must not keep the others from it.
    fn commit_group(&self, batches: &[Vec<Write>]) -> Vec<Outcome> {
        let mut writer = lock(&self.writer);
        let all: Vec<_> = batches.iter().map(Vec::as_slice).collect();
        match self.commit(&mut writer, &all) {
            Ok(written) => written.into_iter().map(Ok).collect(),
            // Another process holds the file; waiting for it once for each batch would help nobody.
            Err(reason)
                if batches.len() == 1 || reason.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
            {
                batches.iter().map(|_| Err(failure(&self.path, &DIRECTORY, same(&reason)))).collect()
            }
            Err(_) => batches.iter().map(|batch| self.commit_alone(&mut writer, batch)).collect(),
        }
    }

    fn commit_alone(&self, writer: &mut Connection, batch: &[Write]) -> Outcome {
        let written =
            self.commit(writer, &[batch]).map_err(|reason| failure(&self.path, &DIRECTORY, reason))?;
        Ok(written.into_iter().flatten().collect())
    }

    /// One durable transaction.
    fn commit(&self, writer: &mut Connection, batches: &[&[Write]]) -> rusqlite::Result<Vec<Vec<Written>>> {
        let transaction = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let log = wal::Log::begin(&transaction, &self.path);
        let written = batches.iter().map(|batch| rows::write_all(&transaction, batch));
        let written = written.collect::<rusqlite::Result<Vec<_>>>()?;
        let changed = log.changed(&transaction);
        transaction.commit()?;
        if changed {
            let folder = u64::from(!self.folder_synced.swap(true, Ordering::Relaxed));
            self.syncs.fetch_add(folder + log.syncs(), Ordering::Relaxed);
            self.checkpoint_due.store(wal::is_long(writer)?, Ordering::Relaxed);
        }
        Ok(written)
    }

    /// Brings the log into the file if it is long. By whoever has just written, after the others of
    /// his group have their results; if somebody writes already, it is for him to do.
    fn checkpoint(&self) {
        if let Ok(writer) = self.writer.try_lock()
            && self.checkpoint_due.swap(false, Ordering::Relaxed)
        {
            // What was written is durable without. If this fails, so will a later write, and say so.
            self.syncs.fetch_add(wal::checkpoint(&writer).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Makes the disk look full at `pages`.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        lock(&self.writer).pragma_update(None, "max_page_count", pages).unwrap();
    }
}

impl Store for Sqlite {
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError> {
        self.reading(|connection| rows::read(connection, table, label))
    }

    fn read_many(&self, table: Table, labels: &[Label]) -> Result<Vec<Option<Row>>, StoreError> {
        self.reading(|connection| {
            // One transaction: pages that several rows lie under are read once.
            let transaction = connection.unchecked_transaction()?;
            labels.iter().map(|label| rows::read(&transaction, table, label)).collect()
        })
    }

    fn write(&self, batch: &[Write]) -> Outcome {
        let written = if batch.len() < LARGE {
            let done = self.group.run(batch.to_vec(), |batches| self.commit_group(&batches));
            done.map_err(|reason| StoreError::Abandoned { path: self.path.clone(), reason })?
        } else {
            self.commit_alone(&mut lock(&self.writer), batch)
        };
        self.checkpoint();
        written
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError> {
        self.reading(|connection| rows::scan(connection, table, after, limit))
    }

    fn forget(&self) -> Result<bool, StoreError> {
        // What a page held before is overwritten when the page is written (`secure_delete`); what is left
        // is the log.
        wal::empty(&lock(&self.writer)).map_err(|reason| failure(&self.path, &DIRECTORY, reason))
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

fn failure(path: &Path, layout: &Layout, reason: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match reason.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { path, advice: layout.advice, reason }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        _ => StoreError::Unusable { path, reason },
    }
}

/// The same reason once more, for everybody who shared the transaction.
fn same(reason: &rusqlite::Error) -> rusqlite::Error {
    match reason {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone())
        }
        other => rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(other.to_string())),
    }
}

/// A thread that panicked while holding the lock left no half-done change: SQLite rolls it back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
