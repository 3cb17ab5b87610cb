//! `lab`: research tools around the real system. Never a dependency of anything.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

mod bench;
mod demo;
mod files;
mod generate;
mod knowledge;
mod numbers;
mod paying;
mod rates;
mod report;
mod scraping;
mod stress;
mod swap;
mod sweep;
mod tokens;
mod transcripts;
mod up;
mod view;

/// Try out, measure and attack the system, with its own code on loopback.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure gateway, relay and the whole path beside what else there is, in one run
    Bench(bench::Options),
    /// Show the whole system at work, and what each party got to see
    Demo,
    /// Write two authorities, a directory key and signed mappings, ready for import
    Generate(generate::Options),
    /// Measure on the real programs who learns what, and compare it with the promise
    Knowledge(knowledge::Options),
    /// Measure imports against what the signatures alone allow, and how fast statuses are signed
    Rates(rates::Options),
    /// What it takes to enumerate a country's numbers against a policy, and a try against the real programs
    Scraping(scraping::Options),
    /// Measure relay and gateway, as real processes, under what the internet would do to them
    #[command(subcommand)]
    Stress(stress::Command),
    /// Write what each party sees of a small population, as CSV, and the truth apart
    Record(transcripts::Options),
    /// Draw the figures of runs, who learns what, and what an exchange changes, as one HTML file
    Report(report::Options),
    /// Exchange who asks about whom: no party alone may see a difference
    Swap(swap::Options),
    /// Run a scenario many times, with other values for some of its fields
    Sweep(sweep::Options),
    /// Measure what lookup tokens cost: verifying and spending them, on the disk, and in a lookup
    Tokens(tokens::Options),
    /// Start relays and a gateway on loopback and keep them up; prints one line of JSON when ready
    Up(up::Options),
    /// Simulate a population, and let adversaries guess who asked about whom
    Unlinkability(report::RunOptions),
}

#[tokio::main]
async fn main() -> Result<()> {
    discreet_serve::hide_panic_payloads();
    match Options::parse().command {
        Command::Bench(options) => bench::run(&options).await,
        Command::Demo => demo::run().await,
        Command::Generate(options) => generate::run(&options),
        Command::Knowledge(options) => knowledge::run(&options).await,
        Command::Rates(options) => rates::run(&options),
        Command::Record(options) => transcripts::run(&options).await,
        Command::Report(options) => report::run(&options),
        Command::Stress(command) => stress::run(&command).await,
        Command::Swap(options) => swap::run(&options).await,
        Command::Sweep(options) => sweep::run(options).await,
        Command::Scraping(options) => scraping::run(&options).await,
        Command::Tokens(options) => tokens::run(&options).await,
        Command::Up(options) => up::run(&options).await,
        Command::Unlinkability(options) => report::run_scenario(options).await,
    }
}

/// Where `generate` and `up` put what they make.
fn create_folder(folder: &PathBuf) -> Result<()> {
    use anyhow::Context;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
