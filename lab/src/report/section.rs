//! The sections of the page, and what several of them need.

use super::html::Html;
use super::input::{Input, Run};
use super::plot::{MOST_SERIES, swatch};

pub(super) mod adversaries;
pub(super) mod anonymity;
pub(super) mod matrix;
pub(super) mod repeat;
pub(super) mod settings;
pub(super) mod sizes;
pub(super) mod swap;
pub(super) mod verdicts;

/// The runs that are drawn: so many as can be told apart. Tables have all.
fn drawn(input: &Input) -> &[Run] {
    input.runs.get(..MOST_SERIES).unwrap_or(&input.runs)
}

/// The adversaries of all runs, each once, those of the first run first.
fn names(runs: &[Run]) -> Vec<&str> {
    let mut names = Vec::new();
    for name in runs.iter().flat_map(|run| &run.results.adversaries).map(|it| it.name.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What the series are, right above their plot.
fn write_key(html: &mut Html, entries: &[(Option<usize>, bool, String)]) {
    html.element("ul", &[("class", &"key")], |html| {
        for (style, is_second, words) in entries {
            html.element("li", &[], |html| {
                swatch(html, *style, *is_second);
                html.say("span", &[], words);
            });
        }
    });
}

/// A plot or more, with the words below and the numbers behind.
fn write_figure(html: &mut Html, caption: &str, content: impl FnOnce(&mut Html)) {
    html.element("figure", &[], |html| {
        content(html);
        html.say("figcaption", &[], caption);
    });
}

/// A paragraph.
fn write_paragraph(html: &mut Html, text: &str) {
    html.say("p", &[], text);
}

/// How a finding looks: its colour, and a mark for who sees no colours.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Middling,
    Bad,
}

/// A mark and its words.
fn write_badge(html: &mut Html, mark: Mark, words: &str) {
    let (class, sign) = match mark {
        Mark::Good => ("badge good", '✓'),
        Mark::Middling => ("badge middling", '~'),
        Mark::Bad => ("badge bad", '!'),
    };
    html.say("span", &[("class", &class)], format!("{sign} {words}"));
}

/// Requests that arrive at one mix in a second: what hides each of them.
fn load(run: &Run) -> f64 {
    let (summary, scenario) = (&run.results.summary, &run.results.scenario);
    let requests = (summary.lookups + summary.covers + summary.publishes) as f64;
    let mixes = f64::from(scenario.network.relays) * f64::from(scenario.network.gateways);
    requests / (scenario.hours * 3600.0) / mixes
}

/// Mean delay that the mixes added to a request on its way up, in milliseconds.
fn added_ms(run: &Run) -> f64 {
    use lab::unlinkability::results::Direction;
    let up = run.results.mixes.iter().filter(|mix| mix.direction == Direction::Up);
    let (sum, passed) = up.fold((0.0, 0.0), |(sum, passed), mix| {
        (sum + mix.mean_delay_ms * mix.passed as f64, passed + mix.passed as f64)
    });
    if passed > 0.0 { sum / passed } else { 0.0 }
}
