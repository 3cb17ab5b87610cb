//! The linkage advantage of all adversaries at a glance: a row each, a value and its interval for each run.

use super::figures::words;
use super::html::{Attributes, Html};
use super::input::Run;
use super::plot::{line, marker, px, write_text};

const WIDTH: f64 = 360.0;
const LEFT: f64 = 178.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 40.0;
/// Height of a row, and of each further run in it.
const ROW: f64 = 22.0;
const NEXT: f64 = 9.0;

/// Writes the plot for `names`, with a row for each and a value for each of `runs` that has it.
pub(super) fn write(html: &mut Html, names: &[&str], runs: &[Run]) {
    let row = ROW + NEXT * runs.len().saturating_sub(1) as f64;
    let bottom = TOP + row * names.len() as f64;
    let frame: Attributes<'_> = &[
        ("class", &"plot"),
        ("role", &"img"),
        ("viewBox", &format!("0 0 {WIDTH} {}", px(bottom + BOTTOM))),
        ("aria-labelledby", &"forest-title forest-about"),
    ];
    html.element("svg", frame, |html| {
        html.say("title", &[("id", &"forest-title")], "Linkage advantage of each adversary");
        let about = "A row for each adversary, from 0, no better than a blind guess, to 1, always right where a blind guess never is; with 95 % intervals. The table below has the values.";
        html.say("desc", &[("id", &"forest-about")], about);
        for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            line(html, if tick == 0.0 { "axis" } else { "grid" }, (at(tick), TOP), (at(tick), bottom));
            write_text(html, "tick", (at(tick), bottom + 15.0), "middle", &super::figures::shortest(tick));
        }
        write_text(html, "label", (at(0.5), bottom + 33.0), "middle", "linkage advantage");
        for (number, name) in names.iter().enumerate() {
            let top = TOP + row * number as f64;
            write_text(html, "tick", (LEFT - 10.0, top + row / 2.0 + 4.0), "end", &words(name));
            for (style, run) in runs.iter().enumerate() {
                write_value(html, style, top + ROW / 2.0 + NEXT * style as f64, name, run);
            }
        }
    });
}

fn write_value(html: &mut Html, style: usize, y: f64, name: &str, run: &Run) {
    let mut all = run.results.adversaries.iter();
    if let Some(it) = all.find(|it| it.name == name && it.note.is_none()) {
        html.element("g", &[("class", &format!("s{style}"))], |html| {
            line(html, "whisker", (at(it.advantage.low), y), (at(it.advantage.high), y));
            marker(html, style, (at(it.advantage.value), y));
        });
    }
}

/// Where an advantage lies; what is below a blind guess by chance has a little room.
fn at(advantage: f64) -> f64 {
    LEFT + advantage.clamp(-0.04, 1.0) * (WIDTH - LEFT - RIGHT)
}
