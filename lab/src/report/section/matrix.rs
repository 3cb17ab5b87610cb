//! The table of who learns what, as it was measured.

use super::write_paragraph;
use crate::knowledge::{Verdict, What};
use crate::report::figures::count;
use crate::report::html::{Attributes, Html};
use crate::report::input::{Cell, Knowledge, Matrix, PartyRow};

pub(in crate::report) fn write(html: &mut Html, knowledge: Option<&Knowledge>) {
    let Some(knowledge) = knowledge else {
        return write_paragraph(
            html,
            "Not measured for this page: `lab knowledge --out FOLDER` does it, and `lab report --knowledge FOLDER/knowledge.json` shows it here.",
        );
    };
    let matrix = &knowledge.matrix;
    write_paragraph(
        html,
        &format!(
            "The real programs, {} clients with a lookup each, seed {}. ● the party knew it, ○ it did not, ! not as promised. In small letters: what the design promises.",
            count(matrix.clients),
            knowledge.seed
        ),
    );
    let scroll: Attributes<'_> =
        &[("class", &"scroll"), ("tabindex", &0), ("role", &"region"), ("aria-label", &"Who learns what")];
    html.element("div", scroll, |html| write_table(html, matrix));
    for sentence in &knowledge.broken {
        html.say("p", &[("class", &"broken")], sentence);
    }
    html.element("details", &[], |html| {
        html.say("summary", &[], "Where it was found");
        write_traces(html, matrix);
    });
}

fn write_table(html: &mut Html, matrix: &Matrix) {
    html.element("table", &[("class", &"matrix")], |html| {
        html.say("caption", &[], "What each party knew of whom, beside the promise");
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                html.say("th", &[("scope", &"col")], "party");
                for what in What::ALL {
                    html.say("th", &[("scope", &"col")], what.heading());
                }
            });
        });
        html.element("tbody", &[], |html| {
            // One issuer is like the next: they share a row, unless one knows something else.
            for rows in matrix.parties.chunk_by(is_alike) {
                write_row(html, rows);
            }
        });
    });
}

fn is_alike(one: &PartyRow, other: &PartyRow) -> bool {
    let kind = |row: &PartyRow| row.name.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
    let said = |row: &PartyRow| row.cells.iter().map(|it| (it.what, measured(it))).collect::<Vec<_>>();
    kind(one).len() < one.name.len() && kind(one) == kind(other) && said(one) == said(other)
}

fn write_row(html: &mut Html, rows: &[PartyRow]) {
    let (Some(row), Some(last)) = (rows.first(), rows.last()) else { return };
    let name = if rows.len() > 1 { format!("{} to {}", row.name, last.name) } else { row.name.clone() };
    html.element("tr", &[], |html| {
        html.say("th", &[("scope", &"row")], &name);
        for what in What::ALL {
            match row.cells.iter().find(|cell| cell.what == what) {
                Some(cell) => write_cell(html, cell),
                None => html.say("td", &[("class", &"open")], "not measured"),
            }
        }
    });
}

fn write_cell(html: &mut Html, cell: &Cell) {
    let class = match cell.verdict {
        Verdict::Leak | Verdict::Missing => "broken",
        Verdict::NotMeasured => "open",
        Verdict::Kept if cell.known.is_empty() => "unknown",
        Verdict::Kept => "known",
    };
    html.element("td", &[("class", &class)], |html| {
        html.say("span", &[("class", &"measured")], measured(cell));
        html.say("small", &[], &cell.promise);
    });
}

fn measured(cell: &Cell) -> String {
    let mark = if cell.known.is_empty() { '○' } else { '●' };
    let known = match cell.known.len() {
        0 => "no".to_owned(),
        known if known == cell.of => "yes".to_owned(),
        known => format!("{known} of {}", cell.of),
    };
    match cell.verdict {
        Verdict::Kept => format!("{mark} {known}"),
        Verdict::Leak => format!("! {known}: leak"),
        Verdict::Missing => format!("! {known}: should know"),
        Verdict::NotMeasured => "not measured".to_owned(),
    }
}

fn write_traces(html: &mut Html, matrix: &Matrix) {
    html.element("ul", &[], |html| {
        for row in &matrix.parties {
            for cell in row.cells.iter().filter(|cell| !cell.traces.is_empty()) {
                let traces = cell.traces.join(", ");
                html.say("li", &[], format!("{}, {}: {traces}", row.name, cell.what.heading()));
            }
        }
    });
}
