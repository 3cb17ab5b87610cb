//! The file that holds the ratchet: `ohttp.keys`, mode 0600, the same on every replica.
//!
//! It is replaced as a whole, and what it held before is overwritten: a drained seed must not be
//! found on the disk. (A file system that copies on write, or a flash disk, may keep it all the
//! same; encrypt the volume.)

use crate::ratchet::{MAX_EPOCH_DAYS, MIN_EPOCH_DAYS, Ratchet};
use discreet_protocol::time::Timestamp;
use discreet_serve::files;
use discreet_serve::secret::Secret32;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// More than a well-formed file has.
const MAX_FILE_BYTES: u64 = 1024;
const HEADER: &str =
    "# The gateway's OHTTP keys follow from this. Secret; copy it to every replica, keep no old copies.\n";

/// Why the keys' file cannot be used. No message contains any of its content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error("the keys' file {} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the keys' file {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than the owner may read it.
    #[error("the keys' file {} has mode {mode:03o}, so others may use it; run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is not what `init` writes.
    #[error(
        "the keys' file {} is damaged; restore it from a replica or, if there is none, remove it, count `edition` \
         in the rules up, and run `discreet-gateway init`",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
struct Content {
    epoch_days: u32,
    epoch: u64,
    begins: u64,
    seed: String,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.zeroize();
    }
}

/// Reads the ratchet at `path`.
///
/// # Errors
///
/// When the file is missing, readable by others, or not what [`write`] wrote.
pub fn read(path: &Path) -> Result<Ratchet, KeyFileError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing { path: path.to_owned() },
        _ => KeyFileError::File { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize));
    let malformed = || KeyFileError::Malformed { path: path.to_owned() };
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|_| malformed())?;
    parse(&text).ok_or_else(malformed)
}

fn parse(text: &str) -> Option<Ratchet> {
    let content: Content = toml::from_str(text).ok()?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&content.seed, seed.as_mut_slice()).ok()?;
    let days = (MIN_EPOCH_DAYS..=MAX_EPOCH_DAYS).contains(&content.epoch_days);
    // An epoch number takes part in the policy's serial, of which 32 bits are the edition's.
    (days && content.epoch < 1 << 31).then(|| {
        let begins = Timestamp::from_unix(content.begins);
        Ratchet::new(Secret32::new(*seed), content.epoch, begins, content.epoch_days)
    })
}

/// Writes a new file at `path`, whole or not at all; one that is there stays.
///
/// # Errors
///
/// When there is one, or the new one cannot be written.
pub fn create(path: &Path, ratchet: &Ratchet) -> Result<(), KeyFileError> {
    let fail = |source| KeyFileError::File { path: path.to_owned(), source };
    text(ratchet).and_then(|text| files::create_private(path, text.as_bytes())).map_err(fail)
}

/// Replaces the file at `path` and overwrites what it held.
///
/// # Errors
///
/// When the new file cannot be written; the old one is then still in place.
pub fn replace(path: &Path, ratchet: &Ratchet) -> Result<(), KeyFileError> {
    let fail = |source| KeyFileError::File { path: path.to_owned(), source };
    // Opened before the rename takes its name away, to be overwritten after it.
    let old = OpenOptions::new().write(true).open(path).ok();
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let written = text(ratchet).and_then(|text| files::write_private(&partial, text.as_bytes()));
    written.and_then(|()| fs::rename(&partial, path)).map_err(fail)?;
    files::sync_folder(path).map_err(fail)?;
    old.map_or(Ok(()), |old| erase(&old)).map_err(fail)
}

fn erase(mut old: &File) -> io::Result<()> {
    let length = usize::try_from(old.metadata()?.len().min(MAX_FILE_BYTES)).unwrap_or(0);
    old.write_all(&vec![0; length])?;
    old.sync_all()
}

/// What the file holds.
fn text(ratchet: &Ratchet) -> io::Result<Zeroizing<String>> {
    let content = Content {
        epoch_days: ratchet.epoch_days,
        epoch: ratchet.epoch,
        begins: ratchet.begins.unix(),
        seed: hex::encode(ratchet.seed.as_bytes()),
    };
    let content = Zeroizing::new(toml::to_string(&content).map_err(io::Error::other)?);
    // Room for all of it: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + content.len()));
    text.push_str(HEADER);
    text.push_str(&content);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn ratchet(fill: u8) -> Ratchet {
        Ratchet::new(Secret32::new([fill; 32]), 5, Timestamp::from_unix(1_795_305_600), 7)
    }

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ohttp.keys");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ohttp.keys");
        create(&path, &ratchet(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let back = read(&path).unwrap();
        assert_eq!((back.epoch, back.begins.unix(), back.epoch_days), (5, 1_795_305_600, 7));
        assert_eq!(back.seed.as_bytes(), &[1; 32]);
    }

    #[test]
    fn creating_never_overwrites() {
        let (_folder, path) = file("precious", 0o600);
        assert!(create(&path, &ratchet(1)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn replacing_overwrites_what_the_old_file_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ohttp.keys");
        create(&path, &ratchet(1)).unwrap();
        // A second name keeps the old file's content reachable.
        let old = folder.path().join("old");
        fs::hard_link(&path, &old).unwrap();
        replace(&path, &ratchet(2)).unwrap();
        assert!(fs::read(&old).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(read(&path).unwrap().seed.as_bytes(), &[2; 32]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn rejects_a_file_that_others_may_read() {
        let (_folder, path) = file("", 0o640);
        assert!(matches!(read(&path), Err(KeyFileError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn rejects_what_is_no_keys_file_without_repeating_it() {
        let seed = "ab".repeat(32);
        let good = format!("epoch_days = 7\nepoch = 1\nbegins = 1\nseed = \"{seed}\"\n");
        assert!(parse(&good).is_some());
        for (from, to) in [
            ("epoch_days = 7", "epoch_days = 0"),
            ("epoch_days = 7", "epoch_days = 91"),
            ("epoch = 1\n", ""),
            ("epoch = 1\n", "epoch = 2147483648\n"),
            ("begins", "begin"),
            ("ab", "a"),
        ] {
            let (_folder, path) = file(&good.replacen(from, to, 1), 0o600);
            let error = read(&path).err().unwrap();
            assert!(matches!(error, KeyFileError::Malformed { .. }), "{from} {to}");
            assert!(!error.to_string().contains("abab"));
        }
    }
}
