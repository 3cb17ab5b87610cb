//! Opening a directory: whether pepper and journal belong to it, and what the journal has that it has
//! not. A directory restored from a backup stays closed until every later withdrawal is in it.

use super::notes::Note;
use super::rows::Rows;
use super::{Directory, DirectoryError, decoy};
use crate::batch;
use crate::journal::{Entry, Journal};
use crate::store::Table;
use std::path::Path;

/// Journal entries put into the directory with one write.
const BATCH: usize = 512;

pub(super) fn open(rows: Rows, journal: &Path) -> Result<Directory, DirectoryError> {
    let label = rows.pepper.decoy_label();
    if rows.store.read(Table::Records, &label)?.is_none() {
        // A directory that has rows but no decoy under this pepper was made with another one.
        if !rows.store.scan(Table::Records, None, 1)?.is_empty() {
            return Err(DirectoryError::WrongPepper);
        }
        create(&rows, journal)?;
    }
    let decoy = match rows.read(Table::Records, &label)? {
        Some((plain, _)) => decoy::read(plain).ok_or(DirectoryError::Content)?,
        None => return Err(DirectoryError::WrongPepper),
    };
    let noted = rows.note(&rows.pepper.journal_label())?;
    let Some((Note::Journal { id, known }, version)) = noted else { return Err(DirectoryError::Content) };
    let journal = Journal::open(journal)?;
    journal.expect(&id)?;
    let entries = journal.read(&rows.pepper, known)?;
    let directory = Directory { rows, journal, decoy };
    let read = entries.len() as u64;
    for entries in effective(entries).chunks(BATCH) {
        replay(&directory, entries)?;
    }
    if read > 0 {
        let known = known + read;
        // Who was faster has replayed the same entries.
        directory.rows.write_note(&Note::Journal { id, known }, Some(version))?;
    }
    Ok(directory)
}

/// Makes an empty directory. A journal that is there already is taken over: what was withdrawn from a
/// directory that is lost stays withdrawn.
fn create(rows: &Rows, journal: &Path) -> Result<(), DirectoryError> {
    let id = Journal::create(journal, &rows.pepper)?.id();
    // Entry 0 says nothing.
    let note = rows.note_write(&Note::Journal { id, known: 1 }, None)?;
    let [status, record] = decoy::writes(rows)?;
    // Another process may be first; its decoy is as good.
    rows.store.write(&[note, status, record])?;
    Ok(())
}

/// Without what was taken back.
fn effective(entries: Vec<Entry>) -> Vec<Entry> {
    let mut effective: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Entry::Undone(csi, stone) = entry {
            let undone = Entry::Tombstone(csi, stone);
            if let Some(place) = effective.iter().rposition(|known| *known == undone) {
                effective.remove(place);
            }
        } else {
            effective.push(entry);
        }
    }
    effective
}

fn replay(directory: &Directory, entries: &[Entry]) -> Result<(), DirectoryError> {
    batch::attempt(directory, |batch| {
        entries.iter().try_for_each(|entry| match entry {
            Entry::Beginning | Entry::Undone(..) => Ok(()),
            Entry::Tombstone(csi, tombstone) => batch.rebury(csi, tombstone),
            Entry::Revocation(standing) => batch.revoke_again(standing),
        })
    })
}
