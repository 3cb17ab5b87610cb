//! `lab rates`: how fast mappings are imported, against what their signatures alone allow on the same
//! cores, and how fast an authority signs statuses.

use crate::generate;
use anyhow::{Context, Result, ensure};
use clap::Args;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::mapping::Mapping;
use discreet_protocol::statement::{Unverified, sign};
use discreet_protocol::time::Timestamp;
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_resolver::import::{LineError, Observer, Source, Summary, import};
use discreet_resolver::{Config, create};
use discreet_serve::secret::create_secret;
use discreet_serve::{Clock, config};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tests::World;

/// Mappings made, and verified, at once.
const CHUNK: usize = 8192;
/// What all keys and numbers come from.
const SEED: u64 = 1;

#[derive(Args)]
pub(crate) struct Options {
    /// How many mappings
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// How often each is measured, in turns; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Exit with 1 if imports reach less than this many per cent of what the signatures allow
    #[arg(long, value_name = "PERCENT")]
    at_least: Option<f64>,
    /// One line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Per second.
struct Rates {
    verified: f64,
    imported: f64,
    statuses: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let Rates { verified, imported, statuses } = measure(options)?;
    let ratio = imported / verified;
    let cores = rayon::current_num_threads();
    if options.json {
        let line = serde_json::json!({
            "mappings": options.count,
            "rounds": options.rounds,
            "cores": cores,
            "verified_per_second": verified.round(),
            "imported_per_second": imported.round(),
            "ratio": (ratio * 1000.0).round() / 1000.0,
            "statuses_per_second_and_core": statuses.round(),
        });
        println!("{line}");
    } else {
        println!("{} mappings on {cores} cores, medians of {} rounds", options.count, options.rounds);
        println!("three signatures of each verified   {verified:>9.0} mappings per second");
        println!("imported into a fresh directory     {imported:>9.0} mappings per second");
        println!("ratio                               {:>8.1} %", ratio * 100.0);
        println!("statuses signed, but not stored     {statuses:>9.0} per second and core");
        println!("(`discreet-provider sign-statuses` says how fast an authority signs and stores its own)");
    }
    let least = options.at_least.unwrap_or(0.0);
    ensure!(
        ratio * 100.0 >= least,
        "imports reach {:.1} % of what the signatures allow; {least} % were asked for",
        ratio * 100.0
    );
    Ok(())
}

/// Measures in turns, so that what else the machine does meets both alike.
fn measure(options: &Options) -> Result<Rates> {
    let world = World::new(SEED, Timestamp::from_unix(Clock::system().now()));
    let rate = |time: Duration| options.count as f64 / time.as_secs_f64();
    let (mut verified, mut imported, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let file = folder.path().join("mappings.jsonl");
        verified.push(rate(make_and_verify(&world, options.count, &file)?));
        imported.push(rate(timed_import(&world, options.count, folder.path(), &file)?));
        statuses.push(statuses_per_second(&world));
    }
    Ok(Rates { verified: median(verified), imported: median(imported), statuses: median(statuses) })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Writes the lines of `count` people to `file`; returns how long it takes to verify their signatures,
/// and nothing else, on all cores.
fn make_and_verify(world: &World, count: u64, file: &Path) -> Result<Duration> {
    let authorities = world.authorities.each_ref().map(SigningKey::verifying_key);
    let mut out = File::create_new(file).with_context(|| format!("cannot create {}", file.display()))?;
    let bar = bar(count, "signing and verifying");
    let mut time = Duration::ZERO;
    let mut made = 0;
    generate::people(world, SEED, count, CHUNK, |people| {
        let text: String = people.iter().map(|person| person.line() + "\n").collect();
        out.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
        let read = people.par_iter().map(|person| Signatures::of(person, &authorities));
        let read =
            read.collect::<Option<Vec<_>>>().context("a statement that was just signed is unreadable")?;
        let start = Instant::now();
        let all = read.into_par_iter().all(Signatures::verify);
        time += start.elapsed();
        ensure!(all, "a signature that was just made does not verify");
        made += people.len() as u64;
        bar.inc(people.len() as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    ensure!(made == count, "the numbering plans used here hold only {made} numbers");
    Ok(time)
}

/// The three signatures of a mapping, read, and the keys they are to verify under.
struct Signatures {
    mapping: Unverified<Mapping>,
    credential: Unverified<Credential>,
    status: Unverified<Status>,
    holder: VerifyingKey,
    authority: VerifyingKey,
}

impl Signatures {
    fn of(person: &tests::world::Person, authorities: &[VerifyingKey; 2]) -> Option<Self> {
        let authority = person.authority.verifying_key();
        let mapping = Unverified::<Mapping>::read(&person.signed_mapping()).ok()?;
        let credential = Unverified::read(&mapping.claims().credential).ok()?;
        let status = Unverified::read(&person.signed_status()).ok()?;
        let known = authorities.contains(&authority);
        known.then(|| Self { mapping, credential, status, holder: person.holder.verifying_key(), authority })
    }

    fn verify(self) -> bool {
        self.credential.verify(&self.authority).is_ok()
            && self.status.verify(&self.authority).is_ok()
            && self.mapping.verify(&self.holder).is_ok()
    }
}

/// How long the real import takes, into a directory of its own.
fn timed_import(world: &World, count: u64, folder: &Path, file: &Path) -> Result<Duration> {
    let configuration = folder.join("resolver.toml");
    let text = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    fs::write(&configuration, text).context("cannot write the configuration")?;
    let mut config: Config = config::load(&configuration)?;
    config.resolve(folder);
    fs::write(&config.rules, world.rules()).context("cannot write the rules")?;
    create_secret(&config.pepper, &[7; 32])?;
    let (rules, directory) = create(&config)?;
    let size = fs::metadata(file).map_or(0, |file| file.len());
    let mut told = Told { bar: bar(size, "importing"), refused: 0 };
    let start = Instant::now();
    let input = BufReader::new(File::open(file)?);
    let Summary { added, .. } = import(Source::Anybody, &directory, &rules, world.now, input, &mut told)?;
    let time = start.elapsed();
    told.bar.finish_and_clear();
    ensure!(
        added == count && told.refused == 0,
        "{} lines were refused, {added} mappings added",
        told.refused
    );
    Ok(time)
}

struct Told {
    bar: ProgressBar,
    refused: u64,
}

impl Observer for Told {
    fn progress(&mut self, bytes: u64, _lines: u64) {
        self.bar.set_position(bytes);
    }

    fn refused(&mut self, _number: u64, _error: LineError) {
        self.refused += 1;
    }
}

/// On one core.
fn statuses_per_second(world: &World) -> f64 {
    const STATUSES: u32 = 20_000;
    let [authority, _] = &world.authorities;
    let start = Instant::now();
    for number in 0..STATUSES {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        std::hint::black_box(sign(&Status { id, at: world.now }, authority));
    }
    f64::from(STATUSES) / start.elapsed().as_secs_f64()
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {percent}% eta {eta}");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}
