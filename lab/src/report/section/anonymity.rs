//! What delay and load buy: candidates left to those who watch wires, over runs that differ in nothing else.

use super::{added_ms, load, write_figure, write_key, write_paragraph};
use crate::report::axis::Axis;
use crate::report::figures::{milliseconds, mix, mix_label, number_within, share_within, shortest, words};
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Run};
use crate::report::plot::{MOST_SERIES, Plot, Point, Series};
use lab::unlinkability::results::{AdversaryResult, Estimate};
use lab::unlinkability::scenario::{Mix, Scenario};

/// Against whom mixing is meant to help.
const WATCHERS: [&str; 2] = ["both_hops", "flooding"];

/// What a plot has along its lower axis; what else differs makes another line.
#[derive(Clone, Copy, PartialEq)]
enum Against {
    Delay,
    Load,
}

/// Runs that differ in one thing only.
struct Line<'a> {
    label: String,
    runs: Vec<(&'a Run, &'a AdversaryResult)>,
}

pub(in crate::report) fn write(html: &mut Html, input: &Input) {
    if input.runs.len() < 2 {
        return write_paragraph(
            html,
            "One run is one point. `lab sweep` makes several that differ in the mix or in load, and `lab report --results` draws all of them here.",
        );
    }
    let mut drawn = false;
    for watcher in WATCHERS {
        html.element("div", &[("class", &"pair")], |html| {
            for against in [Against::Delay, Against::Load] {
                let lines = lines(&input.runs, watcher, against);
                if lines.iter().any(|line| line.runs.len() > 1) {
                    drawn = true;
                    write_plot(html, watcher, against, &lines);
                }
            }
        });
    }
    if !drawn {
        write_paragraph(
            html,
            "No two of these runs differ in the mix alone or in load alone, so that there is nothing to compare.",
        );
    }
}

fn write_plot(html: &mut Html, watcher: &str, against: Against, lines: &[Line<'_>]) {
    let end = match against {
        Against::Delay => "At a line's end: load, in requests per second at one mix.",
        Against::Load => "At a line's end: the mix, with the mean delay it draws or the number it keeps.",
    };
    let more = lines.len().saturating_sub(MOST_SERIES);
    let more = if more == 0 { String::new() } else { format!(" {more} more lines are in the table only.") };
    let caption = format!("Candidates left to {}, with 95 % intervals. {end}{more}", words(watcher));
    write_figure(html, &caption, |html| {
        let heading = match against {
            Against::Delay => "against added delay",
            Against::Load => "against load",
        };
        html.say("h3", &[], format!("{}, {heading}", words(watcher)));
        let key = [(None, false, "by entropy".to_owned()), (None, true, "by min-entropy".to_owned())];
        write_key(html, &key);
        plot(watcher, against, lines).write(html);
        table(watcher, lines).write_folded(html, "The numbers");
    });
}

fn lines<'a>(runs: &'a [Run], watcher: &str, against: Against) -> Vec<Line<'a>> {
    let mut lines: Vec<(Scenario, Line<'a>)> = Vec::new();
    for run in runs {
        let found = run.results.adversaries.iter().find(|it| it.name == watcher && it.note.is_none());
        let Some(it) = found else { continue };
        let rest = rest(&run.results.scenario, against);
        match lines.iter_mut().find(|(other, _)| *other == rest) {
            Some((_, line)) => line.runs.push((run, it)),
            None => {
                let label = match against {
                    Against::Delay => format!("{}/s", shortest(load(run))),
                    Against::Load => mix_label(&run.results.scenario.mix),
                };
                lines.push((rest, Line { label, runs: vec![(run, it)] }));
            }
        }
    }
    let mut lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    for line in &mut lines {
        line.runs.sort_by(|(one, _), (other, _)| along(one, against).total_cmp(&along(other, against)));
    }
    lines
}

/// A scenario without what lies along the axis: what is left must be equal within a line.
fn rest(scenario: &Scenario, against: Against) -> Scenario {
    let mut rest = Scenario { seed: 0, ..scenario.clone() };
    match against {
        Against::Delay => rest.mix = Mix::Off,
        Against::Load => {
            (rest.clients, rest.hours) = (0, 0.0);
            rest.behaviour.messages_per_day = 0.0;
        }
    }
    rest
}

fn along(run: &Run, against: Against) -> f64 {
    match against {
        Against::Delay => added_ms(run) / 1000.0,
        Against::Load => load(run),
    }
}

fn plot(watcher: &str, against: Against, lines: &[Line<'_>]) -> Plot {
    let drawn = lines.get(..MOST_SERIES).unwrap_or(lines);
    let runs = || drawn.iter().flat_map(|line| &line.runs);
    let xs = runs().map(|(run, _)| along(run, against));
    let sets = runs().flat_map(|(_, it)| [it.set_by_entropy, it.set_by_min_entropy]);
    let ys = sets.flat_map(|set| [set.value, set.low, set.high]);
    let (id, words_of, x) = match against {
        Against::Delay => ("delay", "added delay", Axis::from_zero("mean added delay, seconds", xs)),
        Against::Load => ("load", "load", Axis::log_around("requests per second at one mix", xs)),
    };
    let mut series = Vec::new();
    for (style, line) in drawn.iter().enumerate() {
        series.push(set(line, style, against, false));
        series.push(set(line, style, against, true));
    }
    Plot {
        id: format!("{watcher}-{id}"),
        title: format!("Anonymity against {words_of}: {}", words(watcher)),
        description: format!(
            "Effective anonymity set, by entropy and by min-entropy, against {words_of}; {} lines. The table below has the values.",
            drawn.len()
        ),
        x,
        y: Axis::log_around("candidates left", ys),
        chance: Vec::new(),
        series,
    }
}

fn set(line: &Line<'_>, style: usize, against: Against, is_second: bool) -> Series {
    let of = |it: &AdversaryResult| -> Estimate {
        if is_second { it.set_by_min_entropy } else { it.set_by_entropy }
    };
    let point = |(run, it): &(&Run, &AdversaryResult)| {
        let set = of(it);
        Point { x: along(run, against), y: set.value, within: Some((set.low, set.high)) }
    };
    let points = line.runs.iter().map(point).collect();
    Series { style, label: (!is_second).then(|| line.label.clone()), is_second, is_marked: true, points }
}

fn table(watcher: &str, lines: &[Line<'_>]) -> Table {
    let headings = [
        "line",
        "run",
        "mix",
        "added delay",
        "load per second",
        "right",
        "set by entropy",
        "set by min-entropy",
    ];
    let mut table = Table::new(format!("{}, with 95 % intervals", words(watcher)), &headings);
    for line in lines {
        table.rows.extend(line.runs.iter().map(|(run, it)| {
            vec![
                line.label.clone(),
                run.letter.clone(),
                mix(&run.results.scenario.mix),
                milliseconds(added_ms(run)),
                shortest(load(run)),
                share_within(it.success),
                number_within(it.set_by_entropy),
                number_within(it.set_by_min_entropy),
            ]
        }));
    }
    table
}
