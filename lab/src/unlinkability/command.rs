//! `lab unlinkability SCENARIO.toml`: runs a scenario, lets the adversaries play, and writes the run's folder.

use super::adversary::Stage;
use super::engine::{self, Interference, Progress, Run, Silent};
use super::folder::{self, Folder};
use super::population::Contacts;
use super::referee::Referee;
use super::results::{FORMAT, Mode, Results};
use super::scenario::Scenario;
use super::trace::{self, Messages};
use super::{real, sizes, table};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Simulate a population, and let adversaries guess who asked about whom.
#[derive(Args, Debug)]
pub struct Options {
    /// The scenario; `lab/scenarios` has examples
    scenario: PathBuf,
    /// Folder for what was seen, what happened, and the figures [default: the scenario's name, here]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the folder of an earlier run
    #[arg(long)]
    force: bool,
    /// Keep only the figures: no views, no truth
    #[arg(long)]
    figures_only: bool,
    /// Print one line of JSON in place of the table
    #[arg(long)]
    json: bool,
    /// Run the product's clients, relays and gateway over loopback, for as long as the scenario says,
    /// in place of a simulation; small scenarios only
    #[arg(long)]
    real: bool,
}

/// Runs the command, and returns the run's folder.
///
/// # Errors
///
/// One sentence on what is wrong with the scenario or the folder.
pub async fn run(options: Options) -> Result<PathBuf> {
    let scenario = Scenario::load(&options.scenario)?;
    let place = match &options.out {
        Some(place) => place.clone(),
        None => options.scenario.file_stem().context("a scenario needs a name")?.into(),
    };
    // Before there is anything to clean up.
    let stopped = discreet_serve::stop_signal();
    let folder = Folder::begin(&place, options.force)?;
    let unfinished = folder.path().to_owned();
    tokio::select! {
        done = work(options, scenario, place.clone(), folder) => done.map(|()| place),
        () = stopped => {
            // The work cannot be stopped from outside; the process ends, and with it what was half done.
            folder::discard(&unfinished);
            eprintln!("interrupted; nothing was written");
            std::process::exit(130)
        }
    }
}

async fn work(options: Options, mut scenario: Scenario, place: PathBuf, folder: Folder) -> Result<()> {
    let Options { figures_only, json, real, .. } = options;
    let observed = if real {
        let (contacts, messages) = population(&mut scenario)?;
        let run = real::run(&scenario, &contacts, messages.as_ref()).await?;
        Some((contacts, messages, run))
    } else {
        None
    };
    let conclude = move || -> Result<()> {
        let results = match observed {
            None => experiment(&mut scenario, &folder, figures_only)?,
            Some((contacts, messages, run)) => {
                if !figures_only {
                    folder.write_run(&run)?;
                }
                measure(&scenario, &contacts, messages.as_ref(), &run, Mode::RealTime, &Silent)
            }
        };
        folder.finish(&results)?;
        if json {
            println!("{}", serde_json::to_string(&results)?);
        } else {
            print!("{}", table::of(&results));
            println!("\nwritten to {}", place.display());
        }
        Ok(())
    };
    tokio::task::spawn_blocking(conclude).await.context("the experiment broke off")?
}

/// A run in virtual time and all its figures. The same scenario gives the same figures.
///
/// # Errors
///
/// When the trace cannot be read or the folder not be written.
pub fn experiment(scenario: &mut Scenario, folder: &Folder, figures_only: bool) -> Result<Results> {
    let (contacts, messages) = population(scenario)?;
    let bar = Bar::new(scenario);
    let run = engine::run(scenario, &contacts, messages.as_ref(), Interference::None, &bar);
    if !figures_only {
        bar.0.set_message("views");
        folder.write_run(&run)?;
    }
    Ok(measure(scenario, &contacts, messages.as_ref(), &run, Mode::VirtualTime, &bar))
}

/// Who there is, drawn or from a trace.
///
/// # Errors
///
/// When the trace cannot be read, or a run cannot hold it.
pub fn population(scenario: &mut Scenario) -> Result<(Contacts, Option<Messages>)> {
    match scenario.trace.clone() {
        None => Ok((Contacts::draw(scenario), None)),
        Some(trace) => {
            let (contacts, messages) = trace::read(&trace.file, scenario)?;
            scenario.check()?;
            if scenario.clients < 2 {
                bail!("the trace has nobody in it");
            }
            Ok((contacts, Some(messages)))
        }
    }
}

/// Lets the adversaries play on a run.
pub fn measure(
    scenario: &Scenario,
    contacts: &Contacts,
    real: Option<&Messages>,
    run: &Run,
    mode: Mode,
    progress: &impl Progress,
) -> Results {
    let referee = Referee::new(run);
    let stage = Stage { scenario, contacts, real, run, referee, can_run: mode == Mode::VirtualTime };
    let options = &scenario.adversaries;
    let adversaries = options.run.iter().flat_map(|name| {
        let results = name.play(&stage);
        progress.advance(scenario.clients.into());
        results
    });
    let adversaries = adversaries.collect();
    Results {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode,
        scenario: scenario.clone(),
        summary: run.summary.clone(),
        mixes: run.mixes.clone(),
        sizes: sizes::figures(run, options.resamples, scenario.seed),
        adversaries,
    }
}

/// A bar on a terminal, nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new(scenario: &Scenario) -> Self {
        let players = scenario.adversaries.run.len() as u64;
        let bar = ProgressBar::new(u64::from(scenario.clients) * (engine::STAGES + players));
        let style = ProgressStyle::with_template("{wide_bar} {percent} % {elapsed} gone, {eta} left {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }
}

impl Progress for Bar {
    fn advance(&self, clients: u64) {
        self.0.inc(clients);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
