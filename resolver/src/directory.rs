//! The directory: records and statuses by identifier, sealed in a [`Store`], and the journal of what
//! was withdrawn.
//!
//! It must not judge: what a record takes in is [`crate::admission`]'s part.

use crate::journal::{Entry as Journalled, Journal, JournalError};
use crate::record::{Opened, RECORD_SIZE, Record, STATUS_SIZE, Standing};
use crate::seal::{Pepper, SealError};
use crate::store::{Label, Store, StoreError, Table, Write, Written};
use discreet_protocol::credential::CredentialId;
use discreet_protocol::identifier::{Csi, Domain};
use notes::Note;
use rows::Rows;
use std::path::Path;

mod decoy;
mod notes;
mod open;
mod relabel;
mod rows;

pub use relabel::relabel;

/// Rows read per step when the whole directory is walked.
const SCAN_PAGE: usize = 256;

/// Rows from which on sealing them on all cores is worth it.
const MANY: usize = 32;

/// Why the directory could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tombstone journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A row does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row opens, but does not hold what it should.
    #[error("a row of the directory holds something else than mappings or a status")]
    Content,
    /// Other writers kept changing the rows that this one wanted to change.
    #[error("other writers keep changing the same mappings; run this again when they are done")]
    Contended,
    /// The directory was sealed under another pepper.
    #[error("this pepper does not belong to this directory; use the one it was made with")]
    WrongPepper,
}

/// A value with the version of the row it came from; `None`: there is no row yet.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The row's version.
    pub version: Option<u64>,
}

/// A row to write, replacing the version it was read at.
pub enum Change {
    /// What is known of an identifier. The row of an empty record goes.
    Record(Versioned<Record>),
    /// The latest word about a credential; `None`: its row goes.
    Status(Domain, CredentialId, Versioned<Option<Standing>>),
}

/// A directory of mappings.
pub struct Directory {
    rows: Rows,
    journal: Journal,
    decoy: Opened,
}

impl Directory {
    /// Opens the directory in `store`; an empty store becomes one. What the journal at `journal` holds
    /// and the store does not, because it is an older copy, is done before this returns.
    ///
    /// # Errors
    ///
    /// When the store fails, was filled under another pepper, or the journal is not its own or older.
    pub fn open(store: impl Store, pepper: Pepper, journal: &Path) -> Result<Self, DirectoryError> {
        open::open(Rows { store: Box::new(store), pepper }, journal)
    }

    /// How often the store has waited for the disk.
    pub fn syncs(&self) -> u64 {
        self.rows.store.syncs()
    }

    /// Reads the record of `csi` for a lookup. Where there is none, the row that comes next is read and
    /// opened in its place, somebody's at random, and thrown away: so an absence is told neither by the work it
    /// causes, nor by how warm the pages are that it touches.
    pub fn find(&self, csi: &Csi) -> Result<Option<Opened>, DirectoryError> {
        let label = self.rows.pepper.record_label(csi);
        // The decoy's is always there.
        let (found, row) =
            self.rows.at_or_after(Table::Records, &label)?.ok_or(DirectoryError::WrongPepper)?;
        let opened = Opened::new(self.rows.open(&found, &row)?);
        Ok((found == label).then_some(opened))
    }

    /// Somebody's signed status, at random by `csi`, for work in place of one that nothing asks for.
    pub(crate) fn any_status(&self, csi: &Csi) -> Result<Vec<u8>, DirectoryError> {
        let label = self.rows.pepper.record_label(csi);
        // The decoy's is always there.
        let (found, row) =
            self.rows.at_or_after(Table::Statuses, &label)?.ok_or(DirectoryError::WrongPepper)?;
        let plain = self.rows.open(&found, &row)?;
        // The directory's few notes lie between them.
        Ok(Standing::decode(&plain).map_or(plain, |standing| standing.statement))
    }

    /// A record about nobody, which is looked through where no other says anything.
    pub(crate) fn decoy(&self) -> &Opened {
        &self.decoy
    }

    /// The record of `csi` for changing it; empty where there is none.
    pub fn record(&self, csi: &Csi) -> Result<Versioned<Record>, DirectoryError> {
        let label = self.rows.pepper.record_label(csi);
        Ok(match self.rows.store.read(Table::Records, &label)? {
            Some(row) => {
                Versioned { value: self.rows.open_record(&label, &row)?, version: Some(row.version) }
            }
            None => Versioned { value: Record::new(csi.clone()), version: None },
        })
    }

    /// As [`Directory::record`], of many at once.
    pub(crate) fn records(&self, csis: &[Csi]) -> Result<Vec<Versioned<Record>>, DirectoryError> {
        let labels: Vec<_> = csis.iter().map(|csi| self.rows.pepper.record_label(csi)).collect();
        let rows = self.rows.read_many(Table::Records, &labels)?;
        let records = csis.iter().zip(rows).map(|(csi, row)| match row {
            Some((plain, version)) => {
                let value = Record::decode(&plain).ok_or(DirectoryError::Content)?;
                Ok(Versioned { value, version: Some(version) })
            }
            None => Ok(Versioned { value: Record::new(csi.clone()), version: None }),
        });
        records.collect()
    }

    /// As [`Directory::status`], of many at once.
    pub(crate) fn statuses(
        &self,
        keys: &[(Domain, CredentialId)],
    ) -> Result<Vec<Versioned<Option<Standing>>>, DirectoryError> {
        let labels: Vec<_> = keys.iter().map(|(name, id)| self.rows.pepper.status_label(name, id)).collect();
        let rows = self.rows.read_many(Table::Statuses, &labels)?;
        let statuses = rows.into_iter().map(|row| match row {
            Some((plain, version)) => {
                let standing = Standing::decode(&plain).ok_or(DirectoryError::Content)?;
                Ok(Versioned { value: Some(standing), version: Some(version) })
            }
            None => Ok(Versioned { value: None, version: None }),
        });
        statuses.collect()
    }

    /// The authority's latest word about a credential.
    pub fn status(
        &self,
        authority: &Domain,
        id: &CredentialId,
    ) -> Result<Versioned<Option<Standing>>, DirectoryError> {
        let label = self.rows.pepper.status_label(authority, id);
        let Some((plain, version)) = self.rows.read(Table::Statuses, &label)? else {
            return Ok(Versioned { value: None, version: None });
        };
        let standing = Standing::decode(&plain).ok_or(DirectoryError::Content)?;
        Ok(Versioned { value: Some(standing), version: Some(version) })
    }

    /// Leaves nothing, in the database and its log, of rows that were replaced or deleted. `false`: somebody
    /// is reading them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn forget(&self) -> Result<bool, DirectoryError> {
        Ok(self.rows.store.forget()?)
    }

    /// Applies all changes, if each row still has the version it was read at, and otherwise none. What was
    /// applied is durable on return.
    ///
    /// Nothing is verified here: that is [`crate::admission`]'s part.
    pub fn apply(&self, changes: &[Change]) -> Result<Vec<Written>, DirectoryError> {
        if changes.len() < MANY {
            let writes = changes.iter().map(|change| self.write_of(change));
            return Ok(self.rows.store.write(&writes.collect::<Result<Vec<_>, _>>()?)?);
        }
        // Here and not on all cores: while an import writes, those verify, and would let it wait.
        let writes = changes.iter().map(|change| self.write_of(change));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        // In label order a store touches each of its pages once; statuses stay in front of records.
        let mut placed: Vec<(usize, Write)> = writes.into_iter().enumerate().collect();
        placed.sort_by_key(|(_, write)| (rank(write), write.label));
        let (places, writes): (Vec<_>, Vec<_>) = placed.into_iter().unzip();
        let mut written: Vec<_> = places.into_iter().zip(self.rows.store.write(&writes)?).collect();
        written.sort_unstable_by_key(|(place, _)| *place);
        Ok(written.into_iter().map(|(_, written)| written).collect())
    }

    fn write_of(&self, change: &Change) -> Result<Write, DirectoryError> {
        let (table, label, plain, old, size) = match change {
            Change::Record(record) => {
                let label = self.rows.pepper.record_label(&record.value.csi);
                let plain = (!record.value.is_empty()).then(|| record.value.encode());
                (Table::Records, label, plain, record.version, RECORD_SIZE)
            }
            Change::Status(authority, id, status) => {
                let label = self.rows.pepper.status_label(authority, id);
                let plain = status.value.as_ref().map(Standing::encode);
                (Table::Statuses, label, plain, status.version, STATUS_SIZE)
            }
        };
        self.rows.write(table, label, old, plain, size)
    }

    /// Makes `entries` durable in the journal, before the rows they are about are written.
    pub(crate) fn journal(&self, entries: &[Journalled]) -> Result<(), DirectoryError> {
        Ok(self.journal.append(&self.rows.pepper, entries)?)
    }

    /// How far the feed of `authority` has been read.
    pub(crate) fn cursor(&self, authority: &Domain) -> Result<Versioned<u64>, DirectoryError> {
        let note = self.rows.note(&self.rows.pepper.cursor_label(authority))?;
        Ok(match note {
            Some((Note::Cursor { after, .. }, version)) => Versioned { value: after, version: Some(version) },
            Some(_) => return Err(DirectoryError::Content),
            None => Versioned { value: 0, version: None },
        })
    }

    /// Keeps how far the feed of `authority` has been read.
    pub(crate) fn set_cursor(&self, authority: &Domain, after: u64) -> Result<(), DirectoryError> {
        let old = self.cursor(authority)?.version;
        let note = Note::Cursor { authority: authority.clone(), after };
        // Who was faster read the same feed: going over some of it again does no harm.
        self.rows.write_note(&note, old).map(drop)
    }

    /// Walks all records in label order. `visit` gets each record and how far the walk is, from 0
    /// to 1: labels are spread evenly, so the label itself tells.
    pub fn walk<E: From<DirectoryError>>(
        &self,
        mut visit: impl FnMut(Record, f64) -> Result<(), E>,
    ) -> Result<(), E> {
        let decoy = self.rows.pepper.decoy_label();
        self.rows.walk(Table::Records, |label, row| {
            if *label == decoy {
                return Ok(());
            }
            visit(self.rows.open_record(label, row)?, position(label))
        })
    }

    /// Walks all statuses and revocations in label order.
    pub fn walk_statuses<E: From<DirectoryError>>(
        &self,
        mut visit: impl FnMut(Standing) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows.walk(Table::Statuses, |label, row| {
            let plain = self.rows.open(label, row)?;
            // The directory's notes lie between them.
            Standing::decode(&plain).map_or(Ok(()), &mut visit)
        })
    }
}

/// What a record needs comes before it, and goes after it.
fn rank(write: &Write) -> u8 {
    match (write.table, &write.row) {
        (Table::Statuses, Some(_)) => 0,
        (Table::Records, _) => 1,
        (Table::Statuses, None) => 2,
    }
}

fn position(label: &Label) -> f64 {
    let first = label.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    f64::from(first) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
