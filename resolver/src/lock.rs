//! Who may use a directory at the same time: many that serve or change it, or one that rebuilds it.
//!
//! The lock is a file beside the directory, held by the operating system for as long as the process
//! lives, so a killed command leaves none behind. The file itself stays, empty.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock on a directory, given up when dropped.
#[derive(Debug)]
pub struct Lock {
    // Closing the file gives up the lock.
    _file: File,
}

/// Why a directory cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is being rebuilt.
    #[error("{} is locked: `repepper` or `restore` is at work on the directory; run this again when it is done", path.display())]
    Rebuilding {
        /// The lock's file.
        path: PathBuf,
    },
    /// It is in use.
    #[error("{} is locked: a gateway, a resolver or another command has the directory open; stop it first", path.display())]
    InUse {
        /// The lock's file.
        path: PathBuf,
    },
    /// The file cannot be made or locked.
    #[error("the lock {} cannot be taken: {source}", path.display())]
    Unusable {
        /// The lock's file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Lock {
    /// Shares `directory` with others that serve or change it.
    ///
    /// # Errors
    ///
    /// When it is being rebuilt, or the lock's file cannot be used.
    pub fn shared(directory: &Path) -> Result<Self, LockError> {
        Self::take(directory, File::try_lock_shared, |path| LockError::Rebuilding { path })
    }

    /// Keeps everybody else from `directory`.
    ///
    /// # Errors
    ///
    /// When somebody has it open, or the lock's file cannot be used.
    pub fn exclusive(directory: &Path) -> Result<Self, LockError> {
        Self::take(directory, File::try_lock, |path| LockError::InUse { path })
    }

    fn take(
        directory: &Path,
        lock: fn(&File) -> Result<(), TryLockError>,
        held: fn(PathBuf) -> LockError,
    ) -> Result<Self, LockError> {
        let path = beside(directory, ".lock");
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path).map(|file| (lock(&file), file)) {
            Ok((Ok(()), file)) => Ok(Self { _file: file }),
            Ok((Err(TryLockError::WouldBlock), _)) => Err(held(path)),
            Ok((Err(TryLockError::Error(source)), _)) | Err(source) => {
                Err(LockError::Unusable { path, source })
            }
        }
    }
}

/// The path of a file that belongs to `path`: its name with `suffix` behind it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        (folder, path)
    }

    #[test]
    fn many_share_a_directory() {
        let (_folder, path) = directory();
        let _locks = [Lock::shared(&path).unwrap(), Lock::shared(&path).unwrap()];
    }

    #[test]
    fn rejects_rebuilding_what_is_in_use() {
        let (_folder, path) = directory();
        let held = Lock::shared(&path).unwrap();
        let error = Lock::exclusive(&path).unwrap_err();
        assert!(matches!(error, LockError::InUse { .. }));
        assert!(error.to_string().contains("directory.db.lock is locked: a gateway"), "{error}");
        drop(held);
        Lock::exclusive(&path).unwrap();
    }

    #[test]
    fn rejects_using_what_is_being_rebuilt() {
        let (_folder, path) = directory();
        let held = Lock::exclusive(&path).unwrap();
        assert!(matches!(Lock::shared(&path), Err(LockError::Rebuilding { .. })));
        assert!(matches!(Lock::exclusive(&path), Err(LockError::InUse { .. })));
        drop(held);
        Lock::shared(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, path) = directory();
        let _lock = Lock::shared(&path).unwrap();
        let mode = std::fs::metadata(folder.path().join("directory.db.lock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn rejects_a_folder_that_is_not_there() {
        let (folder, _) = directory();
        let error = Lock::shared(&folder.path().join("no/such/directory.db")).unwrap_err();
        assert!(matches!(error, LockError::Unusable { .. }));
    }
}
