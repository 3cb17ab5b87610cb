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

/// Why a backup was not made, or not put back.
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

/// A copy of a backup that is good, beside the directory in whose place it is to come. Nobody else opens that directory
/// meanwhile. If this is dropped, the directory is as it was and the copy gone.
#[derive(Debug)]
pub struct Restoring {
    candidate: PathBuf,
    directory: PathBuf,
    kept: PathBuf,
    _lock: Lock,
}

impl Restoring {
    /// Copies `file`, a backup, to beside the directory at `directory`, opens the copy under `pepper`, and has it catch
    /// up with the tombstone journal at `journal`. With `replace`, there may be a directory in its place.
    ///
    /// # Errors
    ///
    /// When somebody has the directory open, `file` is no backup of it, or a file cannot be written.
    pub fn prepare(
        file: &Path,
        directory: &Path,
        journal: &Path,
        pepper: Pepper,
        replace: bool,
    ) -> Result<Self, BackupError> {
        let lock = Lock::exclusive(directory)?;
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
        let restoring = Self { candidate, directory: directory.to_owned(), kept, _lock: lock };
        let prepared = prepare(file, &restoring.candidate, journal, pepper);
        let _ = fs::remove_file(beside(&restoring.candidate, ".lock"));
        prepared.map(|()| restoring)
    }

    /// Puts it in the directory's place. One that is there is kept beside, with `.before-restore` behind its name.
    ///
    /// # Errors
    ///
    /// When a file cannot be moved. Then there may be no directory, but the one that was there is kept, and the backup
    /// can be restored again.
    pub fn put_in_place(self) -> Result<(), BackupError> {
        // The log first: a log without its file is nothing, a file with another's log is a ruin.
        for part in ["-wal", "-shm", ""] {
            let old = beside(&self.directory, part);
            if old.exists() {
                rename(&old, &beside(&self.kept, part))?;
            }
        }
        rename(&self.candidate, &self.directory)
    }
}

impl Drop for Restoring {
    /// It is not there any more once it is in its place.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.candidate);
    }
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
