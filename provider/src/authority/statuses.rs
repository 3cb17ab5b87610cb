//! Signing statuses in bulk, and the feed that resolvers pull.
//!
//! A status that is signed anew takes the place of the older one and goes to the end of the feed.
//! So the feed is never longer than there are credentials, and whoever follows it misses nothing. Its
//! numbers follow the clock, so that they do not go back with a database restored from a backup.

use super::rows::{self, Standing};
use super::{Authority, AuthorityError, DatabaseError, ENROLMENT_LIFETIME, TICKET_LIFETIME};
use discreet_protocol::credential::{CredentialId, Status};
use discreet_protocol::feed::{MAX_PAGE, MAX_PAGE_BYTES, Page};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use rayon::prelude::*;

/// Seconds after which a status is signed anew: well within a day, so that none is ever a day old.
pub const SIGN_AFTER: u64 = 20 * 3600;
/// Statuses per transaction. What was signed before an interruption stays.
const CHUNK: usize = 4096;
/// Bytes of a page beside its statements, and of each statement's own head.
const PAGE_OVERHEAD: usize = 32;
const STATEMENT_OVERHEAD: usize = 5;

impl Authority {
    /// Signs the statuses that are older than `older_than` seconds anew, at most some thousands;
    /// how many there were. Call it until it says 0.
    ///
    /// # Errors
    ///
    /// When the database cannot be used; what was signed before stays.
    pub fn sign_some(&self, older_than: u64) -> Result<usize, DatabaseError> {
        let now = self.now();
        let bounds = (now.minus(older_than), now.plus(CLOCK_TOLERANCE));
        let due = self.database.read(|rows| rows::due(rows, bounds, CHUNK))?;
        // Outside of the transaction, so that others can write meanwhile; what they revoke stays revoked.
        let sign_one = |old: &Standing| sign(&Status { id: old.id, at: now }, &self.key);
        let signed: Vec<_> = due.par_iter().map(sign_one).collect();
        let put = |rows: &rusqlite::Transaction<'_>| {
            for (old, statement) in due.iter().zip(&signed) {
                rows::restate(rows, old, statement, now, false)?;
            }
            Ok(Ok::<_, ()>(()))
        };
        if !due.is_empty() {
            // Never refused: `put` only fails with the database.
            let _ = self.database.write(put)?;
        }
        Ok(due.len())
    }

    /// Forgets expired credentials, at most some thousands, and how many there were; enrolments and
    /// tickets that are over, all.
    ///
    /// # Errors
    ///
    /// When the database cannot be used.
    pub fn forget_some(&self) -> Result<usize, DatabaseError> {
        let now = self.now();
        let forget = |rows: &rusqlite::Transaction<'_>| {
            rows::forget_old(rows, (now.minus(ENROLMENT_LIFETIME), now.minus(TICKET_LIFETIME)))?;
            rows::forget_expired(rows, now, CHUNK).map(Ok::<_, ()>)
        };
        let forgotten = self.database.write(forget)?.unwrap_or(0);
        self.database.scrub()?;
        Ok(forgotten)
    }

    /// The page of the feed that follows number `after`.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn page(&self, after: u64) -> Result<Page, AuthorityError> {
        let now = self.now();
        let (after, entries) = self.database.read(|rows| {
            // Further than we ever were: this database was restored from a backup, and nothing was signed
            // since. From the beginning, so that the reader goes on from here.
            let after = if after > rows::last_in_feed(rows)? { 0 } else { after };
            Ok((after, rows::feed(rows, after, now, MAX_PAGE + 1)?))
        })?;
        Ok(fill(after, entries))
    }

    /// The latest status or revocation of one credential, until it expires.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn standing(&self, id: &CredentialId) -> Result<Option<Vec<u8>>, AuthorityError> {
        let now: Timestamp = self.now();
        Ok(self.database.read(|rows| rows::standing_by_id(rows, id, now))?)
    }
}

/// As many entries as fit on a page.
fn fill(after: u64, entries: Vec<(u64, Vec<u8>)>) -> Page {
    let mut page = Page { next: after, more: false, statements: Vec::new() };
    let mut bytes = PAGE_OVERHEAD;
    for (number, statement) in entries {
        bytes += statement.len() + STATEMENT_OVERHEAD;
        if page.statements.len() == MAX_PAGE || bytes > MAX_PAGE_BYTES {
            page.more = true;
            break;
        }
        page.next = number;
        page.statements.push(statement);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_a_reader_takes() {
        let entries =
            |count: u64, size: usize| (1..=count).map(|number| (number + 10, vec![7; size])).collect();
        for (count, size, expected) in [
            (0, 0, (0, 7, false)),
            (3, 140, (3, 13, false)),
            (2048, 140, (2048, 2058, false)),
            (2049, 140, (2048, 2058, true)),
            // 524,288 bytes less 32, in pieces of 10,005.
            (60, 10_000, (52, 62, true)),
        ] {
            let page = fill(7, entries(count, size));
            assert_eq!((page.statements.len(), page.next, page.more), expected);
            assert_eq!(Page::decode(&page.encode()), Some(page));
        }
    }
}
