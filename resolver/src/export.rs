//! The directory as lines of JSON, for backups and moves. Needs the pepper: the export names
//! everybody, so it is written for its owner's eyes only.

use crate::directory::{Directory, DirectoryError};
use crate::line::Line;
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

/// Writes each mapping with its latest status as a line that `import` reads; returns how many.
/// `progress` is told how far the walk is, from 0 to 1.
///
/// # Errors
///
/// When a row cannot be read or a line not written; what was written until then is incomplete.
pub fn export(
    directory: &Directory,
    mut out: impl Write,
    mut progress: impl FnMut(f64),
) -> Result<u64, ExportError> {
    let mut count = 0;
    directory.walk(|record, position| {
        for entry in record.entries {
            let id = &entry.credential.id;
            let status = directory.status(&entry.credential.authority, id)?;
            let status = status.map_or_else(Vec::new, |status| status.value);
            writeln!(out, "{}", Line { mapping: entry.bytes, status }.write())?;
            count += 1;
        }
        progress(position);
        Ok::<_, ExportError>(())
    })?;
    out.flush()?;
    Ok(count)
}

/// The bytes of one line of the import format, without the line feed.
pub fn line(mapping: Vec<u8>, status: Vec<u8>) -> String {
    Line { mapping, status }.write()
}
