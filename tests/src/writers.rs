//! Writers at work on one store, as a process of their own (`src/bin/writers.rs`): what they write, so
//! that a test can say whether it is there after a power cut.

use anyhow::{Context, Result, ensure};
use discreet_resolver::store::{Row, Sqlite, Store, Table, Write, Written};
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// How many write at once.
pub const WRITERS: u8 = 8;

/// Two rows that belong together: they are written in one batch, and hold the same.
pub fn pair(writer: u8, number: u8) -> [Write; 2] {
    [1, 2].map(|half| {
        let filler = number.wrapping_mul(157);
        let mut label = [filler; 32];
        label[..3].copy_from_slice(&[number.wrapping_mul(89), writer, half]);
        let row = Row { version: u64::from(number) + 1, sealed: vec![writer ^ number; 8192] };
        Write { table: Table::Records, label, replaces: None, row: Some(row) }
    })
}

/// Has each writer write `pairs` pairs to the store in `folder`, and note each that was acknowledged in the
/// file `acknowledged`. Makes `begin-N` and `end-N` in the round N, so that opening and closing can be told
/// apart, and leaves the store's count of synchronisations in `counted`.
///
/// # Errors
///
/// When the store does not take what is written.
pub fn write(folder: &Path, pairs: u8) -> Result<()> {
    let store = Sqlite::open(&folder.join("directory.db"))?;
    let round = u8::from(folder.join("end-0").exists());
    fs::write(folder.join(format!("begin-{round}")), "")?;
    let at_work = |writer| write_pairs(&store, folder, round, writer, pairs);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || at_work(writer))).collect();
        writers.into_iter().try_for_each(|writer| writer.join().ok().context("a writer panicked")?)
    })?;
    fs::write(folder.join(format!("end-{round}")), "")?;
    Ok(fs::write(folder.join("counted"), store.syncs().to_string())?)
}

fn write_pairs(store: &Sqlite, folder: &Path, round: u8, writer: u8, pairs: u8) -> Result<()> {
    let mut marks = fs::File::options().create(true).append(true).open(folder.join("acknowledged"))?;
    for number in 0..pairs {
        let mut writes = pair(writer, number);
        if round > 0 {
            writes = writes.map(|it| Write { label: it.label.map(|byte| !byte), ..it });
        }
        ensure!(store.write(&writes)? == [Written::Applied; 2], "writer {writer} was refused");
        marks.write_all(&[writer, number])?;
    }
    Ok(())
}
