//! The folder of the issuer's keys: what its files are called, and which of them are erased. No key is read here.

use super::KeysError;
use discreet_protocol::policy::MIN_KEY_LIFE;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::files::PARTIAL;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a key's file ends.
const EXTENSION: &str = "der";

/// A key's file, and between which days its tokens are taken.
type File = (PathBuf, (Timestamp, Timestamp));

/// The file of a key that begins at `from`, and whose tokens are taken until `until`.
pub(super) fn name(from: Timestamp, until: Timestamp) -> String {
    format!("{}_{}.{EXTENSION}", day(from), day(until))
}

/// The keys in `folder`.
pub(super) fn files(folder: &Path) -> Result<Vec<File>, KeysError> {
    let mut files = Vec::new();
    for path in paths(folder)?.into_iter().filter(|path| !is_partial(path)) {
        let days = days(&path).ok_or_else(|| KeysError::Name { path: path.clone() })?;
        files.push((path, days));
    }
    Ok(files)
}

/// Erases the keys that are over, and parts of keys; returns how many it leaves because by `now` all are over. Then
/// the clock may be ahead, and a key does not come back.
pub(super) fn erase_expired(folder: &Path, now: Timestamp) -> Result<usize, KeysError> {
    let erase = |path: PathBuf| fs::remove_file(&path).map_err(|source| KeysError::Folder { path, source });
    paths(folder)?.into_iter().filter(|path| is_partial(path)).try_for_each(erase)?;
    let (over, alive): (Vec<_>, Vec<_>) =
        files(folder)?.into_iter().partition(|(_, (_, until))| *until <= now);
    if alive.is_empty() {
        return Ok(over.len());
    }
    over.into_iter().try_for_each(|(path, _)| erase(path))?;
    Ok(0)
}

/// A day as the names of files and the rules write it.
pub(super) fn day(of: Timestamp) -> String {
    let seconds = i64::try_from(of.unix()).unwrap_or(i64::MAX);
    // Never: the clock and the days of files are before the year 9999.
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, KeysError> {
    let failed = |source| KeysError::Folder { path: folder.to_owned(), source };
    let path = |entry: io::Result<fs::DirEntry>| Ok(entry.map_err(failed)?.path());
    fs::read_dir(folder).map_err(failed)?.map(path).collect()
}

/// Whether a key was being written when somebody was interrupted.
fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PARTIAL)
}

/// The two days of a file's name.
fn days(path: &Path) -> Option<(Timestamp, Timestamp)> {
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let (from, until) = name.split_once('_')?;
    let (from, until) = (start_of(from)?, start_of(until)?);
    (from.plus(MIN_KEY_LIFE) <= until).then_some((from, until))
}

/// The beginning of a day that is written as [`day`] writes it.
fn start_of(text: &str) -> Option<Timestamp> {
    let mut numbers = text.splitn(3, '-');
    let mut next = || numbers.next()?.parse::<u16>().ok();
    let (year, month, date) = (next()?, u8::try_from(next()?).ok()?, u8::try_from(next()?).ok()?);
    let date = time::Date::from_calendar_date(year.into(), time::Month::try_from(month).ok()?, date).ok()?;
    let days = date.to_julian_day() - time::OffsetDateTime::UNIX_EPOCH.to_julian_day();
    let start = Timestamp::from_unix(u64::try_from(days).ok()? * DAY);
    // One day has one name.
    (day(start) == text).then_some(start)
}
