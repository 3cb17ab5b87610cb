//! Backups of a directory, made while it is served, and putting one back.
//!
//! A backup is a directory of its own: one file, sealed under the same pepper. The tombstone journal is
//! no part of it and stays where it is: what was withdrawn since the backup was made is done again when
//! the restored directory is opened.

use crate::directory::{Directory, DirectoryError};
use crate::lock::{Lock, LockError, beside};
use crate::seal::Pepper;
use crate::store::{Sqlite, StoreError};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Why a backup was not made, or not put back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file where the new one should be.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is a directory, and it was not said that it may go.
    #[error("the directory {} exists; with --replace it is kept as {} and the backup takes its place", path.display(), kept.display())]
    InTheWay {
        /// The directory.
        path: PathBuf,
        /// Where it would go.
        kept: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Somebody has the directory open.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The directory or the backup cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backup is none of this directory's pepper and journal.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Copies the directory at `directory` as it is now to `file`, durably, readable by its owner only.
/// Others read and write meanwhile.
///
/// # Errors
///
/// When `file` exists, or one of the two cannot be used; nothing is left of `file` then.
pub fn backup(directory: &Path, file: &Path) -> Result<(), BackupError> {
    // Opening makes a directory where there is none.
    fs::metadata(directory).map(drop).map_err(|source| BackupError::File {
        what: "read",
        path: directory.to_owned(),
        source,
    })?;
    let store = Sqlite::open(directory)?;
    let partial = beside(file, ".partial");
    refuse_existing(file)?;
    // A leftover of an interrupted backup may have another mode.
    let _ = fs::remove_file(&partial);
    let copied = (|| {
        create_private(&partial)?;
        store.copy_into(&partial)?;
        sync(&partial)?;
        refuse_existing(file)?;
        rename(&partial, file)
    })();
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
    }
    copied
}

/// Puts `file`, a backup, in the place of the directory at `directory`, opens it under `pepper`, and has
/// it catch up with the tombstone journal at `journal`. With `replace`, a directory that is there is
/// kept beside, with `.before-restore` behind its name.
///
/// # Errors
///
/// When somebody has the directory open, `file` is no backup of it, or a file cannot be written. Until
/// the backup has been opened and has caught up, the directory that is there stays in its place.
pub fn restore(
    file: &Path,
    directory: &Path,
    journal: &Path,
    pepper: Pepper,
    replace: bool,
) -> Result<(), BackupError> {
    let _lock = Lock::exclusive(directory)?;
    let kept = beside(directory, ".before-restore");
    if directory.exists() {
        if !replace {
            return Err(BackupError::InTheWay { path: directory.to_owned(), kept });
        }
        refuse_existing(&kept)?;
    }
    let candidate = beside(directory, ".restoring");
    for leftover in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(&candidate, leftover));
    }
    let prepared = prepare(file, &candidate, journal, pepper);
    let _ = fs::remove_file(beside(&candidate, ".lock"));
    if prepared.is_err() {
        let _ = fs::remove_file(&candidate);
        prepared?;
    }
    // The log first: a log without its file is nothing, a file with another's log is a ruin.
    for part in ["-wal", "-shm", ""] {
        let old = beside(directory, part);
        if old.exists() {
            rename(&old, &beside(&kept, part))?;
        }
    }
    rename(&candidate, directory)
}

/// A copy of `file` that has been opened and has caught up.
fn prepare(file: &Path, candidate: &Path, journal: &Path, pepper: Pepper) -> Result<(), BackupError> {
    let reading = |source| BackupError::File { what: "read", path: file.to_owned(), source };
    let mut from = File::open(file).map_err(reading)?;
    let mut to = create_private(candidate)?;
    io::copy(&mut from, &mut to).map_err(|source| BackupError::File {
        what: "write",
        path: candidate.to_owned(),
        source,
    })?;
    drop(to);
    sync(candidate)?;
    if fs::metadata(candidate).is_ok_and(|file| file.len() == 0) {
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty");
        return Err(reading(source));
    }
    drop(Directory::open(Sqlite::open(candidate)?, pepper, journal)?);
    sync(candidate)
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    if path.exists() { Err(BackupError::Exists { path: path.to_owned() }) } else { Ok(()) }
}

fn create_private(path: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| BackupError::File { what: "create", path: path.to_owned(), source })
}

fn sync(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| BackupError::File { what: "write", path: path.to_owned(), source })
}

/// Moves a file, durably.
fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::rename(from, to).and_then(|()| File::open(folder)?.sync_all()).map_err(|source| BackupError::File {
        what: "write",
        path: to.to_owned(),
        source,
    })
}
