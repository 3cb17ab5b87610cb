//! Where sealed rows lie. A store sees labels and sealed bytes, never an identifier.
//!
//! Every operation concerns single rows, so that a store may be spread over many machines. The
//! contract is the comments of [`Store`], held to by one suite that every backend passes
//! (`store::contract`).

use crate::group::Abandoned;
use crate::lock::LockError;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod contract;
mod sqlite;

pub use sqlite::{Asked, Spend, Spent, SpentTokens, Sqlite};

/// What a row is found by: an HMAC under the pepper, without meaning to anyone else.
pub type Label = [u8; 32];

/// The two kinds of rows. They differ in size, so telling them apart reveals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row per identifier: all its mappings.
    Records,
    /// One row per credential: its latest status.
    Statuses,
}

/// A sealed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Grows with each write; part of what the seal authenticates.
    pub version: u64,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
}

/// One conditional write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// Which row.
    pub label: Label,
    /// The version the row must have now; `None`: there must be no such row.
    pub replaces: Option<u64>,
    /// What the row becomes; `None`: it is deleted, and may be made anew later.
    pub row: Option<Row>,
}

/// Whether the conditional writes of a batch took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// They did, durably.
    Applied,
    /// A row of the batch has another version by now; nothing of it changed.
    Conflict,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is none of ours, or damaged.
    #[error("the database {} is damaged or not one of ours: {reason}; {advice}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
    /// The file belongs to another version of this program.
    #[error("the database {} has format {found}, this program reads format {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: i64,
        /// What we read.
        expected: i64,
    },
    /// No room left.
    #[error("the database {} cannot grow: the disk is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else uses the directory, in a way that excludes this.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Another thread, which was writing for this one, too, broke down.
    #[error("the database {} may not have been written: {reason}; try again", path.display())]
    Abandoned {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: Abandoned,
    },
    /// Anything else: permissions, locks, I/O.
    #[error("the database {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: rusqlite::Error,
    },
}

/// Rows by label.
pub trait Store: Send + Sync + 'static {
    /// The row at `label`, as the latest finished write left it. May be called from any number of
    /// threads, also while a write is under way, and does not wait for it.
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError>;

    /// The rows at `labels`, in that order, as [`Store::read`] would find them one by one. Sorted labels
    /// are found faster.
    fn read_many(&self, table: Table, labels: &[Label]) -> Result<Vec<Option<Row>>, StoreError> {
        labels.iter().map(|label| self.read(table, label)).collect()
    }

    /// Applies all writes in order, if the condition of each holds when its turn comes, and nothing if one
    /// does not: what belongs together is never there in part. Says for each the same.
    ///
    /// On return what was applied is durable: it survives the loss of power. If the process dies
    /// before, each row is wholly as before or wholly as written; of two writes the later is never
    /// there without the earlier. On an error nothing of the batch is applied. Batches of several
    /// threads may share one durable transaction; each has results of its own, and one that cannot
    /// be written does not keep the others from it.
    ///
    /// Deleting a row that is not there (`replaces: None`, `row: None`) is applied and changes
    /// nothing.
    fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError>;

    /// Up to `limit` rows whose labels are greater than `after`, ascending. Rows written meanwhile
    /// may or may not appear; none appears twice over successive calls.
    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError>;

    /// Leaves nothing of rows that were replaced or deleted, as far as others who use the store now allow;
    /// returns whether they did. Lookups and writes go on meanwhile.
    fn forget(&self) -> Result<bool, StoreError>;

    /// How often this store has waited for the disk to make something durable, since it was opened.
    fn syncs(&self) -> u64;
}

/// A store that several hold.
impl<S: Store> Store for Arc<S> {
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError> {
        self.as_ref().read(table, label)
    }

    fn read_many(&self, table: Table, labels: &[Label]) -> Result<Vec<Option<Row>>, StoreError> {
        self.as_ref().read_many(table, labels)
    }

    fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.as_ref().write(batch)
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError> {
        self.as_ref().scan(table, after, limit)
    }

    fn forget(&self) -> Result<bool, StoreError> {
        self.as_ref().forget()
    }

    fn syncs(&self) -> u64 {
        self.as_ref().syncs()
    }
}
