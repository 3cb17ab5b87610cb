//! The statements on spent tokens and budgets.

use super::{Asked, Spend, Spent};
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::Prices;
use discreet_protocol::time::{CLOCK_TOLERANCE, DAY, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::HashMap;

/// Whose budget refusals are counted under: nobody's, because who did not pay names no issuer.
const NOBODY: &str = "";

/// Spends all of `spend`, or nothing and says why; whatever becomes of it, something is written.
pub(super) fn spend(
    transaction: &Transaction<'_>,
    spend: &Spend,
    retired: Option<u64>,
) -> rusqlite::Result<Spent> {
    let refused = |why| refuse(transaction, spend.day).map(|()| why);
    if retired.is_some_and(|before| spend.from.unix() <= before) {
        return refused(Spent::Retired);
    }
    let (redeemed, not_found) = used(transaction, spend)?;
    let count = spend.marks.len() as u64;
    let enumerated = spend.not_found_per_day.is_some_and(|most| not_found >= most);
    if redeemed.saturating_add(count) > spend.redemptions_per_day || enumerated {
        return refused(Spent::OverBudget);
    }
    let Some(epoch) = epoch(transaction, spend)? else { return refused(Spent::Retired) };
    if !insert(transaction, epoch, spend)? {
        return refused(Spent::Before);
    }
    let charged = u64::from(spend.not_found_per_day.is_some());
    add(transaction, spend.issuer.as_str(), spend.day, [count, charged, 0])?;
    Ok(Spent::Accepted)
}

pub(super) fn refuse(transaction: &Transaction<'_>, day: u64) -> rusqlite::Result<()> {
    add(transaction, NOBODY, day, [0, 0, 1])
}

/// Takes off what was charged for answers that were not `notFound`.
pub(super) fn give_back(
    transaction: &Transaction<'_>,
    counted: &HashMap<(Domain, u64), u64>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE budgets SET not_found = max(not_found - ?3, 0) WHERE issuer = ?1 AND day = ?2";
    for ((issuer, day), count) in counted {
        let given = params![issuer.as_str(), day.cast_signed(), count.cast_signed()];
        transaction.prepare_cached(sql)?.execute(given)?;
    }
    Ok(())
}

/// When the set was begun anew because an earlier one was lost, and as much later as a key's tokens are taken
/// before it begins: no token of a key that begins by then can be told from one that the lost set held.
pub(super) fn retired(transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT max(before) FROM retired";
    let before: Option<i64> = transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(before.map(|before| before.cast_unsigned().saturating_add(CLOCK_TOLERANCE)))
}

/// The row without an end is what is asked now.
pub(super) fn asked(connection: &Connection) -> rusqlite::Result<Option<Asked>> {
    let sql = "SELECT until, lookup, publish, withdraw FROM prices ORDER BY until IS NOT NULL";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([], |row| {
        let prices = Prices::new(row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get::<_, Option<i64>>(0)?, prices.ok_or(rusqlite::Error::InvalidQuery)?))
    })?;
    let mut asked = None;
    for row in rows {
        let (until, prices) = row?;
        match (until, &mut asked) {
            (None, _) => asked = Some(Asked { prices, before: None }),
            (Some(until), Some(asked)) => {
                asked.before = Some((prices, Timestamp::from_unix(until.cast_unsigned())));
            }
            (Some(_), None) => {}
        }
    }
    Ok(asked)
}

pub(super) fn set_asked(transaction: &Transaction<'_>, asked: &Asked) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM prices", [])?;
    let insert = |until: Option<Timestamp>, Prices { lookup, publish, withdraw }: Prices| {
        let sql = "INSERT INTO prices (until, lookup, publish, withdraw) VALUES (?1, ?2, ?3, ?4)";
        let until = until.map(|until| until.unix().cast_signed());
        transaction.execute(sql, params![until, lookup, publish, withdraw]).map(drop)
    };
    insert(None, asked.prices)?;
    asked.before.map_or(Ok(()), |(prices, until)| insert(Some(until), prices))
}

/// How much of its budget the issuer has used up on the day: redemptions, answers `notFound`.
fn used(transaction: &Transaction<'_>, spend: &Spend) -> rusqlite::Result<(u64, u64)> {
    let sql = "SELECT redeemed, not_found FROM budgets WHERE issuer = ?1 AND day = ?2";
    let used = transaction
        .prepare_cached(sql)?
        .query_row(params![spend.issuer.as_str(), spend.day.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        });
    Ok(used.optional()?.unwrap_or_default())
}

fn add(
    transaction: &Transaction<'_>,
    issuer: &str,
    day: u64,
    [redeemed, not_found, refused]: [u64; 3],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO budgets (issuer, day, redeemed, not_found, refused) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (issuer, day) DO UPDATE SET redeemed = redeemed + ?3, not_found = not_found + ?4,
               refused = refused + ?5";
    let day = day.cast_signed();
    let [redeemed, not_found, refused] = [redeemed, not_found, refused].map(u64::cast_signed);
    transaction.prepare_cached(sql)?.execute(params![issuer, day, redeemed, not_found, refused]).map(drop)
}

/// Inserts all marks, or none and returns `false`.
fn insert(transaction: &Transaction<'_>, epoch: i64, spend: &Spend) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO spent (epoch, token) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let mut insert = transaction.prepare_cached(sql)?;
    for (at, mark) in spend.marks.iter().enumerate() {
        if insert.execute(params![epoch, mark])? == 0 {
            let sql = "DELETE FROM spent WHERE epoch = ?1 AND token = ?2";
            let mut delete = transaction.prepare_cached(sql)?;
            for mark in spend.marks.iter().take(at) {
                delete.execute(params![epoch, mark])?;
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// The number that stands for the key in this file; `None`: its tokens have been forgotten. The time of a
/// key may be extended, until then.
fn epoch(transaction: &Transaction<'_>, spend: &Spend) -> rusqlite::Result<Option<i64>> {
    let until = spend.until.unix().cast_signed();
    let sql = "SELECT id, until, swept FROM epochs WHERE key = ?1";
    let found: Option<(i64, i64, bool)> = transaction
        .prepare_cached(sql)?
        .query_row([spend.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match found {
        Some((_, _, true)) => Ok(None),
        Some((id, known, false)) => {
            if known < until {
                transaction.execute("UPDATE epochs SET until = ?2 WHERE id = ?1", params![id, until])?;
            }
            Ok(Some(id))
        }
        None => {
            let sql = "INSERT INTO epochs (key, until) VALUES (?1, ?2)";
            transaction.execute(sql, params![spend.key, until])?;
            Ok(Some(transaction.last_insert_rowid()))
        }
    }
}

/// Forgets up to `limit` tokens of keys that are over, and budgets before yesterday; returns whether there
/// may be more. The keys themselves stay known: should one be given time again, its tokens are not taken.
pub(super) fn sweep(connection: &mut Connection, now: Timestamp, limit: usize) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let yesterday = (now.unix() / DAY).saturating_sub(1).cast_signed();
    transaction.execute("DELETE FROM budgets WHERE day < ?1", [yesterday])?;
    // A day longer than needed, for a clock that is set back.
    let over = now.minus(DAY).unix().cast_signed();
    transaction.execute("UPDATE epochs SET swept = 1 WHERE until < ?1 AND swept = 0", [over])?;
    let sql = "DELETE FROM spent WHERE (epoch, token) IN
               (SELECT spent.epoch, token FROM epochs JOIN spent ON spent.epoch = id WHERE swept = 1 LIMIT ?1)";
    let forgotten = transaction.execute(sql, [i64::try_from(limit).unwrap_or(i64::MAX)])?;
    transaction.commit()?;
    Ok(forgotten == limit)
}
