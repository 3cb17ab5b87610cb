//! The rows of the authority's database, as values. No decision is taken here.

use super::rules::{Holder, Proof};
use discreet_protocol::VerifyingKey;
use discreet_protocol::credential::CredentialId;
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A credential as it is issued.
pub(crate) struct NewCredential<'a> {
    pub(crate) id: CredentialId,
    pub(crate) csi: &'a Csi,
    pub(crate) key: &'a VerifyingKey,
    pub(crate) expires: Timestamp,
    pub(crate) statement: &'a [u8],
    pub(crate) standing: &'a [u8],
    pub(crate) at: Timestamp,
}

/// A credential that is to get another standing.
pub(crate) struct Standing {
    pub(crate) number: i64,
    pub(crate) id: CredentialId,
    pub(crate) expires: Timestamp,
    pub(crate) at: Timestamp,
}

/// Somebody who waits for a proof.
pub(crate) struct Enrolment {
    pub(crate) code: String,
    pub(crate) csi: String,
    pub(crate) since: Timestamp,
    pub(crate) answers: u32,
}

/// SQLite's integers are signed; no time of ours reaches the sign.
pub(crate) fn sql(time: Timestamp) -> i64 {
    i64::try_from(time.unix()).unwrap_or(i64::MAX)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_unix(row.get::<_, i64>(column)?.try_into().unwrap_or(0)))
}

fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<VerifyingKey> {
    let bytes: [u8; 32] = row.get(column)?;
    VerifyingKey::from_bytes(&bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

pub(crate) fn holder(connection: &Connection, csi: &Csi) -> rusqlite::Result<Option<Holder>> {
    let sql = "SELECT key, proved_at, holder_since, void_since FROM holders WHERE csi = ?1";
    let holder = |row: &Row<'_>| {
        let void: Option<i64> = row.get(3)?;
        Ok(Holder {
            key: key(row, 0)?,
            proved_at: time(row, 1)?,
            holder_since: time(row, 2)?,
            void_since: void.map(|_| time(row, 3)).transpose()?,
        })
    };
    connection.prepare_cached(sql)?.query_row([csi.uri()], holder).optional()
}

pub(crate) fn put_holder(connection: &Connection, csi: &Csi, holder: &Holder) -> rusqlite::Result<()> {
    let Holder { key, proved_at, holder_since, void_since } = holder;
    let values = params![csi.uri(), key.to_bytes(), sql(*proved_at), sql(*holder_since), void_since.map(sql)];
    connection
        .prepare_cached("INSERT OR REPLACE INTO holders VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(values)?;
    Ok(())
}

/// The next number of the feed: one more than the last, but at least the time in seconds times 2^20.
///
/// So a number tells nobody more than the statement's own time, and a database that was restored from
/// a backup goes on above all numbers it had given out before: readers that were further than the
/// backup miss nothing. It needs a clock that is not set back, and fewer than a million statements in a
/// second on average. Seconds reach 2^43 before the number does not fit.
fn next_in_feed(connection: &Connection, at: Timestamp) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("UPDATE feed SET last = max(last + 1, ?1) RETURNING last")?
        .query_row([sql(at).saturating_mul(1 << 20)], |row| row.get(0))
}

/// The last number of the feed.
pub(crate) fn last_in_feed(connection: &Connection) -> rusqlite::Result<u64> {
    let last: i64 = connection.query_row("SELECT last FROM feed", [], |row| row.get(0))?;
    Ok(last.try_into().unwrap_or(0))
}

pub(crate) fn add_credential(connection: &Connection, new: &NewCredential<'_>) -> rusqlite::Result<()> {
    let sql_text = "INSERT INTO credentials
        (cti, csi, key, expires, revoked, statement, standing, at, seq)
        VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8)";
    let NewCredential { id, csi, key, expires, statement, standing, at } = new;
    let seq = next_in_feed(connection, *at)?;
    let (expires, at) = (sql(*expires), sql(*at));
    let values = params![id, csi.uri(), key.to_bytes(), expires, statement, standing, at, seq];
    connection.prepare_cached(sql_text)?.execute(values)?;
    Ok(())
}

/// How many credentials of `csi`, standing or revoked, have not expired.
pub(crate) fn count(connection: &Connection, csi: &Csi, now: Timestamp) -> rusqlite::Result<usize> {
    let sql_text = "SELECT count(*) FROM credentials WHERE csi = ?1 AND expires > ?2";
    let count: i64 =
        connection.prepare_cached(sql_text)?.query_row(params![csi.uri(), sql(now)], |row| row.get(0))?;
    Ok(count.try_into().unwrap_or(usize::MAX))
}

/// The latest credential of `key` for `csi` that stands: its statement and its status.
pub(crate) fn latest(
    connection: &Connection,
    csi: &Csi,
    key: &VerifyingKey,
    now: Timestamp,
) -> rusqlite::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let sql_text = "SELECT statement, standing FROM credentials
        WHERE csi = ?1 AND key = ?2 AND expires > ?3 AND revoked = 0 ORDER BY number DESC LIMIT 1";
    let values = params![csi.uri(), key.to_bytes(), sql(now)];
    connection.prepare_cached(sql_text)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Whether a credential of `key` for `csi` was revoked.
pub(crate) fn was_revoked(connection: &Connection, csi: &Csi, key: &VerifyingKey) -> rusqlite::Result<bool> {
    let sql_text = "SELECT EXISTS (SELECT 1 FROM credentials WHERE csi = ?1 AND key = ?2 AND revoked = 1)";
    connection.prepare_cached(sql_text)?.query_row(params![csi.uri(), key.to_bytes()], |row| row.get(0))
}

/// The credentials of `csi` that stand.
pub(crate) fn standing(connection: &Connection, csi: &Csi) -> rusqlite::Result<Vec<Standing>> {
    let sql_text = "SELECT number, cti, expires, at FROM credentials WHERE csi = ?1 AND revoked = 0";
    connection.prepare_cached(sql_text)?.query_map([csi.uri()], standing_of)?.collect()
}

/// Credentials whose status was signed before `before` (or after `after`, by a clock that was wrong),
/// oldest first.
pub(crate) fn due(
    connection: &Connection,
    (before, after): (Timestamp, Timestamp),
    limit: usize,
) -> rusqlite::Result<Vec<Standing>> {
    let sql_text = "SELECT number, cti, expires, at FROM credentials
        WHERE revoked = 0 AND (at < ?1 OR at > ?2) ORDER BY at LIMIT ?3";
    let values = params![sql(before), sql(after), i64::try_from(limit).unwrap_or(i64::MAX)];
    connection.prepare_cached(sql_text)?.query_map(values, standing_of)?.collect()
}

fn standing_of(row: &Row<'_>) -> rusqlite::Result<Standing> {
    Ok(Standing { number: row.get(0)?, id: row.get(1)?, expires: time(row, 2)?, at: time(row, 3)? })
}

/// Puts a later statement in the place of a status, at the end of the feed, unless somebody else
/// has changed it meanwhile. Whether it did.
pub(crate) fn restate(
    connection: &Connection,
    old: &Standing,
    statement: &[u8],
    at: Timestamp,
    revoked: bool,
) -> rusqlite::Result<bool> {
    let sql_text = "UPDATE credentials SET standing = ?1, at = ?2, revoked = ?3, seq = ?4
        WHERE number = ?5 AND at = ?6 AND revoked = 0";
    let seq = next_in_feed(connection, at)?;
    let values = params![statement, sql(at), revoked, seq, old.number, sql(old.at)];
    Ok(connection.prepare_cached(sql_text)?.execute(values)? == 1)
}

/// A page of the feed: numbers after `after` with their statements, in order.
pub(crate) fn feed(
    connection: &Connection,
    after: u64,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    let sql_text =
        "SELECT seq, standing FROM credentials WHERE seq > ?1 AND expires > ?2 ORDER BY seq LIMIT ?3";
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let values = params![after, sql(now), i64::try_from(limit).unwrap_or(i64::MAX)];
    let entry = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.try_into().unwrap_or(0), row.get(1)?));
    connection.prepare_cached(sql_text)?.query_map(values, entry)?.collect()
}

/// The latest status or revocation of one credential.
pub(crate) fn standing_by_id(
    connection: &Connection,
    id: &CredentialId,
    now: Timestamp,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql_text = "SELECT standing FROM credentials WHERE cti = ?1 AND expires > ?2";
    connection.prepare_cached(sql_text)?.query_row(params![id, sql(now)], |row| row.get(0)).optional()
}

pub(crate) fn add_proof(
    connection: &Connection,
    ticket: &[u8; 32],
    (csi, account): (&str, &str),
    (proved_at, made): (Timestamp, Timestamp),
) -> rusqlite::Result<()> {
    let sql_text = "INSERT INTO proofs VALUES (?1, ?2, ?3, ?4, ?5, NULL)";
    let values = params![ticket, csi, account, sql(proved_at), sql(made)];
    connection.prepare_cached(sql_text)?.execute(values)?;
    Ok(())
}

/// The proof behind a ticket, if it is about `csi` and was made after `since`.
pub(crate) fn proof(
    connection: &Connection,
    ticket: &[u8; 32],
    csi: &Csi,
    since: Timestamp,
) -> rusqlite::Result<Option<Proof>> {
    let sql_text = "SELECT proved_at, spent FROM proofs WHERE ticket = ?1 AND csi = ?2 AND made > ?3";
    let proof = |row: &Row<'_>| {
        let spent: Option<[u8; 32]> = row.get(1)?;
        Ok(Proof { proved_at: time(row, 0)?, spent: spent.map(|_| key(row, 1)).transpose()? })
    };
    connection.prepare_cached(sql_text)?.query_row(params![ticket, csi.uri(), sql(since)], proof).optional()
}

pub(crate) fn spend(connection: &Connection, ticket: &[u8; 32], key: &VerifyingKey) -> rusqlite::Result<()> {
    let sql_text = "UPDATE proofs SET spent = ?2 WHERE ticket = ?1";
    connection.prepare_cached(sql_text)?.execute(params![ticket, key.to_bytes()])?;
    Ok(())
}

pub(crate) fn add_enrolment(
    connection: &Connection,
    ticket: &[u8; 32],
    code: &str,
    csi: &Csi,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql_text = "INSERT INTO enrolments VALUES (?1, ?2, ?3, ?4, 0)";
    connection.prepare_cached(sql_text)?.execute(params![ticket, code, csi.uri(), sql(now)])?;
    Ok(())
}

/// How many wait for a proof: in all, and of `csi`.
pub(crate) fn waiting(connection: &Connection, csi: &Csi) -> rusqlite::Result<(usize, usize)> {
    let sql_text = "SELECT count(*), count(*) FILTER (WHERE csi = ?1) FROM enrolments";
    let counts = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (all, of_csi) = connection.query_row(sql_text, [csi.uri()], counts)?;
    let count = |count: i64| count.try_into().unwrap_or(usize::MAX);
    Ok((count(all), count(of_csi)))
}

/// All who wait for a proof, longest first.
pub(crate) fn enrolments(connection: &Connection) -> rusqlite::Result<Vec<Enrolment>> {
    let sql_text = "SELECT code, csi, since, answers FROM enrolments ORDER BY since, code";
    connection.prepare_cached(sql_text)?.query_map([], enrolment_of)?.collect()
}

/// The enrolment behind a ticket.
pub(crate) fn enrolment(connection: &Connection, ticket: &[u8; 32]) -> rusqlite::Result<Option<Enrolment>> {
    let sql_text = "SELECT code, csi, since, answers FROM enrolments WHERE ticket = ?1";
    connection.prepare_cached(sql_text)?.query_row([ticket], enrolment_of).optional()
}

fn enrolment_of(row: &Row<'_>) -> rusqlite::Result<Enrolment> {
    let (code, csi, since, answers) = (row.get(0)?, row.get(1)?, time(row, 2)?, row.get(3)?);
    Ok(Enrolment { code, csi, since, answers })
}

/// Sets the number of answers an enrolment has had.
pub(crate) fn set_answers(connection: &Connection, ticket: &[u8; 32], answers: u32) -> rusqlite::Result<()> {
    connection.execute("UPDATE enrolments SET answers = ?2 WHERE ticket = ?1", params![ticket, answers])?;
    Ok(())
}

/// Forgets all enrolments but the `keep` latest.
pub(crate) fn forget_oldest(connection: &Connection, keep: usize) -> rusqlite::Result<()> {
    let sql_text = "DELETE FROM enrolments WHERE ticket IN
        (SELECT ticket FROM enrolments ORDER BY since DESC, ticket LIMIT -1 OFFSET ?1)";
    connection.execute(sql_text, [i64::try_from(keep).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Takes an enrolment out, by its ticket: the identifier it was about.
pub(crate) fn take_enrolment(connection: &Connection, ticket: &[u8; 32]) -> rusqlite::Result<Option<String>> {
    let sql_text = "DELETE FROM enrolments WHERE ticket = ?1 RETURNING csi";
    connection.query_row(sql_text, [ticket], |row| row.get(0)).optional()
}

/// Takes an enrolment out, by its code: its ticket and the identifier it was about.
pub(crate) fn take_by_code(
    connection: &Connection,
    code: &str,
) -> rusqlite::Result<Option<([u8; 32], String)>> {
    let sql_text = "DELETE FROM enrolments WHERE code = ?1 RETURNING ticket, csi";
    connection.query_row(sql_text, [code], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Forgets who waits for a proof of `csi`, and proofs of it that were not redeemed.
pub(crate) fn forget_proofs(connection: &Connection, csi: &Csi) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM enrolments WHERE csi = ?1", [csi.uri()])?;
    connection.execute("DELETE FROM proofs WHERE csi = ?1 AND spent IS NULL", [csi.uri()])?;
    Ok(())
}

/// Forgets enrolments from before `enrolled` and proofs made before `proved`.
pub(crate) fn forget_old(
    connection: &Connection,
    (enrolled, proved): (Timestamp, Timestamp),
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM enrolments WHERE since <= ?1", [sql(enrolled)])?;
    connection.execute("DELETE FROM proofs WHERE made <= ?1", [sql(proved)])?;
    Ok(())
}

/// Forgets at most `limit` expired credentials. How many it did.
pub(crate) fn forget_expired(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    let sql_text = "DELETE FROM credentials WHERE number IN
        (SELECT number FROM credentials WHERE expires <= ?1 LIMIT ?2)";
    connection.execute(sql_text, params![sql(now), i64::try_from(limit).unwrap_or(i64::MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use discreet_protocol::SigningKey;

    #[test]
    fn a_status_that_was_signed_meanwhile_does_not_undo_a_revocation() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::create(&folder.path().join("authority.db"), &crate::authority::SCHEMA).unwrap();
        let csi = Csi::from_uri("tel:+14155550123").unwrap();
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        let at = |seconds: u64| Timestamp::from_unix(1_800_000_000 + seconds);
        let (id, expires) = ([7; 16], at(1000));
        let new =
            NewCredential { id, csi: &csi, key: &key, expires, statement: b"c", standing: b"s", at: at(0) };
        let work = |rows: &rusqlite::Transaction<'_>| {
            add_credential(rows, &new)?;
            let old = standing(rows, &csi)?;
            // Read for signing; then the operator revokes; then the signed status comes.
            assert!(restate(rows, &old[0], b"revocation", at(1), true)?);
            assert!(!restate(rows, &old[0], b"status", at(2), false)?);
            assert_eq!(standing_by_id(rows, &id, at(2))?.as_deref(), Some(b"revocation".as_slice()));
            assert_eq!(due(rows, (at(100), at(200)), 10)?.len(), 0);
            Ok(Ok::<_, ()>(()))
        };
        database.write(work).unwrap().unwrap();
    }
}
