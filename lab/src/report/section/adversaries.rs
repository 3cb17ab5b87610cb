//! The adversaries, one by one: what each sees, what it achieved, and its ROC curves; and how long the patient need.

use super::verdicts::{Finding, run_key};
use super::{drawn, names, write_badge, write_figure, write_key};
use crate::report::axis::Axis;
use crate::report::figures::{
    NONE, advantage_within, count, number, number_within, share, share_within, shortest, words,
};
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Run};
use crate::report::plot::{Plot, Point, Series};
use lab::unlinkability::results::AdversaryResult;

/// The lowest false-positive rate that is drawn on the axis of factors.
const LEAST_RATE: f64 = 1e-4;
/// Where the true-positive rate is told.
const TOLD_AT: f64 = 1e-3;

/// What the figures mean: beside each other in the tables.
const TERMS: [(&str, &str); 5] = [
    ("right", "How often the candidate it holds likeliest is the right one; blind is what chance gives."),
    (
        "AUC",
        "How often it ranks a right candidate above a wrong one: 0.5 is blind, 1 always. Over all pairs of all games, so that it can be high while the best guess is no better than blind.",
    ),
    (
        "TPR at FPR 10⁻³",
        "The share of true links it can name when it may be wrong about one in a thousand others: what an accusation needs.",
    ),
    (
        "set by entropy",
        "Candidates left to it in the mean: 2 to the mean entropy of its belief. Where the referee chooses the candidates, of those offered.",
    ),
    (
        "set by min-entropy",
        "One over its mean belief in its best guess: the same for who takes a chance. Never more than by entropy.",
    ),
];

/// A run's letter and style, and what an adversary achieved in it.
struct Played<'a> {
    letter: &'a str,
    it: &'a AdversaryResult,
}

pub(in crate::report) fn write(html: &mut Html, input: &Input) {
    html.element("details", &[], |html| {
        html.say("summary", &[], "What the figures mean");
        html.element("dl", &[], |html| {
            for (term, meaning) in TERMS {
                html.say("dt", &[], term);
                html.say("dd", &[], meaning);
            }
        });
    });
    for (number, name) in names(&input.runs).into_iter().enumerate() {
        html.element("article", &[], |html| write_one(html, input, number, name));
    }
}

fn write_one(html: &mut Html, input: &Input, number: usize, name: &str) {
    let played = played(&input.runs, name);
    let Some(first) = played.first().map(|played| played.it) else { return };
    html.element("h3", &[], |html| {
        html.text(words(name));
        html.text(' ');
        if first.note.is_none() {
            let finding = Finding::of(first);
            write_badge(html, finding.mark(), finding.words());
        }
    });
    html.say("p", &[], format!("Sees {}. Must tell: {}.", first.sees.trim_end_matches('.'), first.game));
    for played in &played {
        if let Some(note) = &played.it.note {
            html.say("p", &[], format!("Run {}: {note}.", played.letter));
        }
    }
    table(name, &played).write(html);
    let curves: Vec<_> = self::played(drawn(input), name);
    if curves.iter().any(|played| !played.it.roc.is_empty()) {
        write_curves(html, input, number, name, &curves);
    }
}

fn played<'a>(runs: &'a [Run], name: &str) -> Vec<Played<'a>> {
    let of_run = |run: &'a Run| {
        let it = run.results.adversaries.iter().find(|it| it.name == name)?;
        Some(Played { letter: &run.letter, it })
    };
    runs.iter().filter_map(of_run).collect()
}

fn table(name: &str, played: &[Played<'_>]) -> Table {
    let headings = [
        "run",
        "games",
        "candidates",
        "blind",
        "right",
        "advantage",
        "AUC",
        "TPR at FPR 10⁻³",
        "set by entropy",
        "set by min-entropy",
        "lookups lost",
    ];
    let mut table = Table::new(format!("{}, with 95 % intervals", words(name)), &headings);
    table.rows = played.iter().filter(|played| played.it.note.is_none()).map(row).collect();
    table
}

fn row(played: &Played<'_>) -> Vec<String> {
    let it = played.it;
    vec![
        played.letter.to_owned(),
        count(it.challenges),
        number(it.candidates),
        share(it.blind),
        share_within(it.success),
        advantage_within(it.advantage),
        share_within(it.auc),
        share_within(it.tpr_at_fpr_1e3),
        number_within(it.set_by_entropy),
        number_within(it.set_by_min_entropy),
        count(it.lost),
    ]
}

fn write_curves(html: &mut Html, input: &Input, number: usize, name: &str, curves: &[Played<'_>]) {
    let caption = "ROC curves, twice: on an even axis, and on one of factors for the few false accusations that matter; there the mark at 10⁻³ is the true-positive rate told above, with its interval. Dotted: chance.";
    write_figure(html, caption, |html| {
        if input.runs.len() > 1 {
            write_key(html, &run_key(input));
        }
        html.element("div", &[("class", &"pair")], |html| {
            for is_log in [false, true] {
                plot(number, name, curves, input, is_log).write(html);
            }
        });
        html.element("details", &[], |html| {
            html.say("summary", &[], "The numbers");
            for played in curves {
                let caption = format!("{}, run {}: points of the curve", words(name), played.letter);
                let mut table = Table::new(caption, &["false-positive rate", "true-positive rate"]);
                let rate = |rate: &f64| format!("{rate:.5}");
                table.rows = played.it.roc.iter().map(|[fpr, tpr]| vec![rate(fpr), rate(tpr)]).collect();
                table.write(html);
            }
        });
    });
}

fn plot(number: usize, name: &str, curves: &[Played<'_>], input: &Input, is_log: bool) -> Plot {
    let x = if is_log {
        Axis::log("false-positive rate, factors", LEAST_RATE, 1.0)
    } else {
        Axis::linear("false-positive rate", 0.0, 1.0)
    };
    let style = |letter: &str| input.runs.iter().position(|run| run.letter == letter).unwrap_or(0);
    let mut series = Vec::new();
    for played in curves {
        let style = style(played.letter);
        series.push(curve(style, played.it, if is_log { LEAST_RATE } else { 0.0 }));
        if is_log {
            series.push(told(style, played.it));
        }
    }
    let areas = curves.iter().map(|played| format!("run {} {}", played.letter, share(played.it.auc.value)));
    let areas: Vec<_> = areas.collect();
    Plot {
        id: format!("roc-{number}-{}", if is_log { "factors" } else { "even" }),
        title: format!("ROC curve of {}{}", words(name), if is_log { ", axis of factors" } else { "" }),
        description: format!(
            "True-positive rate against false-positive rate. Area under the curve: {}.",
            areas.join(", ")
        ),
        x,
        y: Axis::linear("true-positive rate", 0.0, 1.0),
        chance: vec![(0.0, 0.0), (1.0, 1.0)],
        series,
    }
}

/// The curve from the false-positive rate `least` on.
fn curve(style: usize, it: &AdversaryResult, least: f64) -> Series {
    let inner = it.roc.iter().map(|[x, y]| (*x, *y));
    let all: Vec<_> = [(0.0, 0.0)].into_iter().chain(inner).chain([(1.0, 1.0)]).collect();
    let (before, rest) = all.split_at(all.iter().take_while(|(x, _)| *x < least).count());
    // Where it comes in from the left.
    let entry = before
        .last()
        .zip(rest.first())
        .map(|((from, low), (to, high))| (least, low + (high - low) * (least - from) / (to - from)));
    let points = entry.into_iter().chain(rest.iter().copied());
    let points = points.map(|(x, y)| Point { x, y, within: None }).collect();
    Series { style, label: None, is_second: false, is_marked: false, points }
}

fn told(style: usize, it: &AdversaryResult) -> Series {
    let rate = it.tpr_at_fpr_1e3;
    let point = Point { x: TOLD_AT, y: rate.value, within: Some((rate.low, rate.high)) };
    Series { style, label: None, is_second: false, is_marked: true, points: vec![point] }
}

/// How many rounds the patient need.
pub(in crate::report) fn write_rounds(html: &mut Html, input: &Input) {
    let headings = ["adversary", "run", "a round is", "median rounds", "95 % interval", "disclosed", "games"];
    let caption =
        "Rounds until the best guess was right and stayed so; the median over all, where half were disclosed";
    let or_none = |rounds: Option<f64>| rounds.map_or_else(|| NONE.to_owned(), shortest);
    let mut table = Table::new(caption, &headings);
    for name in names(&input.runs) {
        for Played { letter, it } in played(&input.runs, name).into_iter().filter(|it| it.it.note.is_none()) {
            table.rows.extend(it.rounds.as_ref().map(|rounds| {
                vec![
                    words(name),
                    letter.to_owned(),
                    rounds.unit.clone(),
                    or_none(rounds.median),
                    format!("{} to {}", or_none(rounds.median_low), or_none(rounds.median_high)),
                    share_within(rounds.disclosed),
                    count(it.challenges),
                ]
            }));
        }
    }
    if table.rows.is_empty() {
        super::write_paragraph(html, "No adversary of these runs plays in rounds.");
    }
    table.write(html);
}
