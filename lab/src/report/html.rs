//! HTML and SVG as they are written: all text and all values are escaped, tags and attributes are literals of
//! ours. So nothing that was read from a file becomes markup.

use std::fmt::{Display, Write};

/// Attributes: names of ours, any values.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Something of ours that is no element, such as the document type or a style sheet.
    pub(super) fn literal(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// An element and what is in it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        content(self);
        self.0.push_str("</");
        self.0.push_str(name);
        // A line for each block, so that differences between two pages can be read.
        self.0.push_str(if is_inline(name) { ">" } else { ">\n" });
    }

    /// An element with text only.
    pub(super) fn say(&mut self, name: &'static str, attributes: Attributes<'_>, text: impl Display) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that has no end.
    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.open(name, attributes);
    }

    /// A shape of an SVG, which has no content.
    pub(super) fn shape(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.open(name, attributes);
        self.0.pop();
        self.0.push_str("/>");
    }

    /// Text.
    pub(super) fn text(&mut self, text: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            let _ = write!(Escaped(&mut self.0), "{value}");
            self.0.push('"');
        }
        self.0.push('>');
    }
}

fn is_inline(name: &str) -> bool {
    matches!(name, "a" | "b" | "code" | "span" | "th" | "td" | "text" | "title" | "desc" | "strong" | "small")
}

/// Escapes what is written through it, for text as for quoted values.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // What HTML has no place for, and what turns the reading direction around.
                '\n' | '\t' => self.0.push(character),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                _ if character.is_control() => self.0.push('\u{fffd}'),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

/// A table in a container that scrolls by itself: its caption, headings, and rows whose first cell is their heading.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// Its columns.
    pub(super) headings: Vec<String>,
    /// Its rows, each as long as the headings.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(super) fn new(caption: impl Into<String>, headings: &[&str]) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { caption: caption.into(), headings, rows: Vec::new() }
    }

    /// Writes it, if there is a row in it.
    pub(super) fn write(&self, html: &mut Html) {
        if self.rows.is_empty() {
            return;
        }
        // A container that scrolls must be reachable with the keyboard, and have a name.
        let scroll: Attributes<'_> =
            &[("class", &"scroll"), ("tabindex", &0), ("role", &"region"), ("aria-label", &self.caption)];
        html.element("div", scroll, |html| {
            html.element("table", &[], |html| {
                html.say("caption", &[], &self.caption);
                html.element("thead", &[], |html| {
                    html.element("tr", &[], |html| {
                        for (column, heading) in self.headings.iter().enumerate() {
                            self.write_cell(html, "th", Some("col"), column, heading);
                        }
                    });
                });
                html.element("tbody", &[], |html| self.rows.iter().for_each(|row| self.write_row(html, row)));
            });
        });
    }

    fn write_row(&self, html: &mut Html, row: &[String]) {
        html.element("tr", &[], |html| {
            for (column, cell) in row.iter().enumerate() {
                let (name, scope) = if column == 0 { ("th", Some("row")) } else { ("td", None) };
                self.write_cell(html, name, scope, column, cell);
            }
        });
    }

    fn write_cell(
        &self,
        html: &mut Html,
        name: &'static str,
        scope: Option<&str>,
        column: usize,
        text: &str,
    ) {
        let mut attributes: Vec<(&'static str, &dyn Display)> = Vec::new();
        attributes.extend(scope.as_ref().map(|scope| ("scope", scope as &dyn Display)));
        if self.is_of_numbers(column) {
            attributes.push(("class", &"number"));
        }
        html.say(name, &attributes, text);
    }

    /// Columns of numbers are flush right, where their digits stand below each other.
    fn is_of_numbers(&self, column: usize) -> bool {
        let is_number =
            |cell: &String| cell.starts_with(|first: char| first.is_ascii_digit() || "+−–".contains(first));
        self.rows.iter().all(|row| row.get(column).is_some_and(is_number))
    }

    /// Writes it behind a line that opens it.
    pub(super) fn write_folded(&self, html: &mut Html, summary: &str) {
        html.element("details", &[], |html| {
            html.say("summary", &[], summary);
            self.write(html);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_read_becomes_markup() {
        let bad = "</title><script>alert('1')</script>\" onload=\"x\u{202e}\0&amp;";
        let mut html = Html::default();
        html.say("p", &[("title", &bad)], bad);
        Table { caption: bad.into(), headings: vec![bad.into()], rows: vec![vec![bad.into()]] }
            .write(&mut html);
        let page = html.finish();
        assert!(
            !page.contains("<script") && !page.contains("</title") && !page.contains("\" onload"),
            "{page}"
        );
        assert!(!page.contains('\u{202e}') && !page.contains('\0'));
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;x"));
        assert!(page.contains("&amp;amp;"));
    }

    #[test]
    fn a_table_has_caption_and_scopes_and_an_empty_one_is_left_out() {
        let mut html = Html::default();
        let mut table = Table::new("numbers", &["who", "how many"]);
        table.write(&mut html);
        table.rows.push(vec!["one".to_owned(), "1".to_owned()]);
        table.write(&mut html);
        let page = html.finish();
        assert_eq!(page.matches("<table").count(), 1);
        assert!(
            page.contains("<caption>numbers</caption>")
                && page.contains("<th scope=\"col\" class=\"number\">how many</th>")
        );
        assert!(page.contains("<th scope=\"row\">one</th><td class=\"number\">1</td>"));
    }
}
