//! Messages that people really sent, from a CSV file with the columns `time`, `client` and `contact`. Names
//! become numbers in the order in which they first appear, so no name leaves this module.

use super::population::Contacts;
use super::scenario::{HOUR, Scenario};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Lines a trace may have.
pub const MAX_LINES: usize = 10_000_000;

/// Each client's messages, in the order of time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Messages {
    by_client: Vec<Vec<(u64, u32)>>,
}

impl Messages {
    /// When, and to which contact of its book.
    pub fn of(&self, client: u32) -> &[(u64, u32)] {
        self.by_client.get(client as usize).map_or(&[], Vec::as_slice)
    }
}

/// Why a trace cannot be used.
#[derive(Debug, Error)]
pub enum TraceError {
    /// No such file, no CSV, or a value of the wrong kind.
    #[error("the trace {path} cannot be read: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: csv::Error,
    },
    /// A time before the start, or none at all.
    #[error("the trace {path}, line {line}: time must be 0 or more seconds, and less than 720 hours")]
    Time {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nothing to work with.
    #[error("the trace {0} must have at least two people and one line, and at most {MAX_LINES} lines")]
    Size(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    time: f64,
    client: String,
    contact: String,
}

/// Reads the trace of a scenario, and makes the scenario's population and hours those of the trace.
///
/// # Errors
///
/// One sentence that names the file.
pub fn read(path: &Path, scenario: &mut Scenario) -> Result<(Contacts, Messages), TraceError> {
    let unreadable = |source| TraceError::Csv { path: path.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut number = |name| {
        let next = numbers.len() as u32;
        *numbers.entry(name).or_insert(next)
    };
    let mut lines: Vec<(u64, u32, u32)> = Vec::new();
    for line in reader.deserialize::<Line>() {
        let Line { time, client, contact } = line.map_err(unreadable)?;
        let ms = time * 1000.0;
        // A NaN is in no range.
        if !(0.0..720.0 * HOUR as f64).contains(&ms) {
            return Err(TraceError::Time { path: path.to_owned(), line: lines.len() + 2 });
        }
        lines.push((ms as u64, number(client), number(contact)));
        if lines.len() > MAX_LINES {
            return Err(TraceError::Size(path.to_owned()));
        }
    }
    if numbers.len() < 2 || lines.is_empty() {
        return Err(TraceError::Size(path.to_owned()));
    }
    lines.sort_by_key(|line| line.0);
    let last = lines.last().map_or(0, |line| line.0);
    scenario.clients = numbers.len() as u32;
    scenario.hours = scenario.hours.min((last + 1) as f64 / HOUR as f64);
    let mut books = vec![Vec::new(); numbers.len()];
    let mut by_client = vec![Vec::new(); numbers.len()];
    let mut places: HashMap<(u32, u32), u32> = HashMap::new();
    for (at, client, contact) in lines {
        let book: &mut Vec<u32> = &mut books[client as usize];
        let place = *places.entry((client, contact)).or_insert_with(|| {
            book.push(contact);
            book.len() as u32 - 1
        });
        by_client[client as usize].push((at, place));
    }
    Ok((Contacts::from_books(&books), Messages { by_client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        toml::from_str("seed = 1\nclients = 100\nhours = 24").unwrap()
    }

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn names_become_numbers_and_books_are_whom_somebody_wrote_to() {
        let file = written("time,client,contact\n2.5,ann,bob\n1,bob,ann\n3600,ann,cy\n4,ann,bob\n");
        let mut scenario = scenario();
        let (contacts, messages) = read(file.path(), &mut scenario).unwrap();
        assert_eq!((scenario.clients, contacts.of(0), contacts.of(1)), (3, &[1, 2][..], &[0][..]));
        assert_eq!(messages.of(0), [(2500, 0), (4000, 0), (3_600_000, 1)]);
        assert!((1.0..1.001).contains(&scenario.hours));
    }

    #[test]
    fn rejects_what_is_no_trace_in_one_sentence() {
        let said = |text: &str| read(written(text).path(), &mut scenario()).unwrap_err().to_string();
        assert!(said("time,client,contact\n-1,a,b\n").contains("line 2: time must be"));
        assert!(said("time,client,contact\n").contains("at least two people"));
        assert!(said("time,client\n1,a\n").contains("missing field `contact`"));
        assert!(said("time,client,contact\nsoon,a,b\n").contains("invalid float"));
        assert!(!said("time,client,contact\nNaN,a,b\n").is_empty());
    }
}
