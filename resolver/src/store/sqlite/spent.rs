//! Which tokens have been spent, exactly, and how much of its budget each issuer has used up.
//!
//! A file of its own beside the directory: what is in it dies with the issuers' keys, is nobody's personal
//! data, and must never come back from a backup, because a set that forgot is a set that lets tokens be
//! spent twice. Whoever asks is answered after one durable commit, shared with all who ask at the same
//! time, whether the tokens are taken or not.

use super::prepare::{self, Layout};
use super::{failure, lock, same, wal};
use crate::group::Group;
use crate::store::StoreError;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Epoch, Issuer, Prices};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::token::{KeyId, TokenInput};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod tables;
#[cfg(test)]
mod tests;

/// How many rows of keys that are over are deleted at once: others spend meanwhile.
const SWEEP: usize = 10_000;

const SPENT_TOKENS: Layout = Layout {
    // "dspt"
    application_id: 0x6473_7074,
    format: 1,
    tables: "CREATE TABLE IF NOT EXISTS epochs (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, until INTEGER NOT NULL, swept INTEGER NOT NULL DEFAULT 0);
         CREATE TABLE IF NOT EXISTS spent (epoch INTEGER NOT NULL, token BLOB NOT NULL, PRIMARY KEY (epoch, token)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS budgets (issuer TEXT NOT NULL, day INTEGER NOT NULL, redeemed INTEGER NOT NULL, not_found INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (issuer, day)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS retired (before INTEGER NOT NULL);",
    later: "CREATE TABLE IF NOT EXISTS prices (until INTEGER UNIQUE, lookup INTEGER NOT NULL, publish INTEGER NOT NULL, withdraw INTEGER NOT NULL);",
    secure_delete: false,
    advice: "delete it and run `discreet-resolver retire-tokens`, which begins a new one and takes no token of a key that is in use now",
};

/// What a token is remembered by: half of SHA-256 of what its issuer signed. Two honest tokens share one
/// with a probability of about 2^-69 among 2^30; nobody can aim at another's, whose nonce is not known.
type Mark = [u8; 16];

/// Tokens that somebody wants to pay one operation with. Their signatures have been verified.
#[derive(Clone)]
pub struct Spend {
    issuer: Domain,
    redemptions_per_day: u64,
    /// `None`: it is never answered with `notFound`.
    not_found_per_day: Option<u64>,
    key: KeyId,
    from: Timestamp,
    until: Timestamp,
    day: u64,
    marks: Vec<Mark>,
}

impl Spend {
    /// The tokens `inputs`, all of `issuer` under the key of `epoch`, at `now`, for a lookup.
    pub fn new(issuer: &Issuer, epoch: &Epoch, inputs: &[TokenInput], now: Timestamp) -> Self {
        Self {
            issuer: issuer.name.clone(),
            redemptions_per_day: issuer.redemptions_per_day,
            not_found_per_day: Some(issuer.not_found_per_day),
            key: *epoch.key.id(),
            from: epoch.from,
            until: epoch.until,
            day: now.unix() / DAY,
            marks: inputs.iter().map(mark).collect(),
        }
    }

    /// The same for an operation that is never answered with `notFound`: one user's enumerating shall not keep
    /// the others of his issuer from publishing and withdrawing.
    pub fn of_a_change(self) -> Self {
        Self { not_found_per_day: None, ..self }
    }
}

fn mark(input: &TokenInput) -> Mark {
    let mut mark = [0; 16];
    mark.iter_mut().zip(Sha256::digest(input.encode())).for_each(|(to, from)| *to = from);
    mark
}

/// What became of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// They are spent now, durably, and were not before.
    Accepted,
    /// One of them was spent before, or stands twice; none of them is spent by this.
    Before,
    /// The issuer's budget of the day is used up; none of them is spent by this.
    OverBudget,
    /// Their key was in use when the set was lost, or is so long over that its tokens are forgotten; none of
    /// them is spent by this.
    Retired,
}

/// What operations cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// From now on.
    pub prices: Prices,
    /// What they cost before, and until when that is taken, too: clients pay it that have not heard of the change.
    pub before: Option<(Prices, Timestamp)>,
}

/// What a turn of the group does.
enum Item {
    Spend(Spend),
    /// Somebody did not pay: counted, so that it takes as long.
    Refuse(u64),
}

type Outcome = Result<Spent, StoreError>;

/// The set. Several processes may have it open at once; between them, too, no token is spent twice.
pub struct SpentTokens {
    path: PathBuf,
    writer: Mutex<Connection>,
    group: Group<Item, Outcome>,
    /// Whoever pays is charged with an answer `notFound` until it is known to be another, so that the budget
    /// is exact however many ask at once. What is to be given back is not in the file yet. It gets there with
    /// the next commit: a commit of its own would take time, and show what the answer was.
    found: Mutex<HashMap<(Domain, u64), u64>>,
    syncs: AtomicU64,
}

impl SpentTokens {
    /// Opens the set at `path`, or begins an empty one (readable by its owner only).
    ///
    /// # Errors
    ///
    /// When the file is damaged, of another format, or cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            writer: Mutex::new(prepare::open(path, &SPENT_TOKENS)?),
            path: path.to_owned(),
            group: Group::default(),
            found: Mutex::default(),
            syncs: AtomicU64::new(0),
        })
    }

    /// Spends tokens, all or none. On return it is durable.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then whether they are spent is not known, and they are not to count.
    pub fn spend(&self, spend: Spend) -> Result<Spent, StoreError> {
        self.run(Item::Spend(spend))
    }

    /// Notes that somebody did not pay, on the day of `now`, and takes as long as [`SpentTokens::spend`].
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn refuse(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(Item::Refuse(now.unix() / DAY)).map(drop)
    }

    /// Notes that what a user of `issuer` paid for at `now` was not answered with `notFound`: that budget has one
    /// more again. It is in the file after the next operation, and counts in this process at once.
    pub fn count_found(&self, issuer: &Domain, now: Timestamp) {
        *lock(&self.found).entry((issuer.clone(), now.unix() / DAY)).or_default() += 1;
    }

    /// Takes no more tokens under keys whose tokens are taken at `now`: for a set that may have forgotten some.
    /// Those are the keys that have begun, and those that begin within [`CLOCK_TOLERANCE`].
    ///
    /// [`CLOCK_TOLERANCE`]: discreet_protocol::time::CLOCK_TOLERANCE
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn retire(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO retired (before) VALUES (?1)";
        let written = lock(&self.writer).execute(sql, [now.unix().cast_signed()]);
        written.map(drop).map_err(|reason| self.failure(reason))
    }

    /// What was asked last, by whatever process.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn asked(&self) -> Result<Option<Asked>, StoreError> {
        tables::asked(&lock(&self.writer)).map_err(|reason| self.failure(reason))
    }

    /// Writes down what is asked now, durably.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_asked(&self, asked: &Asked) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let set = |transaction: &Transaction<'_>| match tables::asked(transaction)? {
            Some(known) if known == *asked => Ok(()),
            _ => tables::set_asked(transaction, asked),
        };
        self.write(&mut writer, set).map_err(|reason| self.failure(reason))
    }

    /// Forgets some of what was spent under keys that are over at `now`, and budgets of past days; returns
    /// whether there is more to forget.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn sweep(&self, now: Timestamp) -> Result<bool, StoreError> {
        let swept = tables::sweep(&mut lock(&self.writer), now, SWEEP);
        swept.map_err(|reason| self.failure(reason))
    }

    /// How often this set has waited for the disk since it was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    fn run(&self, item: Item) -> Outcome {
        let done = self.group.run(item, |items| self.commit_group(&items));
        let outcome = done.map_err(|reason| StoreError::Abandoned { path: self.path.clone(), reason })?;
        self.checkpoint();
        outcome
    }

    fn commit_group(&self, items: &[Item]) -> Vec<Outcome> {
        let mut writer = lock(&self.writer);
        match self.commit(&mut writer, items) {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(reason) => items.iter().map(|_| Err(self.failure(same(&reason)))).collect(),
        }
    }

    fn commit(&self, writer: &mut Connection, items: &[Item]) -> rusqlite::Result<Vec<Spent>> {
        let counted = lock(&self.found).clone();
        let outcomes = self.write(writer, |transaction| {
            tables::give_back(transaction, &counted)?;
            let retired = tables::retired(transaction)?;
            let outcomes = items.iter().map(|item| match item {
                Item::Spend(spend) => tables::spend(transaction, spend, retired),
                Item::Refuse(day) => tables::refuse(transaction, *day).map(|()| Spent::Before),
            });
            outcomes.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        self.forget_counted(&counted);
        Ok(outcomes)
    }

    /// One durable transaction.
    fn write<T>(
        &self,
        writer: &mut Connection,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let log = wal::Log::begin(&transaction, &self.path);
        let done = change(&transaction)?;
        let changed = log.changed(&transaction);
        transaction.commit()?;
        if changed {
            self.syncs.fetch_add(log.syncs(), Ordering::Relaxed);
        }
        Ok(done)
    }

    /// Takes off what is in the file now; what was counted meanwhile stays.
    fn forget_counted(&self, counted: &HashMap<(Domain, u64), u64>) {
        let mut pending = lock(&self.found);
        for (place, count) in counted {
            if let Some(left) = pending.get_mut(place) {
                *left -= count;
            }
        }
        pending.retain(|_, left| *left > 0);
    }

    /// Brings the log into the file if it is long. By whoever has just spent, after the others of his group
    /// have their results.
    fn checkpoint(&self) {
        if let Ok(writer) = self.writer.try_lock()
            && wal::is_long(&writer).unwrap_or(false)
        {
            // What was written is durable without. If this fails, so will a later write, and say so.
            self.syncs.fetch_add(wal::checkpoint(&writer).unwrap_or(0), Ordering::Relaxed);
        }
    }

    fn failure(&self, reason: rusqlite::Error) -> StoreError {
        failure(&self.path, &SPENT_TOKENS, reason)
    }
}
