//! `discreet probe`: a lookup through every relay of a profile, and which stage fails.

use super::Failure;
use super::common::Directory;
use super::failure::PROBE_FAILED;
use super::wait;
use clap::Args;
use discreet_client::{RelayProbe, Stage, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    directory: Directory,
    /// Also write the result to this file, for Prometheus: whole or not at all
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

impl Probe {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.directory.own_client()?;
        let spinner = wait::spinner("probing");
        let probes = client.probe().await;
        drop(spinner);
        let probes = probes?;
        if json {
            println!("{}", document(&probes));
        } else {
            print!("{}", table(&probes));
        }
        if let Some(path) = &self.prometheus {
            replace(path, &metrics(&probes))
                .map_err(|source| Failure::Unwritten { path: path.clone(), source })?;
        }
        let fine = probes.iter().all(|probe| probe.failure.is_none());
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(PROBE_FAILED) })
    }
}

/// A line for each relay, and a sentence for each that failed.
fn table(probes: &[RelayProbe]) -> String {
    let relay = |probe: &RelayProbe| format!("{} {}", probe.number, probe.relay);
    let first = probes.iter().map(|probe| relay(probe).len()).max().unwrap_or(0).max("relay".len());
    let mut text = String::new();
    let mut line = |name: &str, cells: [&str; 6]| {
        let _ = write!(text, "{name:first$}");
        for (cell, width) in cells.iter().zip([6, 12, 6, 10, 6, 16]) {
            let _ = write!(text, "  {cell:width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line("relay", Stage::ALL.map(Stage::name));
    for probe in probes {
        line(&relay(probe), Stage::ALL.map(|stage| word(probe.verdict(stage))));
    }
    for probe in probes {
        if let Some((stage, error)) = &probe.failure {
            let _ = writeln!(text, "relay {} fails at {}: {error}", probe.number, stage.name());
        }
    }
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "ok",
        Verdict::NotCompared => "not compared",
        Verdict::NotNeeded => "not needed",
        Verdict::NothingToCheck => "nothing to check",
        Verdict::Failed => "FAILED",
        Verdict::NotReached => "-",
    }
}

/// The same for scripts.
fn document(probes: &[RelayProbe]) -> Value {
    let relay = |probe: &RelayProbe| {
        let verdict = |stage: Stage| (stage.name().to_owned(), probe.verdict(stage).name().into());
        json!({
            "relay": probe.number,
            "host": probe.relay,
            "failed": probe.failure.as_ref().map(|(stage, _)| stage.name()),
            "error": probe.failure.as_ref().map(|(_, error)| error.to_string()),
            "stages": Stage::ALL.map(verdict).into_iter().collect::<serde_json::Map<_, _>>(),
        })
    };
    let fine = probes.iter().all(|probe| probe.failure.is_none());
    json!({ "fine": fine, "relays": probes.iter().map(relay).collect::<Vec<_>>() })
}

/// The same in the text format of Prometheus. Relays are numbers: the profile has their names.
fn metrics(probes: &[RelayProbe]) -> String {
    let mut text = String::from(
        "# HELP discreet_probe_success Whether a lookup through this relay of the profile passed every stage.\n\
         # TYPE discreet_probe_success gauge\n",
    );
    for probe in probes {
        let success = u8::from(probe.failure.is_none());
        let _ = writeln!(text, "discreet_probe_success{{relay=\"{}\"}} {success}", probe.number);
    }
    text.push_str(
        "# HELP discreet_probe_stage_success Whether this stage passed, or had nothing to do; absent when not reached.\n\
         # TYPE discreet_probe_stage_success gauge\n",
    );
    for probe in probes {
        for stage in Stage::ALL {
            let success = match probe.verdict(stage) {
                Verdict::NotReached => continue,
                Verdict::Failed => 0,
                Verdict::Passed | Verdict::NotCompared | Verdict::NotNeeded | Verdict::NothingToCheck => 1,
            };
            let (number, stage) = (probe.number, stage.name());
            let _ = writeln!(
                text,
                "discreet_probe_stage_success{{relay=\"{number}\",stage=\"{stage}\"}} {success}"
            );
        }
    }
    text
}

/// Replaces a file at once: whoever reads it meanwhile reads the old one or the new one. The name on
/// the way does not end like what a collector picks up.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    written
}
