//! What an operator owes a person: everything that is held about an identifier, and its erasure.

use crate::batch;
use crate::directory::{Directory, DirectoryError};
use crate::export;
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;

/// Everything held about `csi`, as lines of the import format, without line feeds; none if nothing is.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn export(directory: &Directory, csi: &Csi) -> Result<Vec<String>, DirectoryError> {
    let record = directory.record(csi)?.value;
    // Also what is void: it is held.
    let start = Timestamp::from_unix(0);
    let mut lines = Vec::new();
    for entry in &record.entries {
        let standing = directory.status(&entry.authority, &entry.id)?.value;
        lines.extend(standing.and_then(|standing| export::revocation(standing, start)));
    }
    lines.extend(export::held(directory, &record)?.into_iter().map(|(line, _)| line));
    Ok(lines.iter().map(|line| line.write()).collect())
}

/// Takes away everything about `csi`; returns how many mappings that were. What remains is what keeps
/// an old export from bringing them back: for each key that published one a tombstone without
/// evidence, and revocations, which name nobody. A holder may publish again with a higher serial.
///
/// The database and its log then hold the old row no more, not even sealed, unless somebody keeps reading it
/// ([`Directory::forget`] says so). Sealed under the pepper stay: what the tombstone journal has of earlier
/// withdrawals, for as long as there is the journal, and backups made before. Blocks that the file
/// system has freed are out of our hands.
///
/// # Errors
///
/// When the directory cannot be read or written.
pub fn erase(directory: &Directory, csi: &Csi, now: Timestamp) -> Result<u64, DirectoryError> {
    let erased = batch::attempt(directory, |batch| batch.erase(csi, now))?;
    directory.forget()?;
    Ok(erased)
}

#[cfg(test)]
mod tests;
