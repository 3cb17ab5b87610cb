//! Plots as inline SVG: lines with markers, and whiskers or nothing for their intervals. Colours come from the style sheet,
//! which has them for light and for dark; a series differs from the next in its marker and dashes, too.

use super::axis::Axis;
use super::html::{Attributes, Html};

/// Series that can be told apart.
pub(super) const MOST_SERIES: usize = 4;

/// Sizes in units of the drawing: a phone shows one of them as nearly one pixel.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 48.0;
const RIGHT: f64 = 14.0;
/// Width of a letter of a label, about, and least distance of two labels.
const LETTER: f64 = 6.6;
const LINE: f64 = 13.0;
/// Half a marker, half a whisker.
const MARKER: f64 = 3.6;
const WHISKER: f64 = 3.0;

/// A plot.
#[derive(Debug)]
pub(super) struct Plot {
    /// Names its title and description in the page.
    pub(super) id: String,
    pub(super) title: String,
    /// The same as the eye gets, in words.
    pub(super) description: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// What chance alone gives, as a line to compare with.
    pub(super) chance: Vec<(f64, f64)>,
    pub(super) series: Vec<Series>,
}

/// One line of a plot.
#[derive(Debug)]
pub(super) struct Series {
    /// Which colour and marker: one of [`MOST_SERIES`].
    pub(super) style: usize,
    /// What is written at its end.
    pub(super) label: Option<String>,
    /// Whether it is the lesser figure of its colour: dashed, its markers hollow.
    pub(super) is_second: bool,
    /// Whether points are measured values, marked; else they are only the way of the line.
    pub(super) is_marked: bool,
    pub(super) points: Vec<Point>,
}

/// A value, with its interval where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) within: Option<(f64, f64)>,
}

impl Plot {
    /// Writes it.
    pub(super) fn write(&self, html: &mut Html) {
        let (title, description) = (format!("{}-title", self.id), format!("{}-about", self.id));
        let named = format!("{title} {description}");
        let frame: Attributes<'_> = &[
            ("class", &"plot"),
            ("role", &"img"),
            ("viewBox", &format!("0 0 {WIDTH} {HEIGHT}")),
            ("aria-labelledby", &named),
        ];
        html.element("svg", frame, |html| {
            html.say("title", &[("id", &title)], &self.title);
            html.say("desc", &[("id", &description)], &self.description);
            self.write_axes(html);
            if !self.chance.is_empty() {
                let way = self.way(&self.chance);
                html.shape("path", &[("class", &"chance"), ("d", &way)]);
            }
            for series in &self.series {
                self.write_series(html, series);
            }
            self.write_labels(html);
        });
    }

    fn write_axes(&self, html: &mut Html) {
        let (right, bottom) = (self.right(), HEIGHT - BOTTOM);
        for (value, text) in self.y.ticks() {
            let y = self.at_y(value);
            line(html, "grid", (LEFT, y), (right, y));
            write_text(html, "tick", (LEFT - 5.0, y + 4.0), "end", &text);
        }
        for (value, text) in self.x.ticks() {
            let x = self.at_x(value);
            line(html, "grid", (x, TOP), (x, bottom));
            write_text(html, "tick", (x, bottom + 18.0), "middle", &text);
        }
        line(html, "axis", (LEFT, bottom), (right, bottom));
        line(html, "axis", (LEFT, TOP), (LEFT, bottom));
        write_text(html, "label", (f64::midpoint(LEFT, right), HEIGHT - 8.0), "middle", self.x.label);
        let (x, y) = (12.0, f64::midpoint(TOP, bottom));
        let turned = format!("rotate(-90 {} {})", px(x), px(y));
        let place: Attributes<'_> = &[
            ("class", &"label"),
            ("x", &px(x)),
            ("y", &px(y)),
            ("text-anchor", &"middle"),
            ("transform", &turned),
        ];
        html.say("text", place, self.y.label);
    }

    fn write_series(&self, html: &mut Html, series: &Series) {
        let style = series.class();
        html.element("g", &[("class", &style)], |html| {
            let places: Vec<_> = series.points.iter().map(|point| (point.x, point.y)).collect();
            html.shape("path", &[("class", &"line"), ("d", &self.way(&places))]);
            for point in &series.points {
                let (x, y) = (self.at_x(point.x), self.at_y(point.y));
                if let Some((low, high)) = point.within {
                    let (low, high) = (self.at_y(low), self.at_y(high));
                    line(html, "whisker", (x, low), (x, high));
                    line(html, "whisker", (x - WHISKER, low), (x + WHISKER, low));
                    line(html, "whisker", (x - WHISKER, high), (x + WHISKER, high));
                }
                if series.is_marked {
                    marker(html, series.style, (x, y));
                }
            }
        });
    }

    /// Labels at the ends of their lines, pushed apart where lines end together.
    fn write_labels(&self, html: &mut Html) {
        let end = |series: &Series| {
            let last = series.points.last()?;
            let label = series.label.clone()?;
            Some((self.at_y(last.y) + 4.0, self.at_x(last.x), series.class(), label))
        };
        let mut ends: Vec<_> = self.series.iter().filter_map(end).collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut above = f64::MIN;
        for end in &mut ends {
            end.0 = end.0.max(above + LINE);
            above = end.0;
        }
        // Who was pushed below the plot goes up again, and takes along who is above.
        let mut below = HEIGHT - BOTTOM + LINE;
        for end in ends.iter_mut().rev() {
            end.0 = end.0.min(below - LINE);
            below = end.0;
        }
        for (y, x, class, label) in ends {
            let class = format!("{class} name");
            write_text(html, &class, (x + MARKER + 5.0, y), "start", &label);
        }
    }

    /// A line through values, bent where an axis bends it.
    fn way(&self, values: &[(f64, f64)]) -> String {
        let mut way = String::new();
        let mut add = |x: f64, y: f64| {
            let letter = if way.is_empty() { 'M' } else { 'L' };
            way.push_str(&format!("{letter}{} {}", px(self.at_x(x)), px(self.at_y(y))));
        };
        let mut before: Option<(f64, f64)> = None;
        for &(x, y) in values {
            if let Some((from, height)) = before {
                for between in self.x.between(from, x) {
                    let share = (between - from) / (x - from);
                    add(between, height + share * (y - height));
                }
            }
            add(x, y);
            before = Some((x, y));
        }
        way
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (self.right() - LEFT)
    }

    fn at_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP)
    }

    /// The plot's right edge, with room for labels beyond it.
    fn right(&self) -> f64 {
        let labels = self.series.iter().filter_map(|series| series.label.as_ref());
        let longest = labels.map(|label| label.chars().count()).max();
        WIDTH - longest.map_or(RIGHT, |letters| letters.min(16) as f64 * LETTER + 10.0)
    }
}

impl Series {
    fn class(&self) -> String {
        format!("s{}{}", self.style % MOST_SERIES, if self.is_second { " second" } else { "" })
    }
}

/// What a series looks like, before its words.
pub(super) fn swatch(html: &mut Html, style: Option<usize>, is_second: bool) {
    let class = match (style, is_second) {
        (Some(style), _) => format!("s{style}"),
        // Any series.
        (None, true) => "second".to_owned(),
        (None, false) => "first".to_owned(),
    };
    let frame: Attributes<'_> =
        &[("class", &"swatch"), ("viewBox", &"0 0 36 12"), ("aria-hidden", &"true"), ("focusable", &"false")];
    html.element("svg", frame, |html| {
        html.element("g", &[("class", &class)], |html| {
            html.shape("path", &[("class", &"line"), ("d", &"M1 6L35 6")]);
            marker(html, style.unwrap_or(0), (18.0, 6.0));
        });
    });
}

/// The marker of a style: a circle, a square, a triangle, a diamond.
pub(super) fn marker(html: &mut Html, style: usize, (x, y): (f64, f64)) {
    let m = MARKER;
    let corners: &[(f64, f64)] = match style % MOST_SERIES {
        0 => {
            let circle: Attributes<'_> =
                &[("class", &"marker"), ("cx", &px(x)), ("cy", &px(y)), ("r", &px(m))];
            return html.shape("circle", circle);
        }
        1 => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        2 => &[(0.0, -1.2), (1.2, 0.9), (-1.2, 0.9)],
        _ => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
    };
    let corners: Vec<_> =
        corners.iter().map(|(right, down)| format!("{},{}", px(x + right * m), px(y + down * m))).collect();
    html.shape("polygon", &[("class", &"marker"), ("points", &corners.join(" "))]);
}

/// A straight line.
pub(super) fn line(html: &mut Html, class: &'static str, from: (f64, f64), to: (f64, f64)) {
    let ends: Attributes<'_> =
        &[("class", &class), ("x1", &px(from.0)), ("y1", &px(from.1)), ("x2", &px(to.0)), ("y2", &px(to.1))];
    html.shape("line", ends);
}

/// Text at a place.
pub(super) fn write_text(html: &mut Html, class: &str, (x, y): (f64, f64), anchor: &'static str, text: &str) {
    let place: Attributes<'_> = &[("class", &class), ("x", &px(x)), ("y", &px(y)), ("text-anchor", &anchor)];
    html.say("text", place, text);
}

/// A place in the drawing: a tenth of a unit is finer than eyes are.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(ends: &[f64]) -> String {
        let series = |(style, y): (usize, &f64)| Series {
            style,
            label: Some(format!("line {style}")),
            is_second: false,
            is_marked: true,
            points: vec![
                Point { x: 0.0, y: 0.5, within: None },
                Point { x: 1.0, y: *y, within: Some((0.0, 1.0)) },
            ],
        };
        let plot = Plot {
            id: "p".to_owned(),
            title: "<title>".to_owned(),
            description: "about".to_owned(),
            x: Axis::linear("x", 0.0, 1.0),
            y: Axis::linear("y", 0.0, 1.0),
            chance: vec![(0.0, 0.0), (1.0, 1.0)],
            series: ends.iter().enumerate().map(series).collect(),
        };
        let mut html = Html::default();
        plot.write(&mut html);
        html.finish()
    }

    #[test]
    fn a_plot_has_a_name_and_its_four_markers() {
        let svg = plot(&[0.1, 0.4, 0.6, 0.9]);
        assert!(svg.contains("role=\"img\"") && svg.contains("aria-labelledby=\"p-title p-about\""));
        assert!(svg.contains("<title id=\"p-title\">&lt;title&gt;</title>"));
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polygon").count()), (2, 6));
        assert_eq!(svg.matches("\"chance\"").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn labels_of_lines_that_end_together_do_not_lie_on_each_other() {
        for ends in [[0.0; 4], [1.0; 4], [0.5; 4]] {
            let svg = plot(&ends);
            let labels = svg.split("name\" x=\"").skip(1);
            let heights = labels.map(|text| text.split('"').nth(2).unwrap().parse::<f64>().unwrap());
            let heights: Vec<_> = heights.collect();
            assert_eq!(heights.len(), 4);
            assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 0.2), "{heights:?}");
            assert!(heights.iter().all(|y| *y > 0.0 && *y < HEIGHT), "{heights:?}");
        }
    }
}
