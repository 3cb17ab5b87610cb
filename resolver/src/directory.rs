//! The directory: records and statuses by identifier, sealed in a [`Store`].

use crate::record::{self, RECORD_SIZE, Record, STATUS_SIZE};
use crate::seal::{Pepper, SealError};
use crate::store::{Label, Row, Store, StoreError, Table, Write, Written};
use discreet_protocol::credential::CredentialId;
use discreet_protocol::identifier::{Csi, Domain};

mod decoy;

/// Rows read per step when the whole directory is walked.
const SCAN_PAGE: usize = 256;

/// Why the directory could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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

/// A row to write: a record or a status, replacing the version it was read at.
pub enum Change {
    /// All mappings of an identifier.
    Record(Csi, Versioned<Record>),
    /// The status of an authority's credential.
    Status(Domain, CredentialId, Versioned<Vec<u8>>),
}

/// What a lookup reads.
pub struct Found {
    /// The record asked for, or the decoy.
    pub record: Record,
    /// Whether it is the decoy.
    pub is_decoy: bool,
}

/// A directory of mappings.
pub struct Directory {
    store: Box<dyn Store>,
    pepper: Pepper,
}

impl Directory {
    /// Opens the directory in `store`; an empty store becomes one.
    ///
    /// # Errors
    ///
    /// When the store fails, or was filled under another pepper.
    pub fn open(store: impl Store, pepper: Pepper) -> Result<Self, DirectoryError> {
        let directory = Self { store: Box::new(store), pepper };
        decoy::ensure(&directory)?;
        Ok(directory)
    }

    /// Reads the record of `csi` for a lookup. The decoy is read every time and opened in place of a
    /// record that is not there, so that an absence is not told by the work it causes.
    pub fn find(&self, csi: &Csi) -> Result<Found, DirectoryError> {
        let (label, decoy_label) = (self.pepper.record_label(csi), self.pepper.decoy_label());
        let asked = self.store.read(Table::Records, &label)?;
        let decoy = self.store.read(Table::Records, &decoy_label)?.ok_or(DirectoryError::WrongPepper)?;
        let is_decoy = asked.is_none();
        let (label, row) = asked.map_or((decoy_label, decoy), |row| (label, row));
        Ok(Found { record: self.open_record(&label, &row)?, is_decoy })
    }

    /// The record of `csi` for changing it; empty where there is none.
    pub fn record(&self, csi: &Csi) -> Result<Versioned<Record>, DirectoryError> {
        let label = self.pepper.record_label(csi);
        Ok(match self.store.read(Table::Records, &label)? {
            Some(row) => Versioned { value: self.open_record(&label, &row)?, version: Some(row.version) },
            None => Versioned { value: Record::default(), version: None },
        })
    }

    /// The latest status of a credential, as the authority signed it.
    pub fn status(
        &self,
        authority: &Domain,
        id: &CredentialId,
    ) -> Result<Option<Versioned<Vec<u8>>>, DirectoryError> {
        let label = self.pepper.status_label(authority, id);
        let Some(row) = self.store.read(Table::Statuses, &label)? else {
            return Ok(None);
        };
        let opened = self.pepper.open(&label, row.version, &row.sealed)?;
        let value = record::decode_status(&opened).ok_or(DirectoryError::Content)?;
        Ok(Some(Versioned { value, version: Some(row.version) }))
    }

    /// Applies each change whose row still has the version it was read at, and says for each
    /// whether it did. What was applied is durable on return.
    ///
    /// Nothing is verified here: that is [`crate::admission`]'s part.
    pub fn apply(&self, changes: &[Change]) -> Result<Vec<Written>, DirectoryError> {
        let writes = changes.iter().map(|change| self.write_of(change));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        Ok(self.store.write(&writes)?)
    }

    fn write_of(&self, change: &Change) -> Result<Write, DirectoryError> {
        let (table, label, plain, old, size) = match change {
            Change::Record(csi, record) => {
                let label = self.pepper.record_label(csi);
                (Table::Records, label, record.value.encode(), record.version, RECORD_SIZE)
            }
            Change::Status(authority, id, status) => {
                let label = self.pepper.status_label(authority, id);
                let plain = record::encode_status(&status.value);
                (Table::Statuses, label, plain, status.version, STATUS_SIZE)
            }
        };
        let version = old.unwrap_or(0).wrapping_add(1);
        let sealed = self.pepper.seal(&label, version, plain, size);
        let sealed = sealed.ok_or(DirectoryError::Content)?;
        Ok(Write { table, label, replaces: old, row: Row { version, sealed } })
    }

    /// Walks all records in label order. `visit` gets each record and how far the walk is, from 0
    /// to 1: labels are spread evenly, so the label itself tells.
    pub fn walk<E: From<DirectoryError>>(
        &self,
        mut visit: impl FnMut(Record, f64) -> Result<(), E>,
    ) -> Result<(), E> {
        let decoy = self.pepper.decoy_label();
        let mut after = None;
        loop {
            let page = self.store.scan(Table::Records, after.as_ref(), SCAN_PAGE);
            let page = page.map_err(DirectoryError::from)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            for (label, row) in page.iter().filter(|(label, _)| *label != decoy) {
                visit(self.open_record(label, row)?, position(label))?;
            }
        }
    }

    fn open_record(&self, label: &Label, row: &Row) -> Result<Record, DirectoryError> {
        let opened = self.pepper.open(label, row.version, &row.sealed)?;
        Record::decode(&opened).ok_or(DirectoryError::Content)
    }
}

fn position(label: &Label) -> f64 {
    let first = label.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    f64::from(first) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
