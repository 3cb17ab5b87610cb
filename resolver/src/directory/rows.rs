//! Sealed rows: opened when read, sealed when written.

use super::notes::Note;
use super::{DirectoryError, SCAN_PAGE};
use crate::record::{Record, STATUS_SIZE};
use crate::seal::Pepper;
use crate::store::{Label, Row, Store, Table, Write, Written};

/// What a row holds, and its version.
type Opened = (Vec<u8>, u64);

pub(super) struct Rows {
    pub(super) store: Box<dyn Store>,
    pub(super) pepper: Pepper,
}

impl Rows {
    /// The row at `label`, opened, with its version.
    pub(super) fn read(&self, table: Table, label: &Label) -> Result<Option<Opened>, DirectoryError> {
        let Some(row) = self.store.read(table, label)? else { return Ok(None) };
        Ok(Some((self.open(label, &row)?, row.version)))
    }

    /// The row at `label` or, if there is none, the next one; behind the last comes the first. `None`: the
    /// table is empty. Both are found by the same steps.
    pub(super) fn at_or_after(
        &self,
        table: Table,
        label: &Label,
    ) -> Result<Option<(Label, Row)>, DirectoryError> {
        let next = self.store.scan(table, before(label).as_ref(), 1)?.pop();
        if next.is_some() {
            return Ok(next);
        }
        Ok(self.store.scan(table, None, 1)?.pop())
    }

    /// The rows at `labels`, opened, with their versions.
    pub(super) fn read_many(
        &self,
        table: Table,
        labels: &[Label],
    ) -> Result<Vec<Option<Opened>>, DirectoryError> {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_unstable_by_key(|index| labels.get(*index));
        let sorted: Vec<Label> = order.iter().filter_map(|index| labels.get(*index).copied()).collect();
        let rows = self.store.read_many(table, &sorted)?;
        let opened: Vec<_> = sorted
            .iter()
            .zip(rows)
            .map(|(label, row)| match row {
                Some(row) => self.open(label, &row).map(|plain| Some((plain, row.version))),
                None => Ok(None),
            })
            .collect::<Result<_, _>>()?;
        let mut placed: Vec<_> = order.into_iter().zip(opened).collect();
        placed.sort_unstable_by_key(|(index, _)| *index);
        Ok(placed.into_iter().map(|(_, row)| row).collect())
    }

    pub(super) fn open(&self, label: &Label, row: &Row) -> Result<Vec<u8>, DirectoryError> {
        Ok(self.pepper.open(label, row.version, &row.sealed)?)
    }

    pub(super) fn open_record(&self, label: &Label, row: &Row) -> Result<Record, DirectoryError> {
        Record::decode(&self.open(label, row)?).ok_or(DirectoryError::Content)
    }

    /// The write that puts `plain` in place of version `old`; without it the row goes.
    pub(super) fn write(
        &self,
        table: Table,
        label: Label,
        old: Option<u64>,
        plain: Option<Vec<u8>>,
        size: usize,
    ) -> Result<Write, DirectoryError> {
        let seal = |plain| {
            let version = old.map_or_else(first_version, |old| Some(old.wrapping_add(1)))?;
            Some(Row { version, sealed: self.pepper.seal(&label, version, plain, size)? })
        };
        let row = match plain {
            Some(plain) => Some(seal(plain).ok_or(DirectoryError::Content)?),
            None => None,
        };
        Ok(Write { table, label, replaces: old, row })
    }

    pub(super) fn note(&self, label: &Label) -> Result<Option<(Note, u64)>, DirectoryError> {
        let Some((plain, version)) = self.read(Table::Statuses, label)? else { return Ok(None) };
        let note = Note::decode(&plain).ok_or(DirectoryError::Content)?;
        Ok(Some((note, version)))
    }

    pub(super) fn note_write(&self, note: &Note, old: Option<u64>) -> Result<Write, DirectoryError> {
        let label = note.label(&self.pepper);
        self.write(Table::Statuses, label, old, Some(note.encode()), STATUS_SIZE)
    }

    pub(super) fn write_note(&self, note: &Note, old: Option<u64>) -> Result<Vec<Written>, DirectoryError> {
        Ok(self.store.write(&[self.note_write(note, old)?])?)
    }

    /// Walks a table in label order.
    pub(super) fn walk<E: From<DirectoryError>>(
        &self,
        table: Table,
        mut visit: impl FnMut(&Label, &Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let page = self.store.scan(table, after.as_ref(), SCAN_PAGE);
            let page = page.map_err(DirectoryError::from)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            page.iter().try_for_each(|(label, row)| visit(label, row))?;
        }
    }
}

/// The greatest label below `label`; `None` below the first.
fn before(label: &Label) -> Option<Label> {
    let mut before = *label;
    for byte in before.iter_mut().rev() {
        let borrowed;
        (*byte, borrowed) = byte.overflowing_sub(1);
        if !borrowed {
            return Some(before);
        }
    }
    None
}

/// Drawn at random, so that a row that was deleted and made anew is not taken for the old one.
fn first_version() -> Option<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_the_one_before_it() {
        let label = |head: u8, tail: u8| {
            let mut label = Label::default();
            label[0] = head;
            *label.last_mut().unwrap() = tail;
            label
        };
        assert_eq!(before(&label(1, 2)), Some(label(1, 1)));
        let mut borrowed = Label::default();
        borrowed[1..].fill(0xff);
        assert_eq!(before(&label(1, 0)), Some(borrowed));
        assert_eq!(before(&label(0, 0)), None);
    }
}
