//! What exchanging who asks about whom changed: to the byte, and for a classifier over many live runs.

use super::{Mark, write_badge, write_paragraph};
use crate::report::figures::{count, share};
use crate::report::html::{Html, Table};
use crate::report::input::{Seen, Swap};

pub(in crate::report) fn write(html: &mut Html, swap: Option<&Swap>) {
    let Some(swap) = swap else {
        return write_paragraph(
            html,
            "Not tried for this page: `lab swap --out FOLDER` does it, and `lab report --swap FOLDER/swap.json` shows it here.",
        );
    };
    write_paragraph(
        html,
        "No party alone may see a difference when two clients exchange whom they ask about. The product's own code, once with the same randomness and a clock that stands still, and then live.",
    );
    if let Some(leak) = &swap.planted {
        let said = format!("A leak was planted, to see that it is caught: {leak}.");
        html.say("p", &[("class", &"broken")], said);
    }
    html.element("ul", &[("class", &"verdicts")], |html| {
        for (kept, badge, words) in findings(swap) {
            html.element("li", &[], |html| {
                write_badge(html, if kept { Mark::Good } else { Mark::Bad }, badge);
                html.text(words);
            });
        }
    });
    table(swap).write(html);
}

/// Whether each promise is kept, for its badge, and in words.
pub(super) fn findings(swap: &Swap) -> [(bool, &'static str, String); 3] {
    let word = |same| if same { "the same" } else { "not the same" };
    let exact = &swap.exact;
    // Ciphertext that does not depend on the question would mean that nothing was compared.
    let relays = exact.relay_same_outside && exact.relay_ciphertext_differs;
    let telling: Vec<_> = swap.live.iter().filter(|seen| seen.auc.separates()).collect();
    let live = match telling.as_slice() {
        [] => " In live runs a classifier cannot tell one from the other.".to_owned(),
        telling => {
            let parties: Vec<_> = telling.iter().map(|seen| seen.party.as_str()).collect();
            format!(" In live runs a classifier tells one from the other at: {}.", parties.join(", "))
        }
    };
    [
        (
            exact.gateway_identical,
            "who asks, exchanged",
            format!(
                " The {} bytes that the gateway receives and sends are {}.",
                count(exact.gateway_bytes as u64),
                word(exact.gateway_identical)
            ),
        ),
        (
            relays,
            "about whom, exchanged",
            format!(
                " The {} bytes that the relays receive and send are {} but for ciphertext{}.",
                count(exact.relay_bytes as u64),
                word(exact.relay_same_outside),
                if exact.relay_ciphertext_differs {
                    ""
                } else {
                    ", which does not differ either: nothing was compared"
                }
            ),
        ),
        (telling.is_empty(), "live", live),
    ]
}

fn table(swap: &Swap) -> Table {
    let caption =
        format!("{} live runs, seed {}: a classifier's area under the curve", count(swap.runs), swap.seed);
    let mut table = Table::new(caption, &["party", "AUC", "99 % interval"]);
    let row = |Seen { party, auc }: &Seen| {
        vec![party.clone(), share(auc.auc), format!("{} to {}", share(auc.low), share(auc.high))]
    };
    table.rows = swap.live.iter().map(row).collect();
    table
}
