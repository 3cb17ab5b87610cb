//! What a sync shows: lines on standard output, a bar on a terminal, JSON for scripts.

use super::super::output;
use super::Tally;
use discreet_client::pacing::Moment;
use discreet_client::{Answer, Csi, Error};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;

pub(super) struct Screen {
    json: bool,
    total: usize,
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new(json: bool, total: usize) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        if let Ok(style) = ProgressStyle::with_template("contacts [{bar:30}] {pos} of {len}{msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { json, total, bar }
    }

    /// An entry that is not asked about.
    pub(super) fn problem(&self, line: u64, reason: &str) {
        if self.json {
            println!("{}", json!({ "line": line, "problem": reason }));
        } else {
            eprintln!("discreet: line {line}: {reason}");
        }
    }

    pub(super) fn doubtful(&self, line: u64) {
        let warning = "this does not look like a number of its country; it is asked about all the same";
        if self.json {
            println!("{}", json!({ "line": line, "warning": warning }));
        } else {
            eprintln!("discreet: warning: line {line}: {warning}");
        }
    }

    /// That it begins: from here on Ctrl-C and SIGTERM end it well.
    pub(super) fn begin(&self, unasked: usize, until: Moment, now: Moment) {
        if self.json {
            return;
        }
        let before = self.total - unasked.min(self.total);
        let left = HumanDuration(left(until, now));
        eprintln!(
            "discreet: {unasked} contacts to ask within {left}, {before} asked before. Ctrl-C stops; the same \
             command goes on"
        );
    }

    /// What one lookup brought.
    pub(super) fn answer(&self, csi: &Csi, answer: &Result<Answer, Error>, is_another: bool) {
        self.bar.inc(u64::from(is_another));
        self.bar.suspend(|| match answer {
            Ok(answer) if self.json => println!("{}", output::json(answer)),
            Ok(answer) => output::line(answer),
            Err(error) if self.json => {
                println!("{}", json!({ "identifier": csi.uri(), "error": error.to_string() }));
            }
            Err(error) => eprintln!("discreet: {}: {error}", csi.value()),
        });
    }

    /// How far it is, and how long the rest takes.
    pub(super) fn waiting(&self, unasked: usize, until: Moment, now: Moment) {
        self.bar.set_position(self.total.saturating_sub(unasked) as u64);
        let left = HumanDuration(left(until, now));
        let message = if unasked == 0 { String::new() } else { format!(", done in {left}") };
        self.bar.set_message(message);
    }

    /// The sum of this run.
    pub(super) fn end(&self, tally: &Tally, left: u64) {
        self.bar.finish_and_clear();
        let Tally { reachable, absent, refused, unanswered, before } = *tally;
        if self.json {
            let sum = json!({
                "reachable": reachable, "absent": absent, "refused": refused, "unanswered": unanswered,
                "asked_before": before, "left": left,
            });
            println!("{}", json!({ "summary": sum }));
        } else {
            println!(
                "{} asked: {reachable} reachable, {absent} not, {refused} with an answer that does not verify; \
                 {before} asked before, {left} left",
                reachable + absent + refused
            );
        }
    }
}

fn left(until: Moment, now: Moment) -> Duration {
    Duration::from_secs(until.0.saturating_sub(now.0).div_ceil(1000))
}
