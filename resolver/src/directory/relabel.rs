//! Under which label an opened row lies with another pepper. Every row says inside what it is about.

use super::notes::Note;
use crate::record::{Record, Standing};
use crate::seal::Pepper;
use crate::store::{Label, Table};

/// The label of a row under `new`, that lies at `label` under `old` and holds `plain`. `None` if it is
/// no row of a directory.
pub fn relabel(table: Table, label: &Label, plain: &[u8], old: &Pepper, new: &Pepper) -> Option<Label> {
    match table {
        Table::Records if *label == old.decoy_label() => Some(new.decoy_label()),
        Table::Records => Record::decode(plain).map(|record| new.record_label(&record.csi)),
        Table::Statuses => status_label(plain, new),
    }
}

fn status_label(plain: &[u8], new: &Pepper) -> Option<Label> {
    if let Some(standing) = Standing::decode(plain) {
        let (id, _) = standing.about()?;
        return Some(new.status_label(&standing.authority, &id));
    }
    Note::decode(plain).map(|note| note.label(new))
}
