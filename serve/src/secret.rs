//! Secrets of 32 bytes that lie in files of their own.
//!
//! A secret file is one line of 64 hex digits that only its owner may read. It is created once
//! and never overwritten: a seed or a pepper that is lost takes data with it.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::files;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// More than the 65 bytes of a well-formed file, so that a longer one is noticed.
const MAX_FILE_BYTES: u64 = 128;

/// 32 secret bytes, erased when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret32([u8; 32]);

impl Secret32 {
    /// Takes over 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a secret file cannot be used. No message contains any of the file's content.
#[derive(Debug, Error)]
pub enum SecretError {
    /// There is no such file.
    #[error("the secret file {} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the secret file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("the secret file {} has mode {mode:03o}, so others may use it; run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is not a secret.
    #[error("the secret file {} must hold one line of 64 hex digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A file is there already and stays as it is.
    #[error("the secret file {} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be created.
    #[error("cannot create the secret file {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Reads the secret at `path`.
///
/// # Errors
///
/// When the file is missing, readable by group or others, or not 64 hex digits on one line.
pub fn read_secret(path: &Path) -> Result<Secret32, SecretError> {
    let read = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SecretError::Missing { path: path.to_owned() },
        _ => SecretError::Read { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(read)?;
    // The open file is asked, not the path: nobody can swap the file in between.
    let mode = file.metadata().map_err(read)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize));
    file.take(MAX_FILE_BYTES).read_to_end(&mut text).map_err(read)?;
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut secret = Secret32([0; 32]);
    hex::decode_to_slice(digits, &mut secret.0)
        .map_err(|_| SecretError::Malformed { path: path.to_owned() })?;
    Ok(secret)
}

/// Writes a new secret file, readable by its owner only, whole or not at all, and returns once it is on the disk.
///
/// # Errors
///
/// When a file of that name exists (it is left alone) or the new one cannot be written.
pub fn create_secret(path: &Path, bytes: &[u8; 32]) -> Result<(), SecretError> {
    let create = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => SecretError::Exists { path: path.to_owned() },
        _ => SecretError::Create { path: path.to_owned(), source },
    };
    let mut line = Zeroizing::new([0; 65]);
    let (digits, end) = line.split_at_mut(64);
    hex::encode_to_slice(bytes, digits).map_err(|error| create(io::Error::other(error)))?;
    end.copy_from_slice(b"\n");
    files::create_private(path, line.as_slice()).map_err(create)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn written(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn what_was_created_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        create_secret(&path, &[0xab; 32]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", "ab".repeat(32)));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_secret(&path).unwrap().as_bytes(), &[0xab; 32]);
    }

    #[test]
    fn never_overwrites() {
        let (_folder, path) = written("precious", 0o600);
        let error = create_secret(&path, &[1; 32]).unwrap_err();
        assert!(error.to_string().ends_with("exists already and is not overwritten"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn refuses_a_file_that_others_may_read() {
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let (_folder, path) = written(&"00".repeat(32), mode);
            let error = read_secret(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:03o}")), "{error}");
        }
    }

    #[test]
    fn refuses_what_is_not_64_hex_digits() {
        let good = "00".repeat(32);
        for content in
            ["", "00", "zz", &good[1..], &format!("{good}00"), &format!("{good}\n\n"), &"00".repeat(200)]
        {
            let (_folder, path) = written(content, 0o600);
            assert!(matches!(read_secret(&path), Err(SecretError::Malformed { .. })), "{content}");
        }
    }

    #[test]
    fn says_that_a_file_is_missing() {
        let error = read_secret(Path::new("no/such/pepper")).unwrap_err();
        assert_eq!(error.to_string(), "the secret file no/such/pepper is missing");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret32::new([7; 32])), "…");
    }
}
