//! The page: its head, and the sections in their order.

use super::html::Html;
use super::input::Input;
use super::section::{adversaries, anonymity, matrix, repeat, settings, sizes, swap, verdicts};
use anyhow::Result;

/// What the browser may do: show this file, and fetch and run nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A section's anchor and heading.
pub(super) const SECTIONS: [(&str, &str); 9] = [
    ("verdicts", "In short"),
    ("settings", "Settings"),
    ("matrix", "Who learns what"),
    ("swap", "The definition, played out"),
    ("adversaries", "The adversaries"),
    ("anonymity", "Anonymity against delay and load"),
    ("sizes", "Sizes, and what they tell"),
    ("rounds", "How long it takes"),
    ("repeat", "Again, and citing it"),
];

/// The whole page.
pub(super) fn draw(input: &Input) -> Result<String> {
    let mut html = Html::default();
    html.literal("<!doctype html>\n");
    let mut done = Ok(());
    html.element("html", &[("lang", &"en")], |html| {
        html.element("head", &[], head);
        html.element("body", &[], |html| {
            html.element("header", &[], |html| write_header(html, input));
            html.element("main", &[], |html| done = write_sections(html, input));
        });
    });
    done.map(|()| html.finish())
}

fn head(html: &mut Html) {
    html.empty("meta", &[("charset", &"utf-8")]);
    html.empty("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &POLICY)]);
    html.empty("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    html.empty("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
    html.say("title", &[], "Discreet: the unlinkability laboratory");
    html.element("style", &[], |html| html.literal(include_str!("style.css")));
}

fn write_header(html: &mut Html, input: &Input) {
    html.say("h1", &[], "Can anybody tell who asked about whom?");
    let summary = &input.first.results.summary;
    let asked = format!(
        "{} people ask where their contacts can be reached, {} lookups in all, through relays that know who asks and a gateway that knows about whom. Each adversary below sees its share of that, and guesses the rest.",
        super::figures::count(summary.clients),
        super::figures::count(summary.lookups + summary.covers),
    );
    html.say("p", &[("class", &"lead")], asked);
    html.element("nav", &[("aria-label", &"Sections")], |html| {
        html.element("ul", &[], |html| {
            for (anchor, heading) in SECTIONS {
                let href = format!("#{anchor}");
                html.element("li", &[], |html| html.say("a", &[("href", &href)], heading));
            }
        });
    });
}

fn write_sections(html: &mut Html, input: &Input) -> Result<()> {
    for (anchor, heading) in SECTIONS {
        let mut done = Ok(());
        html.element("section", &[("aria-labelledby", &anchor)], |html| {
            html.say("h2", &[("id", &anchor)], heading);
            match anchor {
                "verdicts" => verdicts::write(html, input),
                "settings" => done = settings::write(html, input),
                "matrix" => matrix::write(html, input.knowledge.as_ref()),
                "swap" => swap::write(html, input.swap.as_ref()),
                "adversaries" => adversaries::write(html, input),
                "anonymity" => anonymity::write(html, input),
                "sizes" => sizes::write(html, input),
                "rounds" => adversaries::write_rounds(html, input),
                _ => repeat::write(html, input),
            }
        });
        done?;
    }
    Ok(())
}
