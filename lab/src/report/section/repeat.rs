//! How to get the same figures again, and how to cite them.

use super::write_paragraph;
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Run};
use lab::unlinkability::results::Mode;

pub(in crate::report) fn write(html: &mut Html, input: &Input) {
    write_paragraph(
        html,
        "Save a scenario from the settings above as a file, take the version named here, and run:",
    );
    html.element("pre", &[("tabindex", &0)], |html| html.say("code", &[], commands(input)));
    let machine = if input.runs.iter().all(|run| run.results.mode == Mode::VirtualTime) {
        "These runs are in virtual time: neither the machine nor its load is in any figure, so that version, scenario and seed give the same results.json, byte for byte."
    } else {
        "Runs in virtual time repeat byte for byte on any machine. Those in real time went over loopback on the machine they ran on, and repeat within their intervals."
    };
    write_paragraph(html, machine);
    let mut table = Table::new("What this page was made from", &["run", "version", "seed", "results.json"]);
    let row = |run: &Run| {
        let seed = run.results.scenario.seed.to_string();
        vec![run.letter.clone(), run.results.version.clone(), seed, format!("sha256:{}", run.digest)]
    };
    table.rows = input.runs.iter().map(row).collect();
    table.write(html);
    html.say("h3", &[], "Citing");
    let first = &input.first;
    let cited = format!(
        "Discreet: the unlinkability laboratory, version {}, seed {}, results.json with SHA-256 {}.",
        first.results.version, first.results.scenario.seed, first.digest
    );
    html.say("blockquote", &[], cited);
    write_paragraph(
        html,
        "The games, and what each adversary is expected to gain, are in lab/UNLINKABILITY.md. Sets are those of Serjantov and Danezis (2002) by entropy and of Smith (2009) by min-entropy; statistical disclosure is Danezis's (2003), flooding Serjantov, Dingledine and Syverson's (2002).",
    );
}

fn commands(input: &Input) -> String {
    let mut measured = String::new();
    let mut shown = String::new();
    for (is_shown, command) in [(input.knowledge.is_some(), "knowledge"), (input.swap.is_some(), "swap")] {
        if is_shown {
            measured += &format!("lab {command} --out results\n");
            shown += &format!(" --{command} results/{command}.json");
        }
    }
    format!(
        "{measured}lab unlinkability scenario.toml --out results/run\nlab report --results results/run{shown} --out report.html"
    )
}
