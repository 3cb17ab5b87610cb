//! `lab bench`: gateway, relay and the whole path beside what else there is, in one run.
//!
//! All take turns, so that what else the machine does meets all alike. The first figure is requests per second of
//! processor time of the measured program, because clients and servers share the cores. Content has the product's
//! sizes, 4096 bytes up and 8192 down, for everybody; every answer is looked at, and those of gateways are
//! opened and verified.

use crate::stress::machine::{Machine, raise_descriptors};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use contest::{Plan, Row, heading};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use indicatif::{ProgressBar, ProgressStyle};
use peers::Peers;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use system::System;
use tests::Mint;

mod contest;
mod cpu;
mod delay;
mod gateway;
mod growth;
mod load;
mod path;
mod peers;
mod plot;
mod relay;
mod sink;
mod stock;
mod system;

/// Descriptors that the load generator and a server need at most.
const DESCRIPTORS: u64 = 4096;
/// Whose tokens are taken.
const ISSUER: &str = "issuer.example";

#[derive(Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "relay,gateway,path")]
    parts: Vec<Part>,
    /// How often everybody has a turn; medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Requests under way at once, each on a connection of its own
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    concurrency: Vec<usize>,
    /// Mappings in the directory of the parts `gateway` and `path`
    #[arg(long, default_value_t = 1_000_000)]
    mappings: u64,
    /// Sizes of the directories of the part `growth`
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000,10000000")]
    sizes: Vec<u64>,
    /// Folder where `lab/peers` has put the programs of others
    #[arg(long, value_name = "FOLDER", default_value = "target/peers")]
    peers: PathBuf,
    /// Write the figures as a picture to this file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one line for programs
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Relays in front of a gateway that answers at once
    Relay,
    /// Gateways with a directory
    Gateway,
    /// One lookup at a time, the whole way
    Path,
    /// The gateway in front of directories of several sizes
    Growth,
}

/// What all parts need to know.
struct Bench {
    plan: Plan,
    concurrency: Vec<usize>,
    sizes: Vec<u64>,
    peers: Peers,
    bar: ProgressBar,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    rows: Vec<Row>,
    lines: Vec<path::Line>,
    sizes: Vec<growth::Size>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.seconds > 0, "at least one round of one second is needed");
    ensure!(
        !options.concurrency.is_empty() && options.concurrency.iter().all(|it| (1..=1024).contains(it)),
        "--concurrency takes numbers from 1 to 1024"
    );
    raise_descriptors(DESCRIPTORS)?;
    let style = ProgressStyle::with_template("{msg:.dim} {bar:30} {pos}/{len} eta {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut bench = Bench {
        plan: Plan { rounds: options.rounds, time: Duration::from_secs(options.seconds) },
        concurrency: options.concurrency.clone(),
        sizes: options.sizes.clone(),
        peers: Peers::find(&options.peers),
        bar: ProgressBar::hidden(),
    };
    bench.bar = ProgressBar::new(bench.turns(&options.parts) as u64).with_style(style);
    let machine = Machine::here();
    let measured = measure(&bench, options).await?;
    bench.bar.finish_and_clear();
    let missing = bench.peers.missing();
    if let Some(file) = &options.svg {
        std::fs::write(file, plot::svg(&machine.to_string(), &measured.rows))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if options.json {
        let json = serde_json::json!({
            "machine": machine.json(),
            "rows": measured.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "path": measured.lines.iter().map(path::Line::json).collect::<Vec<_>>(),
            "sizes": measured.sizes.iter().map(growth::Size::json).collect::<Vec<_>>(),
            "missing": missing,
        });
        println!("{json}");
    } else {
        println!("{machine}\n\n{}", measured.table().join("\n"));
        missing.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

async fn measure(bench: &Bench, options: &Options) -> Result<Measured> {
    let mint = Arc::new(Mint::new(ISSUER));
    let has = |part| options.parts.contains(&part);
    let mut measured = Measured::default();
    let needs_directory = has(Part::Relay) || has(Part::Gateway) || has(Part::Path);
    if needs_directory {
        // Relays need none, and get certificates and a folder of it.
        let mappings = if has(Part::Gateway) || has(Part::Path) { options.mappings } else { 1 };
        bench.bar.set_message(format!("{mappings} mappings are made and imported"));
        let now = Timestamp::from_unix(Clock::system().now());
        let issuer = mint.rules(1_000_000_000, 1_000_000_000, now, [-1, 30]);
        let system = System::new(mappings, &format!("\n[prices]\nlookup = 1\n{issuer}")).await?;
        if has(Part::Relay) {
            measured.rows.extend(relay::measure(bench, &system).await?);
        }
        if has(Part::Gateway) {
            measured.rows.extend(gateway::measure(bench, &system, &mint).await?);
        }
        if has(Part::Path) {
            measured.lines = path::measure(bench, &system).await?;
        }
    }
    if has(Part::Growth) {
        let (rows, sizes) = growth::measure(bench).await?;
        measured.rows.extend(rows);
        measured.sizes = sizes;
    }
    Ok(measured)
}

impl Bench {
    fn turns(&self, parts: &[Part]) -> usize {
        let turns = |part: &Part| match part {
            Part::Relay => self.plan.rounds * self.concurrency.len() * relay::rows(self),
            Part::Gateway => self.plan.rounds * self.concurrency.len() * gateway::rows(self),
            Part::Path => path::rounds(self),
            Part::Growth => self.plan.rounds * self.concurrency.len() * growth::rows(self),
        };
        parts.iter().map(turns).sum()
    }
}

impl Measured {
    /// For people. Ratios are to the first row of the same part, concurrency and transport.
    fn table(&self) -> Vec<String> {
        let mut table = Vec::new();
        let mut first: Option<&Row> = None;
        for row in &self.rows {
            let group =
                |row: &Row| (row.part, row.concurrency, row.part == "relay" && row.name.contains("TLS"));
            if first.is_none_or(|first| group(first) != group(row)) {
                if first.is_none_or(|first| first.part != row.part) {
                    table.push(heading());
                }
                first = Some(row);
            }
            table.extend(first.map(|first| row.line(first)));
        }
        if !self.lines.is_empty() {
            table.push(String::new());
            table.extend(path::table(&self.lines));
        }
        if !self.sizes.is_empty() {
            table.push(String::new());
            table.extend(growth::table(&self.sizes));
        }
        table
    }
}
