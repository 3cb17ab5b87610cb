//! Reading lines of mappings into a directory: every chain verified, on all cores, batch by batch.
//!
//! A batch is one durable write, and each mapping in it is wholly there or not at all. An
//! interrupted import is finished by running it again: what is there already is unchanged. Lookups
//! go on meanwhile.

use crate::admission::{Admitted, Refused};
use crate::directory::{Directory, DirectoryError};
use crate::line::Line;
use crate::record::Entry;
use crate::rules::Rules;
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::{Verifier, VerifyError};
use rayon::prelude::*;
use std::io::{self, BufRead};

mod batch;
mod lines;

use batch::Batch;
use lines::Lines;

/// The longest line that can hold a mapping; longer ones are refused without being kept.
pub const MAX_LINE: usize = 16 * 1024;
/// Lines verified and written together.
const BATCH: usize = 2048;

/// Why a line was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is longer than any mapping.
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// It is not the expected JSON.
    #[error("the line is not {{\"mapping\":\"…\",\"status\":\"…\"}} in base64url")]
    Format,
    /// The chain does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory holds something that takes precedence.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Mappings that were new.
    pub added: u64,
    /// Mappings that took the place of earlier ones.
    pub replaced: u64,
    /// Mappings that were there already (their status may have been renewed).
    pub unchanged: u64,
    /// Lines refused.
    pub refused: u64,
}

/// Why an import stopped. What was reported until then is in the directory.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input could not be read.
    #[error("the input cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The directory could not be read or written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Who is told how an import goes on.
pub trait Observer {
    /// `bytes` of the input are read, verified and written.
    fn progress(&mut self, bytes: u64);
    /// Line `number` (from 1) was refused.
    fn refused(&mut self, number: u64, error: LineError);
}

/// A line that was verified, or why not.
struct Checked {
    number: u64,
    outcome: Result<(Entry, Vec<u8>, Timestamp), LineError>,
}

/// Imports all lines of `input`, as of `now`.
///
/// # Errors
///
/// When the input cannot be read or the directory not written. Refused lines are no errors.
pub fn import(
    directory: &Directory,
    rules: &Rules,
    now: Timestamp,
    input: impl BufRead + Send,
    observer: &mut (impl Observer + Send),
) -> Result<Summary, ImportError> {
    let verifier = rules.verifier(now);
    let mut lines = Lines::new(input);
    let mut summary = Summary::default();
    let mut checked: Vec<Checked> = Vec::new();
    loop {
        // While one batch is being written, the next is read and verified.
        let position = lines.position();
        let (next, written) = rayon::join(
            || lines.take(BATCH).map(|batch| check(&verifier, batch)),
            || write(directory, &checked, &mut summary, observer),
        );
        written?;
        observer.progress(position);
        checked = next?;
        if checked.is_empty() {
            return Ok(summary);
        }
    }
}

fn check(verifier: &Verifier<'_>, batch: Vec<lines::Numbered>) -> Vec<Checked> {
    let check = |(number, text): lines::Numbered| {
        let outcome = text.ok_or(LineError::TooLong).and_then(|text| check_line(verifier, &text));
        Checked { number, outcome }
    };
    batch.into_par_iter().map(check).collect()
}

fn check_line(verifier: &Verifier<'_>, text: &[u8]) -> Result<(Entry, Vec<u8>, Timestamp), LineError> {
    let line = Line::read(text).ok_or(LineError::Format)?;
    let verified = verifier.verify(&line.mapping, &line.status, None)?;
    let entry = Entry { bytes: line.mapping, mapping: verified.mapping, credential: verified.credential };
    Ok((entry, line.status, verified.status_at))
}

fn write(
    directory: &Directory,
    checked: &[Checked],
    summary: &mut Summary,
    observer: &mut impl Observer,
) -> Result<(), ImportError> {
    let outcomes = Batch::apply(directory, checked)?;
    for (line, outcome) in checked.iter().zip(outcomes) {
        match outcome {
            Ok(Admitted::Added) => summary.added += 1,
            Ok(Admitted::Replaced) => summary.replaced += 1,
            Ok(Admitted::Unchanged) => summary.unchanged += 1,
            Err(error) => {
                summary.refused += 1;
                observer.refused(line.number, error);
            }
        }
    }
    Ok(())
}
