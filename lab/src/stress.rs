//! `lab stress`: the figures that show whether relay and gateway could be put on the internet.
//!
//! Each command starts the real programs, one gateway and two relays, as processes of their own that
//! listen on loopback with TLS, fills a directory, and measures. It is run by hand: what it finds
//! depends on the machine, which is why the machine is printed with every figure.

use anyhow::{Result, ensure};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use machine::Machine;
use std::collections::BTreeMap;

mod asker;
mod idle;
pub(crate) mod link;
pub(crate) mod machine;
pub(crate) mod network;
mod people;
pub(crate) mod process;
mod restarts;
mod slow;
pub(crate) mod tally;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Memory of a relay with many idle and many active connections
    Idle(idle::Options),
    /// Honest lookups while thousands of connections are as slow as they may be
    Slow(slow::Options),
    /// Lookups lost through key rotations, certificate reloads and rolling restarts
    Restarts(restarts::Options),
}

/// What was measured.
pub(crate) struct Report {
    /// For people: lines of a table.
    pub(crate) table: Vec<String>,
    /// For programs: the fields of an object.
    pub(crate) figures: serde_json::Value,
    /// Targets that were missed, a sentence each.
    pub(crate) missed: Vec<String>,
}

pub(crate) async fn run(command: &Command) -> Result<()> {
    let (report, json) = match command {
        Command::Idle(options) => (idle::run(options).await?, options.json),
        Command::Slow(options) => (slow::run(options).await?, options.json),
        Command::Restarts(options) => (restarts::run(options).await?, options.json),
    };
    report.print(json)
}

impl Report {
    /// Prints it, with the machine.
    ///
    /// # Errors
    ///
    /// When a target was missed.
    pub(crate) fn print(self, json: bool) -> Result<()> {
        let machine = Machine::here();
        let Self { table, figures, missed } = self;
        if json {
            let machine = machine.json();
            println!("{}", serde_json::json!({ "machine": machine, "figures": figures, "missed": missed }));
        } else {
            println!("{machine}\n\n{}", table.join("\n"));
        }
        ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
        Ok(())
    }
}

/// A bar on a terminal, and nothing elsewhere.
pub(crate) fn bar(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} eta {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what.to_owned())
}

/// A number with one digit behind the point, as JSON has none for what is not a number.
pub(crate) fn tenths(value: f64) -> serde_json::Value {
    serde_json::json!((value * 10.0).round() / 10.0)
}

/// What went wrong, and how often, as lines below a table.
fn failures<'a>(sums: impl IntoIterator<Item = &'a tally::Sum>) -> Vec<String> {
    let mut all = BTreeMap::<_, u64>::new();
    for (what, count) in sums.into_iter().flat_map(|sum| &sum.failures) {
        *all.entry(what).or_default() += count;
    }
    all.into_iter().map(|(what, count)| format!("  {count} × {what}")).collect()
}
