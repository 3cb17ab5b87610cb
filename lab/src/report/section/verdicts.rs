//! What came out, in sentences; then all adversaries at a glance.

use super::{Mark, drawn, names, swap, write_badge, write_figure, write_key};
use crate::report::figures::{advantage_within, count, share, words};
use crate::report::forest;
use crate::report::html::{Html, Table};
use crate::report::input::{Input, Knowledge, Run, Swap};
use lab::unlinkability::results::AdversaryResult;

pub(in crate::report) fn write(html: &mut Html, input: &Input) {
    if input.runs.len() > 1 {
        let first = format!("Of run A, {}; what the other runs change is drawn below.", input.first.name);
        html.say("p", &[], first);
    }
    html.element("ul", &[("class", &"verdicts")], |html| {
        if let Some(knowledge) = &input.knowledge {
            write_promise(html, knowledge);
        }
        if let Some(swap) = &input.swap {
            write_swap(html, swap);
        }
        write_adversaries(html, &input.first);
        write_sizes(html, &input.first);
    });
    let names = names(drawn(input));
    let caption = "How much more often the best guess is right than a blind one, with 95 % intervals. Left: it learned nothing. Right: it always knows.";
    write_figure(html, caption, |html| {
        if input.runs.len() > 1 {
            write_key(html, &run_key(input));
        }
        forest::write(html, &names, drawn(input));
        table(input, &names).write_folded(html, "The numbers");
    });
}

/// A line for each run that is drawn.
pub(super) fn run_key(input: &Input) -> Vec<(Option<usize>, bool, String)> {
    let words = |run: &Run| format!("run {}: {}", run.letter, run.name);
    drawn(input).iter().enumerate().map(|(style, run)| (Some(style), false, words(run))).collect()
}

fn write_promise(html: &mut Html, knowledge: &Knowledge) {
    html.element("li", &[], |html| {
        let mark = if knowledge.broken.is_empty() { Mark::Good } else { Mark::Bad };
        write_badge(html, mark, "who learns what");
        match knowledge.broken.as_slice() {
            [] => html.text(format!(
                " Measured on the real programs, each party knew what the design says, and nothing else: {} spellings of what is a client's own, searched for in {} KB.",
                count(knowledge.matrix.forms),
                count(knowledge.matrix.bytes.div_ceil(1000))
            )),
            broken => html.text(format!(" Not as promised: {}.", broken.join("; "))),
        }
    });
}

fn write_swap(html: &mut Html, swap: &Swap) {
    let findings = swap::findings(swap);
    let kept = findings.iter().all(|(kept, ..)| *kept);
    html.element("li", &[], |html| {
        write_badge(html, if kept { Mark::Good } else { Mark::Bad }, "exchanged");
        findings.iter().for_each(|(_, _, words)| html.text(words));
    });
}

fn write_adversaries(html: &mut Html, run: &Run) {
    for finding in [Finding::Blind, Finding::Hint, Finding::Better] {
        let found =
            run.results.adversaries.iter().filter(|it| it.note.is_none() && Finding::of(it) == finding);
        let mut found: Vec<_> = found.collect();
        found.sort_by(|one, other| other.advantage.value.total_cmp(&one.advantage.value));
        let told = |it: &&AdversaryResult| match finding {
            Finding::Blind => words(&it.name),
            Finding::Hint => format!("{} (AUC {})", words(&it.name), share(it.auc.value)),
            Finding::Better => format!("{} ({})", words(&it.name), share(it.success.value)),
        };
        if !found.is_empty() {
            html.element("li", &[], |html| {
                write_badge(html, finding.mark(), finding.words());
                let all: Vec<_> = found.iter().map(told).collect();
                html.text(format!(" {} {}.", finding.sentence(), all.join(", ")));
            });
        }
    }
}

/// What an adversary came to, in words that its intervals bear.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Its best guess may be a blind one, and it ranks candidates no better than chance.
    Blind,
    /// The best guess may be a blind one, but right candidates are ranked above wrong ones.
    Hint,
    /// It is right more often than chance.
    Better,
}

impl Finding {
    pub(super) fn of(it: &AdversaryResult) -> Self {
        match (it.advantage.low > 0.0, it.auc.low > 0.5) {
            (true, _) => Self::Better,
            (false, true) => Self::Hint,
            (false, false) => Self::Blind,
        }
    }

    /// For a badge.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Blind => "no better than blind",
            Self::Hint => "best guess no better than blind",
            Self::Better => "better than blind",
        }
    }

    /// The badge's mark.
    pub(super) fn mark(self) -> Mark {
        match self {
            Self::Blind => Mark::Good,
            Self::Hint => Mark::Middling,
            Self::Better => Mark::Bad,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Blind => "Learned nothing that the intervals show:",
            Self::Hint => "Ranks right candidates above wrong ones, and yet guesses no better than chance:",
            Self::Better => "How often the best guess is right, where that is more often than chance:",
        }
    }
}

fn write_sizes(html: &mut Html, run: &Run) {
    let sizes = &run.results.sizes;
    let most = sizes.iter().map(|it| it.distinct).max().unwrap_or(0);
    let bits = sizes.iter().map(|it| it.information_who.value.max(it.information_whom.value));
    let bits = bits.fold(0.0, f64::max);
    if !sizes.is_empty() {
        html.element("li", &[], |html| {
            write_badge(html, if most <= 1 { Mark::Good } else { Mark::Middling }, "sizes");
            html.text(format!(
                " {} distinct in one place at most; they tell {} bits of who or whom.",
                count(most),
                share(bits)
            ));
        });
    }
}

fn table(input: &Input, names: &[&str]) -> Table {
    let mut table = Table::new(
        "Linkage advantage, with 95 % intervals",
        &["adversary", "run", "blind", "right", "advantage"],
    );
    for name in names {
        for run in &input.runs {
            let it = run.results.adversaries.iter().find(|it| it.name == *name && it.note.is_none());
            table.rows.extend(it.map(|it| {
                let figures = [share(it.blind), share(it.success.value), advantage_within(it.advantage)];
                [words(name), run.letter.clone()].into_iter().chain(figures).collect()
            }));
        }
    }
    table
}
