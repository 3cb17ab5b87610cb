//! The runs, their settings, and what happened in them.

use super::{added_ms, load, write_paragraph};
use crate::report::figures::{NONE, count, milliseconds, mix, shortest};
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Run};
use anyhow::{Context, Result};
use lab::unlinkability::results::{Direction, Mode};

pub(in crate::report) fn write(html: &mut Html, input: &Input) -> Result<()> {
    runs(input).write(html);
    mixes(input).write(html);
    write_paragraph(
        html,
        "Load is what arrives at one mix: requests per second for each pair of relay and gateway. Added delay is the mean of what a mix added on the way up.",
    );
    for run in &input.runs {
        let scenario = toml::to_string(&run.results.scenario)
            .with_context(|| format!("the scenario of run {} has no form in TOML", run.letter))?;
        html.element("details", &[], |html| {
            html.say("summary", &[], format!("Scenario of run {}, with every default", run.letter));
            html.element("pre", &[("tabindex", &0)], |html| html.say("code", &[], &scenario));
        });
    }
    Ok(())
}

fn runs(input: &Input) -> Table {
    let headings = [
        "run",
        "folder",
        "mode",
        "clients",
        "hours",
        "seed",
        "mix",
        "load per second",
        "lookups",
        "covers",
        "publishes",
        "from cache",
        "answer takes, median",
        "answer takes, 99 %",
        "added delay",
    ];
    let mut table = Table::new("The runs", &headings);
    table.rows = input.runs.iter().map(row).collect();
    table
}

fn row(run: &Run) -> Vec<String> {
    let (scenario, summary) = (&run.results.scenario, &run.results.summary);
    vec![
        run.letter.clone(),
        run.name.clone(),
        mode(run.results.mode).to_owned(),
        count(summary.clients),
        shortest(scenario.hours),
        // An identifier, not an amount.
        scenario.seed.to_string(),
        mix(&scenario.mix),
        shortest(load(run)),
        count(summary.lookups),
        count(summary.covers),
        count(summary.publishes),
        count(summary.from_cache),
        milliseconds(summary.latency_median_ms),
        milliseconds(summary.latency_p99_ms),
        milliseconds(added_ms(run)),
    ]
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::VirtualTime => "virtual time",
        Mode::RealTime => "real time",
    }
}

fn mixes(input: &Input) -> Table {
    let headings = ["run", "relay", "gateway", "way", "passed", "mean held", "effective pool", "mean delay"];
    let mut table = Table::new("What the mixes did", &headings);
    for run in &input.runs {
        table.rows.extend(run.results.mixes.iter().map(|it| {
            let way = match it.direction {
                Direction::Up => "up",
                Direction::Down => "down",
            };
            let pool = if it.effective_pool > 0.0 { shortest(it.effective_pool) } else { NONE.to_owned() };
            vec![
                run.letter.clone(),
                count(u64::from(it.relay) + 1),
                count(u64::from(it.gateway) + 1),
                way.to_owned(),
                count(it.passed),
                shortest(it.mean_held),
                pool,
                milliseconds(it.mean_delay_ms),
            ]
        }));
    }
    table
}
