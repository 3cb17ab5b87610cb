//! What the report is made from: files that `lab unlinkability`, `lab knowledge` and `lab swap` wrote, checked to be
//! that.

use crate::knowledge::{Verdict, What};
use crate::swap::Exact;
use lab::unlinkability::results::{FORMAT, Results};
use lab::unlinkability::statistics::classifier::Auc;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most runs in one report: more are no longer read.
const MAX_RUNS: usize = 64;
/// Bytes of a file of figures; a run of all adversaries writes some 200 KB.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The file of a run's figures.
const RESULTS: &str = "results.json";

/// Everything.
#[derive(Debug)]
pub(super) struct Input {
    /// The runs, one at least.
    pub(super) first: Run,
    /// All of them, the first included.
    pub(super) runs: Vec<Run>,
    /// The matrix, if it was measured.
    pub(super) knowledge: Option<Knowledge>,
    /// Who asks about whom, exchanged, if that was tried.
    pub(super) swap: Option<Swap>,
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// What it is called on the page: A, B, C …
    pub(super) letter: String,
    /// The last part of its folder's name: the rest says something of the machine.
    pub(super) name: String,
    /// SHA-256 of its figures, in hex.
    pub(super) digest: String,
    /// The figures.
    pub(super) results: Results,
}

/// `knowledge.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Knowledge {
    /// Where names, addresses and numbers came from.
    pub(super) seed: u64,
    /// Broken promises, a sentence each.
    pub(super) broken: Vec<String>,
    /// The table.
    pub(super) matrix: Matrix,
}

/// The table of who knows what.
#[derive(Debug, Deserialize)]
pub(super) struct Matrix {
    /// How many senders there were.
    pub(super) clients: u64,
    /// How many spellings were searched for.
    pub(super) forms: u64,
    /// In how many bytes.
    pub(super) bytes: u64,
    /// A row for each party.
    pub(super) parties: Vec<PartyRow>,
}

/// What one party knows.
#[derive(Debug, Deserialize)]
pub(super) struct PartyRow {
    /// Who.
    pub(super) name: String,
    /// What of.
    pub(super) cells: Vec<Cell>,
}

/// What a party knows of one thing.
#[derive(Debug, Deserialize)]
pub(super) struct Cell {
    /// Of what.
    pub(super) what: What,
    /// What DESIGN.md says.
    pub(super) promise: String,
    /// Of how many clients it could be known.
    pub(super) of: usize,
    /// The clients it is known of.
    pub(super) known: BTreeSet<usize>,
    /// Whether the promise is kept.
    pub(super) verdict: Verdict,
    /// How it is known.
    pub(super) traces: Vec<String>,
}

/// `swap.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Swap {
    /// To the byte.
    pub(super) exact: Exact,
    /// How many live runs there were.
    pub(super) runs: u64,
    /// Where randomness came from.
    pub(super) seed: u64,
    /// The leak that was made on purpose, if any.
    pub(super) planted: Option<String>,
    /// What a classifier made of the live runs, a row for each view.
    pub(super) live: Vec<Seen>,
}

/// How well one party's view tells who asked which.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// Who.
    pub(super) party: String,
    /// How well.
    #[serde(flatten)]
    pub(super) auc: Auc,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub(super) enum InputError {
    /// No such file, or no right to it.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder without figures.
    #[error("{0} holds no results.json, nor does a folder in it; `lab unlinkability` writes such folders")]
    NoResults(PathBuf),
    /// Not JSON, or not of the shape.
    #[error("{path} is not what `lab {command}` writes: {field}: {source}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// What should have written it.
        command: &'static str,
        /// Where in it.
        field: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// Of another version's shape.
    #[error("{path}: format is {found}, and this program reads {FORMAT}; use the version that wrote it")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// Larger than any that is written.
    #[error("{0} has more than {MAX_FILE} bytes, and no file of figures has; name another")]
    TooLarge(PathBuf),
    /// More than a page can show.
    #[error("{0} runs are too many for a page: name {MAX_RUNS} at most")]
    TooMany(usize),
}

/// Reads all of it.
pub(super) fn read(
    results: &[PathBuf],
    knowledge: Option<&Path>,
    swap: Option<&Path>,
) -> Result<Input, InputError> {
    let mut files = Vec::new();
    for place in results {
        files.extend(figures(place)?);
    }
    if files.len() > MAX_RUNS {
        return Err(InputError::TooMany(files.len()));
    }
    let runs = files.iter().enumerate().map(|(number, file)| run(number, file));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let first = runs.first().cloned().ok_or_else(|| InputError::NoResults(PathBuf::from(".")))?;
    let knowledge = knowledge.map(|path| parse(path, "knowledge", &bytes(path)?)).transpose()?;
    let swap = swap.map(|path| parse(path, "swap", &bytes(path)?)).transpose()?;
    Ok(Input { first, runs, knowledge, swap })
}

/// The files of figures at a place: the file itself, the folder's, or those of the folders in it.
fn figures(place: &Path) -> Result<Vec<PathBuf>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: place.to_owned(), source };
    if fs::metadata(place).map_err(unreadable)?.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let own = place.join(RESULTS);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path().join(RESULTS);
        if file.is_file() {
            found.push(file);
        }
    }
    // The order of a folder is another on each machine.
    found.sort();
    if found.is_empty() { Err(InputError::NoResults(place.to_owned())) } else { Ok(found) }
}

fn run(number: usize, file: &Path) -> Result<Run, InputError> {
    let bytes = bytes(file)?;
    let results: Results = parse(file, "unlinkability", &bytes)?;
    if results.format != FORMAT {
        return Err(InputError::Format { path: file.to_owned(), found: results.format });
    }
    let name = file.parent().and_then(Path::file_name).unwrap_or(OsStr::new("run"));
    Ok(Run {
        letter: letter(number),
        name: name.to_string_lossy().into_owned(),
        digest: hex::encode(Sha256::digest(&bytes)),
        results,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(InputError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, command: &'static str, bytes: &[u8]) -> Result<T, InputError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let wrong = |field: String, source| InputError::Shape { path: path.to_owned(), command, field, source };
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| wrong(error.path().to_string(), error.into_inner()))?;
    json.end().map_err(|error| wrong("after the end".to_owned(), error))?;
    Ok(value)
}

/// A, B … Z, AA, AB …
fn letter(number: usize) -> String {
    let last = char::from(b'A' + (number % 26) as u8);
    match number / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letter(more - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_letters() {
        assert_eq!([0, 1, 25, 26, 51, 52].map(letter), ["A", "B", "Z", "AA", "AZ", "BA"]);
    }

    #[test]
    fn rejects_a_file_larger_than_any() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RESULTS);
        File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(read(&[path], None, None), Err(InputError::TooLarge(_))));
    }

    #[test]
    fn rejects_more_runs_than_a_page_shows() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=MAX_RUNS {
            let run = folder.path().join(number.to_string());
            fs::create_dir(&run).unwrap();
            fs::write(run.join(RESULTS), "{}").unwrap();
        }
        let error = read(&[folder.path().to_owned()], None, None).unwrap_err();
        assert!(matches!(error, InputError::TooMany(65)), "{error}");
    }
}
