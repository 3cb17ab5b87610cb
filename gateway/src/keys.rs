//! The keys of a running gateway: the ring of the moment, turned on by the clock, or by its file.

use crate::keyfile::{self, KeyFileError};
use crate::keyring::{Keyring, RingError};
use crate::ratchet::Ratchet;
use crate::rules::{ValidityError, check_validity};
use discreet_protocol::time::Timestamp;
use discreet_serve::clock::Steady;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// The file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// What follows from it cannot be published.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Its epochs are shorter than policies are valid.
    #[error(transparent)]
    Validity(#[from] ValidityError),
}

/// The keys of a running gateway.
pub(crate) struct Keys {
    path: PathBuf,
    state: RwLock<State>,
    steady: Mutex<Steady>,
}

struct State {
    ratchet: Ratchet,
    ring: Arc<Keyring>,
    file: Option<Identity>,
}

/// What changes when the file is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    changed: (i64, i64),
}

impl Keys {
    /// Reads the file.
    pub(crate) fn open(path: &Path, now: Timestamp) -> Result<Self, KeysFault> {
        let file = identity(path);
        let ratchet = keyfile::read(path)?;
        let ring = Arc::new(Keyring::at(&ratchet, now)?);
        let steady = Mutex::new(Steady::new(now.unix(), Instant::now()));
        Ok(Self { path: path.to_owned(), state: RwLock::new(State { ratchet, ring, file }), steady })
    }

    /// For how many days each epoch's keys are the current ones.
    pub(crate) fn epoch_days(&self) -> u32 {
        self.state.read().unwrap_or_else(PoisonError::into_inner).ratchet.epoch_days()
    }

    /// The ring at `now`. Turning it on takes some milliseconds, once an epoch.
    pub(crate) fn ring(&self, now: Timestamp) -> Arc<Keyring> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if now < state.ring.until() {
            return Arc::clone(&state.ring);
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if now >= state.ring.until()
            && let Ok(ring) = Keyring::after(&state.ratchet, now, state.ring.keys())
        {
            state.ring = Arc::new(ring);
        }
        Arc::clone(&state.ring)
    }

    /// Reads the file again if it was replaced, and forgets the seeds that are drained: what a
    /// gateway does every few seconds.
    ///
    /// # Errors
    ///
    /// When the file cannot be used, or not with policies that are valid for so long; the keys stay as they were.
    pub(crate) fn refresh(&self, now: Timestamp, validity_days: u32) -> Result<(), KeysFault> {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let file = identity(&self.path);
        let known = self.state.read().unwrap_or_else(PoisonError::into_inner).file;
        if file != known {
            let ratchet = keyfile::read(&self.path)?;
            check_validity(validity_days, ratchet.epoch_days())?;
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let ring = Arc::new(Keyring::after(&ratchet, now, state.ring.keys())?);
            *state = State { ratchet, ring, file };
        }
        self.ring(now);
        // One wrong reading must not destroy keys that the other replicas still have.
        if steady.is(now.unix(), Instant::now()) { self.forget(now) } else { Ok(()) }
    }

    /// Erases drained seeds, on the disk first and then here. Nobody else refreshes meanwhile, and lookups do not
    /// wait for the disk.
    fn forget(&self, now: Timestamp) -> Result<(), KeysFault> {
        let forward = self.state.read().unwrap_or_else(PoisonError::into_inner).ratchet.forward(now);
        if let Some(forward) = forward {
            keyfile::replace(&self.path, &forward)?;
            let file = identity(&self.path);
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.ratchet = forward;
            state.file = file;
        }
        Ok(())
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let file = std::fs::metadata(path).ok()?;
    Some(Identity { inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use discreet_protocol::time::DAY;
    use discreet_serve::secret::Secret32;

    const START: Timestamp = Timestamp::from_unix(1_795_305_600);

    fn folder_with_keys() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ohttp.keys");
        keyfile::create(&path, &Ratchet::new(Secret32::new([7; 32]), 0, START, 1)).unwrap();
        (folder, path)
    }

    #[test]
    fn the_ring_turns_with_the_clock() {
        let (_folder, path) = folder_with_keys();
        let keys = Keys::open(&path, START).unwrap();
        assert_eq!(keys.ring(START.plus(DAY - 1)).epoch(), 0);
        assert_eq!(keys.ring(START.plus(DAY)).epoch(), 1);
        assert_eq!(keys.ring(START.plus(5 * DAY)).epoch(), 5);
    }

    #[test]
    fn drained_seeds_leave_the_disk() {
        let (_folder, path) = folder_with_keys();
        let keys = Keys::open(&path, START).unwrap();
        keys.forget(START.plus(DAY)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains(&"07".repeat(32)));
        keys.forget(START.plus(2 * DAY)).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&"07".repeat(32)));
        assert_eq!(keyfile::read(&path).unwrap().epoch, 1);
        // A gateway started from the file as it is now publishes the same.
        let other = Keys::open(&path, START.plus(2 * DAY)).unwrap();
        let now = START.plus(2 * DAY);
        assert_eq!(other.ring(now).collection(), keys.ring(now).collection());
    }

    #[test]
    fn a_replaced_file_is_taken_up() {
        let (_folder, path) = folder_with_keys();
        let keys = Keys::open(&path, START).unwrap();
        let before = keys.ring(START).collection().to_vec();
        let dropped = keyfile::read(&path).unwrap().dropped(Secret32::new([9; 32]), START);
        keyfile::replace(&path, &dropped).unwrap();
        assert_eq!(keys.ring(START).collection(), before);
        keys.refresh(START, 1).unwrap();
        assert_eq!((keys.ring(START).epoch(), keys.ring(START).collection() == before), (3, false));
    }

    #[test]
    fn a_damaged_file_leaves_the_keys_as_they_were() {
        let (_folder, path) = folder_with_keys();
        let keys = Keys::open(&path, START).unwrap();
        let before = keys.ring(START).collection().to_vec();
        std::fs::remove_file(&path).unwrap();
        assert!(keys.refresh(START, 1).is_err());
        assert_eq!(keys.ring(START).collection(), before);
    }

    #[test]
    fn rejects_a_file_whose_epochs_are_shorter_than_policies_are_valid() {
        let (_folder, path) = folder_with_keys();
        keyfile::replace(&path, &Ratchet::new(Secret32::new([7; 32]), 0, START, 7)).unwrap();
        let keys = Keys::open(&path, START).unwrap();
        keyfile::replace(&path, &Ratchet::new(Secret32::new([9; 32]), 0, START, 6)).unwrap();
        let refused = keys.refresh(START, 7).unwrap_err();
        assert!(matches!(refused, KeysFault::Validity(_)), "{refused}");
        assert_eq!(keys.epoch_days(), 7);
        keys.refresh(START, 6).unwrap();
        assert_eq!(keys.epoch_days(), 6);
    }

    #[test]
    fn a_clock_that_jumps_erases_nothing() {
        let (_folder, path) = folder_with_keys();
        let before = std::fs::read(&path).unwrap();
        let keys = Keys::open(&path, START).unwrap();
        keys.refresh(START.plus(30 * DAY), 1).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        keys.refresh(START, 1).unwrap();
        assert_eq!(keyfile::read(&path).unwrap().alive(START), [0, 1]);
    }
}
