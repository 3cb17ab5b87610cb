//! The statements on rows.

use crate::store::{Label, Row, Table, Write, Written};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

pub(super) fn read(connection: &Connection, table: Table, label: &Label) -> rusqlite::Result<Option<Row>> {
    let sql = match table {
        Table::Records => "SELECT version, sealed FROM records WHERE label = ?1",
        Table::Statuses => "SELECT version, sealed FROM statuses WHERE label = ?1",
    };
    connection.prepare_cached(sql)?.query_row([label], row_at(0)).optional()
}

pub(super) fn scan(
    connection: &Connection,
    table: Table,
    after: Option<&Label>,
    limit: usize,
) -> rusqlite::Result<Vec<(Label, Row)>> {
    let sql = match table {
        Table::Records => {
            "SELECT label, version, sealed FROM records WHERE label > ?1 ORDER BY label LIMIT ?2"
        }
        Table::Statuses => {
            "SELECT label, version, sealed FROM statuses WHERE label > ?1 ORDER BY label LIMIT ?2"
        }
    };
    // The empty blob sorts before every label.
    let after = after.map_or(&[][..], |label| label.as_slice());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows =
        statement.query_map(params![after, limit], |row| Ok((row.get::<_, Label>(0)?, row_at(1)(row)?)))?;
    rows.collect()
}

pub(super) fn write_all(connection: &Connection, batch: &[Write]) -> rusqlite::Result<Vec<Written>> {
    // One row is written or not, whatever it finds.
    if batch.len() > 1 && !all_hold(connection, batch)? {
        return Ok(vec![Written::Conflict; batch.len()]);
    }
    batch.iter().map(|write| write_one(connection, write)).collect()
}

/// Whether each write's condition will hold when its turn comes. Asked first, because a transaction that was
/// taken back in part would be written, and waited for, all the same.
fn all_hold(connection: &Connection, batch: &[Write]) -> rusqlite::Result<bool> {
    let mut written: HashMap<(Table, &Label), Option<u64>> = HashMap::new();
    for write in batch {
        let place = (write.table, &write.label);
        let version = match written.get(&place) {
            Some(version) => *version,
            None => version(connection, write)?,
        };
        if version != write.replaces {
            return Ok(false);
        }
        written.insert(place, write.row.as_ref().map(|row| row.version));
    }
    Ok(true)
}

fn version(connection: &Connection, write: &Write) -> rusqlite::Result<Option<u64>> {
    let sql = match write.table {
        Table::Records => "SELECT version FROM records WHERE label = ?1",
        Table::Statuses => "SELECT version FROM statuses WHERE label = ?1",
    };
    let version = connection.prepare_cached(sql)?.query_row([write.label], |row| row.get::<_, i64>(0));
    Ok(version.optional()?.map(i64::cast_unsigned))
}

fn write_one(connection: &Connection, write: &Write) -> rusqlite::Result<Written> {
    let changed = match (&write.row, write.replaces) {
        (Some(row), None) => insert(connection, write, row)?,
        (Some(row), Some(old)) => update(connection, write, row, old)?,
        (None, Some(old)) => delete(connection, write, old)?,
        // Nothing is to become of nothing: true unless there is a row.
        (None, None) => usize::from(read(connection, write.table, &write.label)?.is_none()),
    };
    Ok(if changed == 1 { Written::Applied } else { Written::Conflict })
}

fn insert(connection: &Connection, write: &Write, row: &Row) -> rusqlite::Result<usize> {
    let sql = match write.table {
        Table::Records => {
            "INSERT INTO records (label, version, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
        }
        Table::Statuses => {
            "INSERT INTO statuses (label, version, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
        }
    };
    connection.prepare_cached(sql)?.execute(params![write.label, row.version.cast_signed(), row.sealed])
}

fn update(connection: &Connection, write: &Write, row: &Row, old: u64) -> rusqlite::Result<usize> {
    let sql = match write.table {
        Table::Records => "UPDATE records SET version = ?2, sealed = ?3 WHERE label = ?1 AND version = ?4",
        Table::Statuses => "UPDATE statuses SET version = ?2, sealed = ?3 WHERE label = ?1 AND version = ?4",
    };
    let (old, new) = (old.cast_signed(), row.version.cast_signed());
    connection.prepare_cached(sql)?.execute(params![write.label, new, row.sealed, old])
}

fn delete(connection: &Connection, write: &Write, old: u64) -> rusqlite::Result<usize> {
    let sql = match write.table {
        Table::Records => "DELETE FROM records WHERE label = ?1 AND version = ?2",
        Table::Statuses => "DELETE FROM statuses WHERE label = ?1 AND version = ?2",
    };
    connection.prepare_cached(sql)?.execute(params![write.label, old.cast_signed()])
}

fn row_at(column: usize) -> impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    move |row| {
        // SQLite's integers are signed; the bits are what counts.
        let version = row.get::<_, i64>(column)?.cast_unsigned();
        Ok(Row { version, sealed: row.get(column + 1)? })
    }
}
