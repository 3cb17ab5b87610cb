//! The directory as lines of JSON, for backups and moves. Needs the pepper: the export names
//! everybody, so it is written for its owner's eyes only.
//!
//! Lines come in the directory's own order, so two exports of one directory are equal. What was
//! withdrawn and revoked comes before the mappings.

use crate::directory::{Directory, DirectoryError};
use crate::line::Line;
use crate::record::{Record, Standing, Tombstone};
use discreet_protocol::credential::{Credential, Revocation};
use discreet_protocol::identifier::Csi;
use discreet_protocol::statement::Unverified;
use discreet_protocol::time::Timestamp;
use discreet_protocol::withdrawal::Withdrawal;
use std::io::{self, Write};

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory could not be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The output could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes each mapping with its latest status, each tombstone and each revocation as a line that
/// `import` reads; returns how many mappings. What is void at `now` anyway is left out. `progress` is
/// told how far the walk is, from 0 to 1.
///
/// # Errors
///
/// When a row cannot be read or a line not written; what was written until then is incomplete.
pub fn export(
    directory: &Directory,
    now: Timestamp,
    mut out: impl Write,
    mut progress: impl FnMut(f64),
) -> Result<u64, ExportError> {
    directory.walk_statuses(|standing| match revocation(standing, now) {
        Some(line) => writeln!(out, "{}", line.write()).map_err(ExportError::Write),
        None => Ok(()),
    })?;
    let mut count = 0;
    directory.walk(|record, position| {
        for line in lines(directory, record, now)? {
            count += u64::from(matches!(line, Line::Mapping { .. }));
            writeln!(out, "{}", line.write())?;
        }
        progress(position);
        Ok::<_, ExportError>(())
    })?;
    out.flush()?;
    Ok(count)
}

/// What counts of one identifier: tombstones first, then mappings, `Default` before other tags.
fn lines(directory: &Directory, mut record: Record, now: Timestamp) -> Result<Vec<Line>, DirectoryError> {
    record.tombstones.retain(|stone| now < stone.until);
    record.entries.retain(|entry| now < entry.void_from);
    let held = held(directory, &record)?.into_iter();
    Ok(held.filter_map(|(line, revoked)| (!revoked).then_some(line)).collect())
}

/// All that a record holds, with whether it is a mapping that was revoked: the revocation has a line
/// of its own.
pub(crate) fn held(directory: &Directory, record: &Record) -> Result<Vec<(Line, bool)>, DirectoryError> {
    let mut lines: Vec<_> =
        record.tombstones.iter().map(|stone| (tombstone(&record.csi, stone), false)).collect();
    for entry in &record.entries {
        let standing = directory.status(&entry.authority, &entry.id)?.value;
        let revoked = standing.as_ref().is_some_and(|standing| standing.revoked);
        let status = standing.filter(|_| !revoked).map_or_else(Vec::new, |standing| standing.statement);
        lines.push((Line::Mapping { mapping: entry.statement.clone(), status }, revoked));
    }
    Ok(lines)
}

/// The line of a revocation that still counts.
pub(crate) fn revocation(standing: Standing, now: Timestamp) -> Option<Line> {
    let said = Unverified::<Revocation>::read(&standing.statement).ok()?.into_claims();
    let counts = standing.revoked && now < said.expires;
    counts.then_some(Line::Revocation { authority: standing.authority, revocation: standing.statement })
}

/// The holder's own statement where it says it all, otherwise the tombstone.
fn tombstone(csi: &Csi, stone: &Tombstone) -> Line {
    if says_it_all(stone).unwrap_or(false) {
        return Line::Withdrawal(stone.evidence.clone());
    }
    Line::Erasure(stone.encode_about(csi))
}

/// Whether the evidence by itself would make the same tombstone.
fn says_it_all(stone: &Tombstone) -> Option<bool> {
    let withdrawal = Unverified::<Withdrawal>::read(&stone.evidence).ok()?.into_claims();
    let credential = Unverified::<Credential>::read(&withdrawal.credential).ok()?.into_claims();
    Some(credential.expires == stone.until && credential.proved_at == stone.proved_at)
}

/// The bytes of one line of the import format, without the line feed.
pub fn line(mapping: Vec<u8>, status: Vec<u8>) -> String {
    Line::Mapping { mapping, status }.write()
}

/// The line of a withdrawal, without the line feed.
pub fn withdrawal_line(withdrawal: Vec<u8>) -> String {
    Line::Withdrawal(withdrawal).write()
}

#[cfg(test)]
mod tests;
