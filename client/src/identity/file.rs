//! An identity in a file that only its owner may read, replaced whole and durably with each change.
//!
//! While it is open a lock file beside it keeps other commands away, so that no serial is used
//! twice; and what was signed is returned only once the file that says so is on the disk.

use super::{Draft, Identity, IdentityError, IdentityFileError, Taken};
use crate::publishing::Withdrawal;
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::time::Timestamp;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most bytes of an identity file: dozens of tags with several attempts each.
const MAX_BYTES: u64 = 4 << 20;

/// An identity file, open and locked.
pub struct IdentityFile {
    path: PathBuf,
    identity: Identity,
    /// Unlocked when dropped.
    _lock: File,
}

impl IdentityFile {
    /// Writes a new identity file.
    ///
    /// # Errors
    ///
    /// When a file of that name exists (it is left alone) or the new one cannot be written.
    pub fn create(path: &Path, identity: &Identity) -> Result<(), IdentityFileError> {
        let partial = write_partial(path, identity)?;
        // A link is made only where nothing is; a rename would overwrite.
        let linked = fs::hard_link(&partial, path).and_then(|()| sync_folder(path));
        let _ = fs::remove_file(&partial);
        linked.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => IdentityFileError::Exists { path: path.to_owned() },
            _ => failure(path, source),
        })
    }

    /// Opens and locks an identity file.
    ///
    /// # Errors
    ///
    /// When another command has it, others than its owner may read it, or it is damaged.
    pub fn open(path: &Path) -> Result<Self, IdentityFileError> {
        // Replacing the file must not replace a link to it.
        let path = fs::canonicalize(path).map_err(|source| failure(path, source))?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        private(&mut options);
        let lock = options.open(beside(&path, ".lock")).map_err(|source| failure(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityFileError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failure(&path, source)),
        }
        let identity = Self::read(&path)?;
        Ok(Self { path, identity, _lock: lock })
    }

    /// Reads an identity file without locking it, for looking only.
    ///
    /// # Errors
    ///
    /// When others than its owner may read it, or it is damaged.
    pub fn read(path: &Path) -> Result<Identity, IdentityFileError> {
        let file = File::open(path).map_err(|source| failure(path, source))?;
        let metadata = file.metadata().map_err(|source| failure(path, source))?;
        // The open file is asked, not the path: nobody can swap the file in between.
        check_mode(path, &metadata)?;
        let length = metadata.len().min(MAX_BYTES);
        // As long as needed from the start: a buffer that grows leaves copies of the key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        file.take(length).read_to_end(&mut bytes).map_err(|source| failure(path, source))?;
        Identity::from_bytes(&bytes).ok_or_else(|| IdentityFileError::Damaged { path: path.to_owned() })
    }

    /// The identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Changes the identity, durably. After an error it has not changed, though the file may have.
    ///
    /// # Errors
    ///
    /// What `change` returns, or that the file cannot be written.
    pub fn update<T, E: From<IdentityFileError>>(
        &mut self,
        change: impl FnOnce(&mut Identity) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut identity = self.identity.clone();
        let value = change(&mut identity)?;
        let partial = write_partial(&self.path, &identity)?;
        let replaced = fs::rename(&partial, &self.path).and_then(|()| sync_folder(&self.path));
        replaced.map_err(|source| {
            let _ = fs::remove_file(&partial);
            failure(&self.path, source)
        })?;
        self.identity = identity;
        Ok(value)
    }

    /// Signs a mapping ([`Identity::mapping`]); its serial is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// As [`Identity::mapping`], or that the file cannot be written.
    pub fn mapping(
        &mut self,
        draft: &Draft,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<VerifiableMapping, IdentityError> {
        self.update(|identity| identity.mapping(draft, policy, now))
    }

    /// Signs a withdrawal ([`Identity::withdrawal`]); its serial is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// As [`Identity::withdrawal`], or that the file cannot be written.
    pub fn withdrawal(
        &mut self,
        tag: Option<&Tag>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Withdrawal, IdentityError> {
        self.update(|identity| identity.withdrawal(tag, policy, now))
    }

    /// Notes what became of the last attempt ([`Identity::conclude`]).
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn conclude(
        &mut self,
        tag: Option<&Tag>,
        domain: &Domain,
        relay: &str,
        taken: Taken,
    ) -> Result<(), IdentityFileError> {
        self.update(|identity| {
            identity.conclude(tag, domain, relay, taken);
            Ok(())
        })
    }
}

/// Writes the identity to a file beside `path` that only its owner may read, durably.
fn write_partial(path: &Path, identity: &Identity) -> Result<PathBuf, IdentityFileError> {
    let mut unique = [0; 8];
    let random = getrandom::fill(&mut unique).map_err(|_| io::Error::other("the system gives no randomness"));
    random.map_err(|source| failure(path, source))?;
    let partial = beside(path, &format!(".{}", hex::encode(unique)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let written = options.open(&partial).and_then(|mut file| {
        file.write_all(&identity.to_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&partial);
        failure(path, source)
    })?;
    Ok(partial)
}

/// A name is durable only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), IdentityFileError> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityFileError::Exposed { path: path.to_owned(), mode });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}

fn failure(path: &Path, source: io::Error) -> IdentityFileError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => IdentityFileError::Missing { path },
        _ => IdentityFileError::Io { path, source },
    }
}
