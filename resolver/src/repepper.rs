//! Sealing a directory anew under another pepper, for when the old one may be known to others.
//!
//! The new pepper lies in a file beside the old one until everything is sealed under it; meanwhile
//! nobody can open the directory. Each row moves to its new label in one transaction with the
//! deletion of the old, and what has moved is recognised, so that the work may be killed at any moment
//! and is finished by running it again. At the end nothing that the old pepper opens is left in the
//! file, in its free pages, in its log or in the journal. Blocks that the file system has freed, and
//! earlier backups, are out of our hands.

use crate::directory::{Directory, DirectoryError, relabel};
use crate::journal::{self, JournalError};
use crate::lock::{Lock, LockError, beside};
use crate::seal::Pepper;
use crate::store::{Label, Row, Sqlite, Store, StoreError, Table, Write, Written};
use discreet_serve::secret::{SecretError, create_secret, read_secret};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Rows moved with one durable write.
const BATCH: usize = 512;

/// Why a re-pepper stopped. Whatever it was, running it again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum RepepperError {
    /// The old or the new pepper.
    #[error(transparent)]
    Pepper(#[from] SecretError),
    /// The system has no randomness for a new pepper.
    #[error("no randomness for a new pepper: {0}")]
    Randomness(getrandom::Error),
    /// The directory is missing.
    #[error("the directory {} is missing; there is nothing to seal anew", path.display())]
    NoDirectory {
        /// Where it should be.
        path: PathBuf,
    },
    /// Somebody has the directory open.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tombstone journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The directory does not open as it is.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A row opens under neither pepper, or is nothing that a directory holds.
    #[error("a row opens under neither {} nor the new pepper beside it; use the pepper the directory was made with, or restore the directory from a backup", path.display())]
    Row {
        /// The old pepper.
        path: PathBuf,
    },
    /// A row moved while nobody else could write.
    #[error(
        "a row of the directory changed although it is locked; is there a program that ignores the lock?"
    )]
    Changed,
    /// The new pepper could not take the old one's place.
    #[error("the pepper {} cannot be replaced: {source}", path.display())]
    Replace {
        /// The old pepper.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Where the new pepper lies until it takes the place of the one at `pepper`.
pub fn next_pepper(pepper: &Path) -> PathBuf {
    beside(pepper, ".next")
}

/// Seals `directory` and its `journal` under a new pepper, which takes the place of the one at
/// `pepper`. `progress` is told how far it is, from 0 to 1.
///
/// # Errors
///
/// When somebody has the directory open, a file cannot be read or written, or a row does not open.
pub fn repepper(
    directory: &Path,
    journal: &Path,
    pepper: &Path,
    mut progress: impl FnMut(f64),
) -> Result<(), RepepperError> {
    if fs::metadata(directory).map_or(true, |file| file.len() == 0) {
        return Err(RepepperError::NoDirectory { path: directory.to_owned() });
    }
    let store = Arc::new(Sqlite::open_with(directory, Lock::exclusive(directory)?)?);
    let old = Pepper::new(read_secret(pepper)?);
    let next = next_pepper(pepper);
    if !next.exists() {
        // Pepper and journal belong to the directory, and all of the journal is in it: it opens. Nothing
        // that is found wrong later could be undone.
        Directory::open(Arc::clone(&store), Pepper::new(read_secret(pepper)?), journal)?;
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(RepepperError::Randomness)?;
        create_secret(&next, &bytes)?;
    }
    let new = Pepper::new(read_secret(&next)?);
    let mover = Mover { store: store.as_ref(), old: &old, new: &new, path: pepper };
    // Nearly all of the work is the records'.
    mover.table(Table::Statuses, |position| progress(position * 0.2))?;
    mover.table(Table::Records, |position| progress(0.2 + position * 0.7))?;
    journal::reseal(journal, &old, &new)?;
    store.scrub()?;
    replace(&next, pepper).map_err(|source| RepepperError::Replace { path: pepper.to_owned(), source })?;
    progress(1.0);
    Ok(())
}

struct Mover<'a> {
    store: &'a Sqlite,
    old: &'a Pepper,
    new: &'a Pepper,
    /// The old pepper's file, for messages.
    path: &'a Path,
}

impl Mover<'_> {
    /// Moves all rows of `table`, in label order. Rows that were moved ahead of the walk are met again,
    /// and left alone.
    fn table(&self, table: Table, mut progress: impl FnMut(f64)) -> Result<(), RepepperError> {
        let mut after = None;
        loop {
            let page = self.store.scan(table, after.as_ref(), BATCH)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            let moves: Vec<_> = page.par_iter().map(|(label, row)| self.moved(table, label, row)).collect();
            let mut writes = Vec::new();
            for moved in moves {
                writes.extend(moved?.into_iter().flatten());
            }
            let written = self.store.write(&writes)?;
            if written.contains(&Written::Conflict) {
                return Err(RepepperError::Changed);
            }
            progress(after.as_ref().map_or(1.0, position));
        }
    }

    /// The row under the new pepper and the deletion of the old; `None` if it has moved already.
    fn moved(&self, table: Table, label: &Label, row: &Row) -> Result<Option<[Write; 2]>, RepepperError> {
        let Ok(plain) = self.old.open(label, row.version, &row.sealed) else {
            let moved = self.new.open(label, row.version, &row.sealed);
            return moved.map(|_| None).map_err(|_| self.foreign());
        };
        let to = relabel(table, label, &plain, self.old, self.new).ok_or_else(|| self.foreign())?;
        let sealed = self.new.seal(&to, row.version, plain, row.sealed.len());
        let sealed = sealed.ok_or_else(|| self.foreign())?;
        let here = Row { version: row.version, sealed };
        Ok(Some([
            Write { table, label: to, replaces: None, row: Some(here) },
            Write { table, label: *label, replaces: Some(row.version), row: None },
        ]))
    }

    fn foreign(&self) -> RepepperError {
        RepepperError::Row { path: self.path.to_owned() }
    }
}

/// Labels are spread evenly, so the label itself tells.
fn position(label: &Label) -> f64 {
    let first = label.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    f64::from(first) / f64::from(u32::MAX)
}

/// Durable once the folder is.
fn replace(next: &Path, pepper: &Path) -> io::Result<()> {
    fs::rename(next, pepper)?;
    let folder = pepper.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
