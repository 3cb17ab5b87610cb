//! The columns of a table (CSV) that hold numbers and addresses, as common programs export it.

use super::book::{BookError, Entry};

/// Parts of the names of columns that are read, in small letters.
const WANTED: [&str; 5] = ["phone", "tel", "mobil", "handy", "mail"];
/// Parts of names of columns that are not: of what kind an entry is, how a name is spoken or shown, faxes.
const UNWANTED: [&str; 7] = ["type", "label", "phonetic", "display", "name", "fax", "mailing"];
/// What stands between several values in one cell.
const SEVERAL: &str = ":::";

/// The cells of all columns that hold numbers or addresses.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, BookError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = reader.headers().map_err(|_| BookError::Row(1))?;
    let columns: Vec<_> = (0..).zip(names).filter(|(_, name)| is_wanted(name)).map(|(at, _)| at).collect();
    if columns.is_empty() {
        return Err(BookError::NoColumn);
    }
    let mut entries = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| BookError::Row(error.position().map_or(0, csv::Position::line)))?;
        let line = row.position().map_or(0, csv::Position::line);
        for cell in columns.iter().filter_map(|at: &usize| row.get(*at)) {
            entries.extend(cell.split(SEVERAL).map(|text| Entry { line, text: text.trim().to_owned() }));
        }
    }
    Ok(entries)
}

fn is_wanted(name: &str) -> bool {
    let name = name.to_lowercase();
    WANTED.iter().any(|part| name.contains(part)) && !UNWANTED.iter().any(|part| name.contains(part))
}

/// Comma, semicolon or tab: the most frequent one in the first line.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    // Of equals the last is the maximum.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}
