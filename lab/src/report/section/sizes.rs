//! How many sizes there are, and what they tell of who and whom.

use super::write_paragraph;
use crate::report::figures::{count, share_within};
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Run};
use lab::unlinkability::results::{Direction, SizeFigures};

pub(in crate::report) fn write(html: &mut Html, input: &Input) {
    write_paragraph(
        html,
        "Mutual information: the bits that the size of one message tells of who asked, or of whom. 0 is nothing; the estimates are less their bias.",
    );
    table(&input.first).write(html);
    for run in input.runs.iter().skip(1) {
        table(run).write_folded(html, &format!("Run {}", run.letter));
    }
}

fn table(run: &Run) -> Table {
    let headings = ["seen in", "way", "distinct sizes", "bits of who", "bits of whom"];
    let mut table = Table::new(format!("Run {}: sizes, with 95 % intervals", run.letter), &headings);
    let row = |it: &SizeFigures| {
        let way = match it.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        vec![
            it.view.replace('_', " "),
            way.to_owned(),
            count(it.distinct),
            share_within(it.information_who),
            share_within(it.information_whom),
        ]
    };
    table.rows = run.results.sizes.iter().map(row).collect();
    table
}
