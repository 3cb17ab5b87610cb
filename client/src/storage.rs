//! Where a client remembers what it has seen: one trait, because phones bring their own storage.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why the client's state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file cannot be read or written.
    #[error("the client's state {} cannot be used: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others than the owner may look into the folder.
    #[error(
        "the client's state folder {} has mode {mode:03o}, so others may see whom you looked up; run chmod 700 on \
         it, or name another with --state",
        path.display()
    )]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A value is there but damaged. It is not thrown away: it protects against rollback.
    #[error(
        "the client's state `{key}` is damaged; remove it only if you accept that older answers would pass"
    )]
    Damaged {
        /// Its name, which names nobody.
        key: String,
    },
    /// Tokens are there but damaged.
    #[error("the tokens in `{key}` are damaged; remove it, they are lost, and get others")]
    DamagedTokens {
        /// Its name, which names nobody.
        key: String,
    },
}

/// Small values by name. Names consist of `a-z`, `0-9`, `-` and `.`; they and the values tell whom
/// the user has looked up, so they belong where the app keeps its contacts.
pub trait Storage: Send + Sync {
    /// The value at `key`, if there is one.
    ///
    /// # Errors
    ///
    /// When it is not known whether there is one.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Replaces the value at `key`, wholly or not at all.
    ///
    /// # Errors
    ///
    /// When the old value may still be the one in place.
    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError>;

    /// Waits until nobody else changes tokens, and keeps all others from it until what is returned is
    /// dropped: other processes, too, if they can use the same storage. The default is for storage that
    /// one client alone uses.
    ///
    /// # Errors
    ///
    /// When it is not known whether somebody else does.
    fn lock(&self) -> Result<Box<dyn Send>, StorageError> {
        Ok(Box::new(()))
    }
}

/// Storage that lasts as long as the client.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<BTreeMap<String, Vec<u8>>>);

impl Storage for MemoryStorage {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value.to_vec());
        Ok(())
    }
}

/// The file whose lock [`FolderStorage::lock`] takes.
const LOCK: &str = "lock";

/// What the name of a file ends with that is being written.
const PARTIAL: &str = "partial";

/// Storage in a folder of small files that only their owner can read.
#[derive(Debug)]
pub struct FolderStorage {
    folder: PathBuf,
}

impl FolderStorage {
    /// Storage in `folder`, which is created with the first value.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes the folder if there is none, and refuses one that others may look into: the names of its files tell
    /// whom was looked up, too.
    fn create(&self) -> Result<(), StorageError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder).map_err(|source| self.unusable(source))?;
        self.check()
    }

    /// Refuses a folder that others may look into. That there is none is no fault.
    fn check(&self) -> Result<(), StorageError> {
        #[cfg(unix)]
        match fs::metadata(&self.folder) {
            Ok(folder) => {
                let mode = std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o777;
                if mode & 0o077 != 0 {
                    return Err(StorageError::Exposed { path: self.folder.clone(), mode });
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(self.unusable(source)),
        }
        Ok(())
    }

    fn unusable(&self, source: std::io::Error) -> StorageError {
        StorageError::File { path: self.folder.clone(), source }
    }

    /// Held by whoever writes. A file that is [`PARTIAL`] while nobody does was left behind by one that died.
    #[cfg(unix)]
    fn writing(&self) -> std::io::Result<fs::File> {
        let folder = fs::File::open(&self.folder)?;
        folder.lock_shared()?;
        Ok(folder)
    }

    /// Removes what was left behind, unless somebody is writing: then another one will.
    #[cfg(unix)]
    fn sweep(&self) -> std::io::Result<()> {
        let folder = fs::File::open(&self.folder)?;
        if folder.try_lock().is_err() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PARTIAL) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Without it a rename may be undone by a power cut, and a used token would be back.
    fn sync(&self) -> std::io::Result<()> {
        #[cfg(unix)]
        fs::File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    fn write(&self, path: &Path, value: &[u8]) -> std::io::Result<()> {
        // Where folders cannot be locked nobody sweeps, either.
        #[cfg(unix)]
        let _writing = self.writing().ok();
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(|_| ErrorKind::Other)?;
        let partial = path.with_extension(format!("{}.{PARTIAL}", hex::encode(unique)));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&partial).and_then(|mut file| {
            file.write_all(value)?;
            file.sync_all()
        });
        let moved = written.and_then(|()| fs::rename(&partial, path)).and_then(|()| self.sync());
        if moved.is_err() {
            let _ = fs::remove_file(&partial);
        }
        moved
    }
}

impl Storage for FolderStorage {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.check()?;
        let path = self.folder.join(key);
        match fs::read(&path) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StorageError::File { path, source }),
        }
    }

    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.create()?;
        let path = self.folder.join(key);
        self.write(&path, value).map_err(|source| StorageError::File { path, source })
    }

    /// The lock of a file, which ends with the process at the latest. What processes that died have left behind
    /// half written is removed: it may hold tokens, or whom was looked up.
    fn lock(&self) -> Result<Box<dyn Send>, StorageError> {
        self.create()?;
        let path = self.folder.join(LOCK);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let locked = options.open(&path).and_then(|file| {
            file.lock()?;
            #[cfg(unix)]
            self.sweep()?;
            Ok(file)
        });
        match locked {
            Ok(file) => Ok(Box::new(file)),
            Err(source) => Err(StorageError::File { path, source }),
        }
    }
}

/// Storage that keeps what is remembered of the provider, and tokens, and nothing of whom was looked up: for a
/// look at one's own identifier, which is judged against the identity instead.
#[derive(Debug)]
pub struct PolicyStorage<S>(pub S);

impl<S: Storage> Storage for PolicyStorage<S> {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if names_nobody(key) { self.0.load(key) } else { Ok(None) }
    }

    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        if names_nobody(key) { self.0.store(key, value) } else { Ok(()) }
    }

    fn lock(&self) -> Result<Box<dyn Send>, StorageError> {
        self.0.lock()
    }
}

fn names_nobody(key: &str) -> bool {
    key.starts_with("policy.") || key.starts_with("tokens.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_values(storage: &dyn Storage) {
        assert_eq!(storage.load("a").unwrap(), None);
        storage.store("a", b"1").unwrap();
        storage.store("a", b"22").unwrap();
        storage.store("b", b"").unwrap();
        assert_eq!(storage.load("a").unwrap(), Some(b"22".to_vec()));
        assert_eq!(storage.load("b").unwrap(), Some(Vec::new()));
    }

    #[test]
    fn memory_keeps_values() {
        keeps_values(&MemoryStorage::default());
    }

    #[test]
    fn a_folder_keeps_values_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        keeps_values(&FolderStorage::new(folder.path().join("state")));
        assert_eq!(fs::read_dir(folder.path().join("state")).unwrap().count(), 2);
    }

    #[test]
    fn policy_storage_forgets_whom_was_looked_up() {
        let storage = PolicyStorage(MemoryStorage::default());
        storage.store("policy.dp.example", b"1").unwrap();
        storage.store("seen.00", b"1").unwrap();
        assert_eq!(storage.load("policy.dp.example").unwrap(), Some(b"1".to_vec()));
        assert_eq!(storage.0.load("seen.00").unwrap(), None);
    }

    #[test]
    fn policy_storage_keeps_tokens_and_their_lock() {
        let folder = tempfile::tempdir().unwrap();
        let storage = PolicyStorage(FolderStorage::new(folder.path().join("state")));
        storage.store("tokens.00", b"1").unwrap();
        assert_eq!(storage.load("tokens.00").unwrap(), Some(b"1".to_vec()));
        let _lock = storage.lock().unwrap();
        let other = fs::File::open(folder.path().join("state/lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(fs::TryLockError::WouldBlock)));
    }

    #[test]
    fn a_lock_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FolderStorage::new(folder.path().join("state"));
        drop(storage.lock().unwrap());
        drop(storage.lock().unwrap());
        let other = fs::File::open(folder.path().join("state/lock")).unwrap();
        assert!(other.try_lock().is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn rejects_a_folder_that_others_may_look_into_and_says_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let storage = FolderStorage::new(&folder);
        storage.store("a", b"1").unwrap();
        for mode in [0o755, 0o710, 0o701, 0o770] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            for refused in [storage.load("a").map(drop), storage.store("b", b"1"), storage.lock().map(drop)] {
                let error = refused.unwrap_err();
                assert!(matches!(error, StorageError::Exposed { mode: found, .. } if found == mode));
                assert!(error.to_string().contains("run chmod 700 on it"), "{error}");
            }
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(storage.load("a").unwrap(), Some(b"1".to_vec()));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_half_written_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let (storage, other) = (FolderStorage::new(&folder), FolderStorage::new(&folder));
        storage.store("tokens.0.00", b"1").unwrap();
        let left = folder.join("tokens.0.0011223344556677.partial");
        fs::write(&left, b"a token").unwrap();
        // Somebody is writing: it may be his.
        let writing = other.writing().unwrap();
        drop(storage.lock().unwrap());
        assert!(left.exists());
        drop(writing);
        let lock = storage.lock().unwrap();
        assert!(!left.exists());
        // Under the lock one writes as before, and so does who has no use for it.
        storage.store("tokens.0.00", b"2").unwrap();
        other.store("seen.0", b"3").unwrap();
        drop(lock);
        assert_eq!(storage.load("tokens.0.00").unwrap(), Some(b"2".to_vec()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let storage = FolderStorage::new(folder.path().join("state"));
        storage.store("a", b"1").unwrap();
        drop(storage.lock().unwrap());
        for path in ["state", "state/a", "state/lock"] {
            let mode = fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
    }
}
