//! `lab generate`: a directory's worth of people, with the authorities that attest them.
//!
//! The keys come from the seed, so they are good for experiments and for nothing else.

use crate::numbers::Numbers;
use anyhow::{Context, Result, ensure};
use clap::Args;
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use discreet_serve::secret::create_secret;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tests::World;
use tests::world::Person;

/// Mappings signed at once.
const CHUNK: usize = 8192;

#[derive(Args)]
pub(crate) struct Options {
    /// How many mappings
    #[arg(long)]
    count: u64,
    /// What all keys and numbers come from: the same seed and moment give the same files
    #[arg(long)]
    seed: u64,
    /// Folder for the files; it must not hold any of them yet
    #[arg(long, value_name = "FOLDER", default_value = "people")]
    out: PathBuf,
    /// The moment everything is signed at, in seconds since 1970 (statuses count for 72 hours)
    /// [default: now]
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    crate::create_folder(&options.out)?;
    let now = Timestamp::from_unix(options.at.unwrap_or_else(|| Clock::system().now()));
    let world = World::new(options.seed, now);
    let path = |name: &str| options.out.join(name);
    let [one, two] = &world.authorities;
    for (name, key) in
        [("authority-1.key", one), ("authority-2.key", two), ("directory.key", &world.directory_key)]
    {
        create_secret(&path(name), key.as_bytes())?;
    }
    write_new(&path("rules.toml"), &world.rules())?;
    let resolver = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    write_new(&path("resolver.toml"), resolver)?;

    let file = path("mappings.jsonl");
    write(&world, options.seed, options.count, &file)?;
    println!("{} mappings in {}", options.count, file.display());
    Ok(())
}

/// Writes the lines of `count` people of `world` to a new file.
fn write(world: &World, seed: u64, count: u64, file: &Path) -> Result<()> {
    let bar = ProgressBar::new(count).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let out = File::create_new(file).with_context(|| format!("cannot create {}", file.display()))?;
    let written = write_to(world, seed, count, out, || bar.inc(1));
    written.with_context(|| format!("cannot write {}", file.display()))?;
    bar.finish_and_clear();
    Ok(())
}

/// Writes the lines of `count` people of `world`, and calls `progress` after each.
pub(crate) fn write_to(
    world: &World,
    seed: u64,
    count: u64,
    out: impl Write,
    progress: impl Fn(),
) -> Result<()> {
    let mut out = BufWriter::new(out);
    let mut written = 0;
    write_lines(world, seed, count, |line| {
        written += 1;
        progress();
        Ok(writeln!(out, "{line}")?)
    })?;
    out.flush()?;
    ensure!(written == count, "the numbering plans used here hold only {written} numbers");
    Ok(())
}

/// The lines of `count` people of `world`.
pub(crate) fn lines(world: &World, seed: u64, count: u64) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    write_lines(world, seed, count, |line| {
        lines.push(line);
        Ok(())
    })?;
    Ok(lines)
}

/// The first `count` numbers that [`lines`] makes mappings for.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<Csi> {
    Numbers::new(seed).take(count).collect()
}

fn write_lines(
    world: &World,
    seed: u64,
    count: u64,
    mut write: impl FnMut(String) -> Result<()>,
) -> Result<()> {
    people(world, seed, count, CHUNK, |people| {
        let signed: Vec<_> = people.par_iter().map(Person::line).collect();
        signed.into_iter().try_for_each(&mut write)
    })
}

/// `count` people of `world`, up to `chunk` at once.
pub(crate) fn people(
    world: &World,
    seed: u64,
    count: u64,
    chunk: usize,
    mut each: impl FnMut(&[Person]) -> Result<()>,
) -> Result<()> {
    let mut numbers = Numbers::new(seed).zip(0..count);
    loop {
        let people: Vec<_> =
            numbers.by_ref().take(chunk).map(|(csi, index)| person(world, &csi, index)).collect();
        if people.is_empty() {
            return Ok(());
        }
        each(&people)?;
    }
}

/// Most people have one service, every fifth has three, every twentieth lists nobody. The two
/// authorities take turns.
fn person(world: &World, csi: &Csi, index: u64) -> Person {
    let person = world.person(csi, usize::from(index % 2 == 1));
    match index % 20 {
        19 => person.reaches(&[]),
        4 | 9 | 14 => {
            person.reaches(&["mimi://b.example/u/first", "mimi://c.example/u/second", "mimi://d.example"])
        }
        _ => person,
    }
}

fn write_new(path: &PathBuf, text: &str) -> Result<()> {
    let mut file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
