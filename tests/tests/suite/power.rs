//! What is acknowledged survives the loss of power, and the store counts how often it waits for the
//! disk.
//!
//! Real processes run under a library that records what they do to the directory's folder
//! (`shim`). From the record a disk is rebuilt as it may be if the power failed at some moment
//! (`disk`), and the directory on it is opened. Linux and glibc only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use crate::commands::process::{command, finish};
use crate::commands::system::Site;
use discreet_resolver::directory::Directory;
use discreet_resolver::rules::Rules;
use discreet_resolver::store::{Sqlite, Store, Table};
use discreet_resolver::{OpenError, export, open};
use discreet_serve::config;
use disk::{Chance, Disk, Operation};
use shim::Recorder;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use tests::writers::{WRITERS, pair};

pub(crate) mod disk;
mod recipients;
pub(crate) mod shim;
mod tokens;

/// Cuts the power at about `count` moments of the record, and at its end. `check` gets the folder that
/// is left, and the length of the record until then, and says what is wrong. Returns what was.
pub(crate) fn cut(
    mut disk: Disk,
    operations: &[(usize, Operation)],
    count: usize,
    check: impl Fn(&Path, usize) -> Option<&'static str>,
) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut chance = Chance(20_261_123);
    let moments: BTreeSet<usize> = (0..count).map(|_| chance.below(operations.len())).collect();
    for (index, (length, operation)) in operations.iter().enumerate() {
        disk.apply(operation);
        if moments.contains(&index) || index + 1 == operations.len() {
            let left = tempfile::tempdir().unwrap();
            disk.cut(&mut chance, left.path());
            faults.extend(check(left.path(), *length));
        }
    }
    faults
}

#[test]
fn imports_survive_a_power_cut_at_any_moment() {
    let site = Site::new();
    let lines: Vec<_> = (0..120).map(|index| site.world.line(&format!("+1415{index:07}"))).collect();
    let disk = Disk::of(site.path(".").as_path());
    let recorder = Recorder::new(&site.path("."));
    let input = tempfile::tempdir().unwrap();
    let mut acknowledged = vec![(0, 0)];
    for (number, part) in lines.chunks(10).enumerate() {
        let file = input.path().join("part.jsonl");
        fs::write(&file, part.join("\n")).unwrap();
        let config = site.path("resolver.toml");
        let args = ["--config", config.to_str().unwrap(), "import", file.to_str().unwrap()];
        finish(recorder.record(&mut command("discreet-resolver", args))).succeeded();
        acknowledged.push((recorder.length(), (number + 1) * 10));
    }
    let all: BTreeSet<_> = lines.iter().cloned().collect();
    let faults = cut(disk, &recorder.operations(), 150, |left, length| {
        let there = exported(left);
        let certain = acknowledged.iter().filter(|(at, _)| *at <= length).map(|(_, count)| *count).max();
        if !there.is_subset(&all) {
            return Some("a line that is not whole, its status included");
        }
        let kept = lines[..certain.unwrap()].iter().all(|line| there.contains(line));
        (!kept).then_some("acknowledged, and gone")
    });
    assert_eq!(faults, [""; 0]);
}

/// The directory in `folder`, opened as every command does.
fn opened(folder: &Path) -> Result<(Rules, Directory), OpenError> {
    let file = folder.join("resolver.toml");
    let mut config: discreet_resolver::Config = config::load(&file).unwrap();
    config.resolve(folder);
    open(&config)
}

/// All lines of the directory in `folder`.
fn exported(folder: &Path) -> BTreeSet<String> {
    let (_, directory) = opened(folder).unwrap();
    lines_of(&directory)
}

fn lines_of(directory: &Directory) -> BTreeSet<String> {
    let mut out = Vec::new();
    export::export(directory, crate::commands::system::now(), &mut out, |_| ()).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn concurrent_writes_survive_a_power_cut_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::new(folder.path());
    run_writers(&recorder, folder.path(), 40);
    let operations = recorder.operations();
    let empty = || Disk::of(tempfile::tempdir().unwrap().path());
    let faults = cut(empty(), &operations, 150, |left, length| fault(left, &marks(&operations, length)));
    assert_eq!(faults, [""; 0]);

    // A disk that says it has synchronised the log, and has not, is found out.
    let of_the_log =
        |operation: &Operation| matches!(operation, Operation::Sync(name) if name == "directory.db-wal");
    let lying: Vec<_> = operations.iter().filter(|(_, it)| !of_the_log(it)).cloned().collect();
    let faults = cut(empty(), &lying, 50, |left, length| fault(left, &marks(&operations, length)));
    assert!(faults.contains(&"acknowledged, and gone"), "{faults:?}");
}

/// What is wrong with the store in `left`.
fn fault(left: &Path, acknowledged: &BTreeSet<(u8, u8)>) -> Option<&'static str> {
    let Ok(store) = Sqlite::open(&left.join("directory.db")) else { return Some("does not open") };
    for (writer, number) in (0..WRITERS).flat_map(|writer| (0..40).map(move |number| (writer, number))) {
        let rows = pair(writer, number);
        let held = rows.each_ref().map(|write| store.read(Table::Records, &write.label).ok());
        let whole = rows.map(|write| Some(write.row));
        if held != whole && held != [Some(None), Some(None)] {
            return Some("half there");
        }
        if held != whole && acknowledged.contains(&(writer, number)) {
            return Some("acknowledged, and gone");
        }
    }
    None
}

/// Which pairs had been acknowledged when the record had this length.
fn marks(operations: &[(usize, Operation)], length: usize) -> BTreeSet<(u8, u8)> {
    let until = operations.iter().take_while(|(at, _)| *at <= length);
    let marks = until.filter_map(|(_, operation)| match operation {
        Operation::Write(name, _, data) if name == "acknowledged" => Some((data[0], data[1])),
        _ => None,
    });
    marks.collect()
}

#[test]
fn the_store_counts_each_synchronisation() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let recorder = Recorder::new(folder.path());
        let counted: usize = run_writers(&recorder, folder.path(), 250).parse().unwrap();
        let operations = recorder.operations();
        let is_sync =
            |operation: &&Operation| matches!(operation, Operation::Sync(_) | Operation::SyncFolder);
        // Opening makes the file, closing tidies up: neither is counted.
        let mark = |at: &str| {
            let made =
                operations.iter().position(|(_, it)| matches!(it, Operation::Create(name) if name == at));
            made.unwrap()
        };
        let [begin, end] = [mark(&format!("begin-{round}")), mark(&format!("end-{round}"))];
        let between = operations[begin..end].iter().map(|(_, operation)| operation);
        let real = between.clone().filter(is_sync).count();
        assert_eq!(counted, real);
        let file = between.filter(|it| matches!(it, Operation::Sync(name) if name == "directory.db")).count();
        assert!(round == 1 || file > 0, "a checkpoint was among them");
    }
}

/// Has the writers run as a process of their own; returns what they counted.
fn run_writers(recorder: &Recorder, folder: &Path, pairs: u8) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writers"));
    command.arg(folder).arg(pairs.to_string());
    finish(recorder.record(&mut command)).succeeded();
    fs::read_to_string(folder.join("counted")).unwrap()
}
