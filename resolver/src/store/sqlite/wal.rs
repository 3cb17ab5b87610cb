//! The write-ahead log: how often a commit or a checkpoint waits for the disk, and when to make one.
//!
//! In WAL mode at `synchronous=FULL` SQLite synchronises the log once for each commit, once more
//! when the log begins anew, and for a checkpoint the log, and then the file if all of the log is in
//! it. A test holds these numbers to the operating system's.

use crate::lock::beside;
use rusqlite::Connection;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Pages not yet in the file from which on they are brought there: 32 MiB.
const LONG: i64 = 8192;

/// The log as it was before a commit.
pub(super) struct Log {
    path: PathBuf,
    header: Header,
    changes: u64,
}

/// Sequence number and salt, which are new each time the log begins anew.
type Header = Option<[u8; 24]>;

impl Log {
    /// To be asked inside the transaction: no other process can change the log meanwhile.
    pub(super) fn begin(connection: &Connection, directory: &Path) -> Self {
        let path = beside(directory, "-wal");
        Self { header: header(&path), path, changes: connection.total_changes() }
    }

    /// Whether the transaction has anything to commit.
    pub(super) fn changed(&self, connection: &Connection) -> bool {
        connection.total_changes() != self.changes
    }

    /// How often the commit waited for the disk.
    pub(super) fn syncs(&self) -> u64 {
        if header(&self.path) == self.header { 1 } else { 2 }
    }
}

fn header(path: &Path) -> Header {
    let mut bytes = [0; 24];
    File::open(path).and_then(|mut log| log.read_exact(&mut bytes)).ok().map(|()| bytes)
}

/// Pages in the log, and how many of them are in the file, too.
fn pages(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.prepare_cached(&sql)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// Whether a checkpoint is worth its while.
pub(super) fn is_long(connection: &Connection) -> rusqlite::Result<bool> {
    let (all, done) = pages(connection, "NOOP")?;
    Ok(all - done >= LONG)
}

/// Brings as much of the log into the file as readers allow; returns how often that waited for the
/// disk.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<u64> {
    let (_, before) = pages(connection, "NOOP")?;
    let (all, done) = pages(connection, "PASSIVE")?;
    Ok(u64::from(done > before) + u64::from(done > before && done == all))
}

/// Brings all of the log into the file, and empties it. `false`: somebody kept reading what is in it.
pub(super) fn empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}
