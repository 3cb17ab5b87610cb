//! What an issuer keeps: for each account that has used some of its quota, how much is missing and since which
//! hour. No request, no token, no name: accounts go by a hash ([`super::accounts::Account`]).
//!
//! What is taken is on the disk before anything is signed, so that neither a crash nor `kill -9` gives it back.
//! Requests that come at once are written down together.

use super::accounts::Account;
use super::quota::{Bucket, Empty, Quota, hour};
use crate::database::{Database, DatabaseError, Schema};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The issuer's database.
const SCHEMA: Schema = Schema {
    // "dsci".
    application_id: 0x6473_6369,
    format: 1,
    tables: "
CREATE TABLE buckets (
    account BLOB PRIMARY KEY, missing INTEGER NOT NULL, hour INTEGER NOT NULL
) WITHOUT ROWID;
",
};
/// Accounts that are forgotten in one transaction.
const FORGET_AT_ONCE: u32 = 1000;

/// The buckets of all accounts.
pub(crate) struct Counters {
    database: Database,
    quota: Quota,
    waiting: Mutex<Vec<Waiting>>,
    turn: Mutex<()>,
}

/// Somebody who wants a token, and where the answer is put.
struct Waiting {
    account: Account,
    now: u64,
    answer: Arc<Mutex<Option<Taken>>>,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A token was taken out, durably.
    One,
    /// There was none.
    None(Empty),
    /// It could not be written down. Whoever wrote says why.
    Unwritten,
}

impl Counters {
    /// Opens the database at `path`.
    pub(crate) fn open(path: &Path, quota: Quota) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: Database::open(path, &SCHEMA)?,
            quota,
            waiting: Mutex::default(),
            turn: Mutex::default(),
        })
    }

    /// Makes the database if there is none.
    pub(crate) fn create(path: &Path) -> Result<(), DatabaseError> {
        Database::create(path, &SCHEMA).map(drop)
    }

    /// Takes a token out of the bucket of `account`, together with all who ask meanwhile. Blocks.
    pub(crate) fn take(&self, account: Account, now: u64) -> Result<Taken, DatabaseError> {
        let answer = Arc::new(Mutex::new(None));
        locked(&self.waiting).push(Waiting { account, now, answer: Arc::clone(&answer) });
        // Whoever has the turn writes for all who wait by then; they find their answer when theirs comes.
        let _turn = locked(&self.turn);
        if let Some(taken) = *locked(&answer) {
            return Ok(taken);
        }
        let group = std::mem::take(&mut *locked(&self.waiting));
        let written = self.database.write(|transaction| {
            let taken = group.iter().map(|one| self.take_in(transaction, one));
            taken.collect::<rusqlite::Result<Vec<_>>>().map(Ok::<_, Infallible>)
        });
        let (taken, failed) = match written {
            Ok(Ok(taken)) => (taken, Ok(())),
            Err(error) => (vec![Taken::Unwritten; group.len()], Err(error)),
        };
        for (one, taken) in group.iter().zip(taken) {
            *locked(&one.answer) = Some(taken);
        }
        failed?;
        let taken = *locked(&answer);
        Ok(taken.unwrap_or(Taken::Unwritten))
    }

    /// Forgets some accounts whose bucket is full again, without a trace in the file; 0: there is none.
    pub(crate) fn forget_some(&self, now: u64) -> Result<usize, DatabaseError> {
        let full = "DELETE FROM buckets WHERE account IN (SELECT account FROM buckets \
                    WHERE hour <= ?1 AND missing <= (?1 - hour) * ?2 LIMIT ?3)";
        let forget = |transaction: &Transaction<'_>| {
            let bound = params![number(hour(now)), number(self.quota.per_hour()), FORGET_AT_ONCE];
            transaction.execute(full, bound).map(Ok::<_, Infallible>)
        };
        let Ok(forgotten) = self.database.write(forget)?;
        // Also where none is: the log holds earlier hours of those that are kept.
        self.database.scrub()?;
        Ok(forgotten)
    }

    fn take_in(&self, transaction: &Transaction<'_>, one: &Waiting) -> rusqlite::Result<Taken> {
        let key = one.account.as_bytes();
        let kept = bucket(transaction, key)?;
        let (bucket, token) = self.quota.take(kept, one.now);
        // Of a refusal nothing is kept, but that the clock went back.
        if token.is_ok() || kept.is_some_and(|kept| bucket.hour < kept.hour) {
            let put = "INSERT INTO buckets VALUES (?1, ?2, ?3) \
                       ON CONFLICT (account) DO UPDATE SET missing = ?2, hour = ?3";
            let row = params![key, number(bucket.missing), number(bucket.hour)];
            transaction.prepare_cached(put)?.execute(row)?;
        }
        Ok(token.map_or_else(Taken::None, |()| Taken::One))
    }
}

fn bucket(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<Bucket>> {
    let mut get = connection.prepare_cached("SELECT missing, hour FROM buckets WHERE account = ?1")?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let row =
        |row: &rusqlite::Row<'_>| Ok(Bucket { missing: unsigned(row.get(0)?), hour: unsigned(row.get(1)?) });
    get.query_row([key], row).optional()
}

/// SQLite's numbers are signed. Hours and quotas are far below.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A thread that panicked while holding a lock left no half-done change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
