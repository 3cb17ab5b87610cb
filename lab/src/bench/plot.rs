//! The figures as a picture: one bar for each row, requests per second of processor time.

use super::contest::Row;
use std::fmt::Write;

const ROW: usize = 22;
const LABEL: usize = 330;
const BAR: f64 = 420.0;

/// An SVG of `rows`, under a heading.
pub(super) fn svg(heading: &str, rows: &[Row]) -> String {
    let most = rows.iter().map(Row::per_cpu_second).fold(1.0, f64::max);
    let height = (rows.len() + 3) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>requests per second of processor time</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"16\" font-weight=\"bold\">Requests per second of processor time</text>\n\
         <text x=\"8\" y=\"34\" fill=\"#555\">{}</text>\n",
        escape(heading)
    );
    for (at, row) in rows.iter().enumerate() {
        let y = (at + 2) * ROW;
        let width = row.per_cpu_second() / most * BAR;
        let colour =
            if row.name.starts_with("discreet") || row.part == "growth" { "#1f6feb" } else { "#9aa4b2" };
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{0}\">{1}: {2}, {3} at once</text>\
             <rect x=\"{LABEL}\" y=\"{4}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{5:.1}\" y=\"{0}\">{6:.0}</text>",
            y + 12,
            row.part,
            escape(&row.name),
            row.concurrency,
            y,
            LABEL as f64 + width + 6.0,
            row.per_cpu_second(),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::contest::Figures;

    #[test]
    fn the_longest_bar_is_the_fastest_rows() {
        let row = |name: &str, rate: f64| Row {
            part: "relay",
            name: name.to_owned(),
            concurrency: 8,
            figures: Figures { per_cpu_second: vec![rate], ..Figures::default() },
        };
        let svg = svg("here & now", &[row("discreet-relay", 200.0), row("a < b", 100.0)]);
        assert!(svg.contains("here &amp; now") && svg.contains("a &lt; b"));
        assert!(svg.contains("width=\"420.0\"") && svg.contains("width=\"210.0\""));
    }
}
