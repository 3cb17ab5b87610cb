//! What a sync has done, so that the next one goes on: who has been asked, by when the rest was to be, and
//! what was spent. Written whole after each answer.

use super::super::failure::Failure;
use discreet_client::pacing::{Contact, Ledger, Moment};
use discreet_client::{Csi, FolderStorage, Storage};
use discreet_protocol::identifier::Domain;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most contacts remembered: those of this book, and what is left of others.
const MAX_REMEMBERED: usize = 2 * super::book::MAX_CONTACTS;

/// The progress of one folder and domain. Nobody else has it meanwhile.
pub(super) struct Progress {
    storage: FolderStorage,
    key: String,
    kept: Kept,
    /// Of each contact in the book's order: its name in `kept`.
    names: Vec<String>,
    /// Some contact has never been planned.
    is_new: bool,
    /// Ends with the process at the latest.
    _lock: File,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    ledger: Ledger,
    /// By when the last one was to be asked: milliseconds since 1970.
    until: u64,
    /// By hashed identifier, whether it has been asked.
    contacts: BTreeMap<String, bool>,
}

impl Progress {
    /// What is known of `contacts`.
    pub(super) fn open(folder: &Path, domain: &Domain, contacts: &[Csi]) -> Result<Self, Failure> {
        // First of all: what is loaded is written back, and must be nobody else's meanwhile.
        let lock = lock(folder)?;
        let storage = FolderStorage::new(folder);
        let key = format!("contacts.{}", name(domain, ""));
        let bytes = storage.load(&key).map_err(discreet_client::Error::from)?;
        let kept = match bytes {
            None => Kept::default(),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| Failure::Progress { path: folder.join(&key) })?
            }
        };
        let names: Vec<_> = contacts.iter().map(|csi| name(domain, &csi.uri())).collect();
        let is_new = names.iter().any(|name| !kept.contacts.contains_key(name));
        let mut progress = Self { storage, key, kept, names, is_new, _lock: lock };
        progress.forget_others();
        for name in &progress.names {
            progress.kept.contacts.entry(name.clone()).or_default();
        }
        Ok(progress)
    }

    /// Over how long the contacts that have not been asked are to be spread: a new one over `within`, the
    /// rest of a plan over the rest of its time, but no faster than it was.
    pub(super) fn left(&self, within: Duration, now: Moment) -> Duration {
        if self.is_new {
            return within;
        }
        let planned = Duration::from_millis(self.kept.until.saturating_sub(now.0));
        let share = self.unasked().len() as f64 / self.names.len().max(1) as f64;
        planned.max(within.mul_f64(share)).max(Duration::from_millis(1))
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.kept.ledger.clone()
    }

    pub(super) fn asked(&self) -> Vec<Contact> {
        self.all(true)
    }

    pub(super) fn unasked(&self) -> Vec<Contact> {
        self.all(false)
    }

    pub(super) fn is_asked(&self, contact: Contact) -> bool {
        let name = self.names.get(contact.0 as usize);
        name.is_some_and(|name| self.kept.contacts.get(name).is_some_and(|asked| *asked))
    }

    pub(super) fn set_asked(&mut self, contact: Contact) {
        if let Some(name) = self.names.get(contact.0 as usize) {
            self.kept.contacts.insert(name.clone(), true);
        }
    }

    /// By when all will have been asked.
    pub(super) fn plan(&mut self, until: Moment) -> Result<(), Failure> {
        self.kept.until = until.0;
        self.store()
    }

    /// On the disk when this returns.
    pub(super) fn save(&mut self, ledger: &Ledger) -> Result<(), Failure> {
        self.kept.ledger = ledger.clone();
        self.store()
    }

    fn store(&self) -> Result<(), Failure> {
        let unreadable = |_| Failure::Progress { path: PathBuf::from(&self.key) };
        let bytes = serde_json::to_vec(&self.kept).map_err(unreadable)?;
        Ok(self.storage.store(&self.key, &bytes).map_err(discreet_client::Error::from)?)
    }

    fn all(&self, asked: bool) -> Vec<Contact> {
        let numbered = (0..).map(Contact).zip(&self.names);
        let wanted = numbered.filter(|(_, name)| self.kept.contacts.get(*name) == Some(&asked));
        wanted.map(|(contact, _)| contact).collect()
    }

    /// Other books' contacts are remembered as long as there is room.
    fn forget_others(&mut self) {
        let total = self.kept.contacts.len() + self.names.len();
        if total > MAX_REMEMBERED {
            let names: std::collections::BTreeSet<_> = self.names.iter().collect();
            self.kept.contacts.retain(|name, _| names.contains(name));
        }
    }
}

/// Short, and good for any storage. It hides nothing from whoever can try out all numbers.
fn name(domain: &Domain, uri: &str) -> String {
    hex::encode(Sha256::new().chain_update(domain.as_str()).chain_update([0]).chain_update(uri).finalize())
}

/// Two at once would ask everybody twice.
fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("contacts.lock");
    let unwritten = |source| Failure::Unwritten { path: path.clone(), source };
    // Of the storage, too: it makes the folder its owner's alone, or refuses one that is not.
    drop(FolderStorage::new(folder).lock().map_err(discreet_client::Error::from)?);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(unwritten)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Busy),
        Err(TryLockError::Error(source)) => Err(unwritten(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn book(numbers: std::ops::Range<u32>) -> Vec<Csi> {
        numbers.map(|number| Csi::phone(&format!("+1415555{number:04}")).unwrap()).collect()
    }

    fn open(folder: &Path, numbers: std::ops::Range<u32>) -> Progress {
        Progress::open(&folder.join("state"), &Domain::new("dp.example").unwrap(), &book(numbers)).unwrap()
    }

    #[test]
    fn who_was_asked_is_known_after_a_restart_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = open(folder.path(), 0..10);
        before.set_asked(Contact(3));
        before.save(&Ledger::default()).unwrap();
        drop(before);
        let after = open(folder.path(), 2..5);
        assert_eq!((after.asked(), after.unasked()), (vec![Contact(1)], vec![Contact(0), Contact(2)]));
        assert!(after.is_asked(Contact(1)));
    }

    #[test]
    fn the_rest_of_a_plan_keeps_its_time_and_a_new_contact_gets_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let now = Moment(1_000_000_000);
        let mut progress = open(folder.path(), 0..10);
        assert_eq!(progress.left(DAY, now), DAY);
        (0..5).for_each(|number| progress.set_asked(Contact(number)));
        progress.plan(Moment(now.0 + 64_800_000)).unwrap();
        drop(progress);
        let progress = open(folder.path(), 0..10);
        assert_eq!(progress.left(DAY, now), DAY * 3 / 4);
        // Long after it was to be done, it is as fast as it was.
        assert_eq!(progress.left(DAY, Moment(now.0 * 2)), DAY / 2);
        drop(progress);
        assert_eq!(open(folder.path(), 0..11).left(DAY, now), DAY);
    }

    #[test]
    fn rejects_two_at_once_and_what_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), 0..1);
        let domain = Domain::new("dp.example").unwrap();
        let again = || Progress::open(&folder.path().join("state"), &domain, &book(0..1)).map(drop);
        assert!(matches!(again(), Err(Failure::Busy)));
        first.storage.store(&first.key, b"{").unwrap();
        drop(first);
        assert!(matches!(again(), Err(Failure::Progress { .. })));
    }

    /// Whoever waits for the lock has not looked yet, so what he finds is what the other one left.
    #[test]
    fn nothing_is_read_before_the_lock_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), 0..1);
        first.storage.store(&first.key, b"{").unwrap();
        let domain = Domain::new("dp.example").unwrap();
        let again = Progress::open(&folder.path().join("state"), &domain, &book(0..1)).map(drop);
        assert!(matches!(again, Err(Failure::Busy)), "what is there was looked at");
    }

    #[test]
    fn other_books_are_forgotten_when_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut progress = open(folder.path(), 0..3);
        progress.kept.contacts.extend((0..MAX_REMEMBERED).map(|other| (other.to_string(), true)));
        progress.save(&Ledger::default()).unwrap();
        drop(progress);
        assert_eq!(open(folder.path(), 0..3).kept.contacts.len(), 3);
    }
}
