//! The tombstone journal: an append-only file beside the directory with every withdrawal, erasure and
//! revocation, so that a directory restored from an older backup does not bring back who left since.
//!
//! It is written and synchronised before the directory is. Entries have one size and are sealed under
//! the pepper, so the file by itself names nobody. It must not be restored with the directory: it is
//! what the directory is checked against.
//!
//! ```text
//! file  = "discreet-journal" (16 bytes) ‖ id (16 random bytes) ‖ entry*
//! entry = seal(label = HMAC("journal"), version = number from 0, plain), 2048 bytes
//! plain = CBOR [batch: uint, kind: uint, content: bstr]
//! ```
//!
//! `batch` is the number of the first entry that was synchronised together with this one. So a tail that
//! a power cut left torn can be told from damage: it was never acknowledged, and is cut off.

use crate::cbor::{Reader, Writer};
use crate::group::Group;
use crate::lock::beside;
use crate::record::{Standing, Tombstone};
use crate::seal::Pepper;
use discreet_protocol::identifier::Csi;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What a journal's file begins with.
const MAGIC: &[u8; 16] = b"discreet-journal";
const HEADER: u64 = 32;
/// Bytes of one entry.
const ENTRY: usize = 2048;
/// Most bytes of an entry's content: the rest is nonce, tag and framing.
const MAX_CONTENT: usize = ENTRY - 60;

const TOMBSTONE: u64 = 0;
const REVOCATION: u64 = 1;
const BEGINNING: u64 = 2;
const UNDONE: u64 = 3;

/// A journal's own number, which its directory remembers.
pub(crate) type JournalId = [u8; 16];

/// What must not be forgotten.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Nothing: entry 0 of every journal, which tells whether the pepper fits.
    Beginning,
    /// Mappings of this identifier are void.
    Tombstone(Csi, Tombstone),
    /// A credential is void.
    Revocation(Standing),
    /// A tombstone that was entered before, and did not come to effect.
    Undone(Csi, Tombstone),
}

/// Why a tombstone journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none. None is made silently: who withdrew would come back with the next backup.
    #[error("the tombstone journal {} is missing; restore its latest copy, without it nobody knows who withdrew", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It is no journal, or one of another directory.
    #[error("{} is not the tombstone journal of this directory; put the one back that was beside it", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// The directory has seen more of it than there is.
    #[error("the tombstone journal {} is older than the directory; restore its latest copy", path.display())]
    Short {
        /// The file.
        path: PathBuf,
    },
    /// An entry that was acknowledged does not open.
    #[error("the tombstone journal {} is damaged, or sealed under another pepper; restore its latest copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Anything else: permissions, a full disk.
    #[error("the tombstone journal {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
}

/// A directory's journal, open for appending.
pub(crate) struct Journal {
    path: PathBuf,
    id: JournalId,
    file: Mutex<File>,
    group: Group<Vec<Entry>, io::Result<()>>,
}

impl Journal {
    /// Opens the journal at `path`, or makes one.
    pub(crate) fn create(path: &Path, pepper: &Pepper) -> Result<Self, JournalError> {
        let failed = |reason| JournalError::Unusable { path: path.to_owned(), reason };
        if !path.exists() {
            make(path, pepper).map_err(failed)?;
        }
        Self::open(path)
    }

    /// Opens the journal at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(|reason| {
            let path = path.to_owned();
            match reason.kind() {
                io::ErrorKind::NotFound => JournalError::Missing { path },
                _ => JournalError::Unusable { path, reason },
            }
        })?;
        let mut header = [0; HEADER as usize];
        let id = file.read_exact(&mut header).ok().and_then(|()| header.strip_prefix(MAGIC));
        let id = id.and_then(|id| id.try_into().ok());
        let id = id.ok_or_else(|| JournalError::Other { path: path.to_owned() })?;
        Ok(Self { path: path.to_owned(), id, file: Mutex::new(file), group: Group::default() })
    }

    pub(crate) fn id(&self) -> JournalId {
        self.id
    }

    /// Checks that it is the journal `id`; a directory knows its own.
    pub(crate) fn expect(&self, id: &JournalId) -> Result<(), JournalError> {
        if self.id == *id { Ok(()) } else { Err(JournalError::Other { path: self.path.clone() }) }
    }

    /// Appends `entries`; they are durable on return. Whoever appends at the same time shares one
    /// synchronisation.
    pub(crate) fn append(&self, pepper: &Pepper, entries: &[Entry]) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        let appended = self.group.run(entries.to_vec(), |waiting| {
            let outcome = self.append_now(pepper, &waiting.concat());
            waiting.iter().map(|_| outcome.as_ref().map(drop).map_err(copy)).collect()
        });
        let appended = appended.unwrap_or_else(|abandoned| Err(io::Error::other(abandoned)));
        appended.map_err(|reason| JournalError::Unusable { path: self.path.clone(), reason })
    }

    fn append_now(&self, pepper: &Pepper, entries: &[Entry]) -> io::Result<()> {
        self.locked(|file| {
            let batch = count(file)?;
            let sealed = (batch..).zip(entries).map(|(number, entry)| entry.seal(pepper, batch, number));
            let sealed = sealed.collect::<Option<Vec<_>>>().ok_or_else(unsealable)?;
            let end = HEADER + batch * ENTRY as u64;
            // What was left of an entry that was not finished.
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            file.write_all(&sealed.concat())?;
            file.sync_data()
        })
    }

    /// The entries from number `known` on. A torn tail is cut off.
    pub(crate) fn read(&self, pepper: &Pepper, known: u64) -> Result<Vec<Entry>, JournalError> {
        let read = self.locked(|file| {
            let path = || self.path.clone();
            let Some(first) = open_all(file, pepper, 0, 1)? else {
                return Ok(Err(JournalError::Short { path: path() }));
            };
            if first.iter().any(Option::is_none) {
                return Ok(Err(JournalError::Damaged { path: path() }));
            }
            let Some(mut opened) = open_all(file, pepper, known, u64::MAX)? else {
                return Ok(Err(JournalError::Short { path: path() }));
            };
            if let Some(bad) = opened.iter().position(Option::is_none) {
                let number = known + bad as u64;
                // A later batch was begun after this one was on the disk.
                if opened.iter().skip(bad).flatten().any(|(batch, _)| *batch > number) {
                    return Ok(Err(JournalError::Damaged { path: path() }));
                }
                file.set_len(HEADER + number * ENTRY as u64)?;
                file.sync_data()?;
                opened.truncate(bad);
            }
            Ok(Ok(opened.into_iter().flatten().map(|(_, entry)| entry).collect()))
        });
        read.map_err(|reason| JournalError::Unusable { path: self.path.clone(), reason })?
    }

    /// Works on the file while nobody else does, in this process or another.
    fn locked<T>(&self, work: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.lock()?;
        let worked = work(&mut file);
        file.unlock()?;
        worked
    }
}

/// Seals the journal at `path` under `new`: writes it anew beside and moves it there. Entries that
/// are under `new` already stay, so that it can be run again.
///
/// # Errors
///
/// When an entry opens under neither, or the file cannot be written.
pub fn reseal(path: &Path, old: &Pepper, new: &Pepper) -> Result<(), JournalError> {
    let journal = Journal::open(path)?;
    let failed = |reason| JournalError::Unusable { path: path.to_owned(), reason };
    let damaged = || JournalError::Damaged { path: path.to_owned() };
    let all = |pepper| journal.locked(|file| open_all(file, pepper, 0, u64::MAX)).map_err(failed);
    let (under_old, under_new) = (all(old)?.ok_or_else(damaged)?, all(new)?.ok_or_else(damaged)?);
    let mut out = [MAGIC.as_slice(), &journal.id].concat();
    for (number, (one, other)) in (0..).zip(under_old.into_iter().zip(under_new)) {
        let (batch, entry) = one.or(other).ok_or_else(damaged)?;
        out.extend(entry.seal(new, batch, number).ok_or_else(damaged)?);
    }
    let new = new_beside(path);
    let replaced = write_private(&new, &out).and_then(|()| fs::rename(&new, path));
    replaced.and_then(|()| sync_folder(path)).map_err(failed)
}

impl Entry {
    fn seal(&self, pepper: &Pepper, batch: u64, number: u64) -> Option<Vec<u8>> {
        let (kind, content) = match self {
            Self::Beginning => (BEGINNING, Vec::new()),
            Self::Tombstone(csi, tombstone) => (TOMBSTONE, about(csi, tombstone)),
            Self::Revocation(standing) => (REVOCATION, standing.encode()),
            Self::Undone(csi, tombstone) => (UNDONE, about(csi, tombstone)),
        };
        let mut plain = Writer::default();
        plain.array(3).uint(batch).uint(kind).bytes(&content);
        pepper.seal(&pepper.journal_label(), number, plain.finish(), ENTRY)
    }

    fn open(pepper: &Pepper, number: u64, sealed: &[u8]) -> Option<(u64, Self)> {
        let plain = pepper.open(&pepper.journal_label(), number, sealed).ok()?;
        let mut reader = Reader::new(&plain);
        reader.array_of(3)?;
        let (batch, kind, content) = (reader.uint()?, reader.uint()?, reader.bytes()?);
        let entry = match kind {
            TOMBSTONE => Tombstone::decode_about(content).map(|(csi, stone)| Self::Tombstone(csi, stone)),
            UNDONE => Tombstone::decode_about(content).map(|(csi, stone)| Self::Undone(csi, stone)),
            REVOCATION => Standing::decode(content).map(Self::Revocation),
            BEGINNING => Some(Self::Beginning),
            _ => None,
        };
        entry.map(|entry| (batch, entry))
    }
}

/// The tombstone with its evidence, if both fit.
fn about(csi: &Csi, tombstone: &Tombstone) -> Vec<u8> {
    let content = tombstone.encode_about(csi);
    if content.len() <= MAX_CONTENT {
        return content;
    }
    Tombstone { evidence: Vec::new(), ..tombstone.clone() }.encode_about(csi)
}

/// Whole entries in the file.
fn count(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len().saturating_sub(HEADER) / ENTRY as u64)
}

type Opened = Vec<Option<(u64, Entry)>>;

/// Opens each entry from number `from` on, up to `to`; `None` if there are fewer than `from`.
fn open_all(file: &mut File, pepper: &Pepper, from: u64, to: u64) -> io::Result<Option<Opened>> {
    let count = count(file)?;
    if count < from.max(1) {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(HEADER + from * ENTRY as u64))?;
    let mut reader = io::BufReader::new(file);
    let mut sealed = vec![0; ENTRY];
    let mut opened = Vec::new();
    for number in from..count.min(to) {
        reader.read_exact(&mut sealed)?;
        opened.push(Entry::open(pepper, number, &sealed));
    }
    Ok(Some(opened))
}

/// Makes an empty journal. Another process may be first; its journal is as good.
fn make(path: &Path, pepper: &Pepper) -> io::Result<()> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let beginning = Entry::Beginning.seal(pepper, 0, 0).ok_or_else(unsealable)?;
    let new = new_beside(path);
    write_private(&new, &[MAGIC.as_slice(), &id, &beginning].concat())?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(path),
    }
}

/// Where a new file is written before it is moved to `path`.
fn new_beside(path: &Path) -> PathBuf {
    beside(path, &format!(".{}.new", std::process::id()))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A leftover of an interrupted run may have another mode.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name is durable only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The same error, for another one who waits.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

fn unsealable() -> io::Error {
    io::Error::other("an entry cannot be sealed")
}

#[cfg(test)]
mod tests;
