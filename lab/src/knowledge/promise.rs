//! The promise: the table "Who learns what" of DESIGN.md, cell by cell. A test holds the two together.

use super::person::What;
use serde::Serialize;

/// What a party shall know of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// It, of each sender that the party serves, and of no other.
    Known,
    /// Nothing.
    Unknown,
    /// Nothing is promised.
    Open,
}

/// A row of the table.
pub(super) struct Row {
    /// The party, as the first column names it.
    pub(super) party: &'static str,
    /// The words of the cells, and what they mean for a measurement, in the order of [`What::ALL`].
    pub(super) cells: [(&'static str, Expect); 8],
}

use Expect::{Known, Open, Unknown};

/// The heading of the first column.
pub(super) const PARTY: &str = "party";

pub(super) const RELAY: Row = Row {
    party: "relay",
    cells: [
        ("yes", Known),
        ("only if it is the sender's provider", Known),
        ("by the clients it serves", Open),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("yes", Known),
    ],
};

pub(super) const GATEWAY: Row = Row {
    party: "gateway and resolver",
    cells: [
        ("no; the relay's", Unknown),
        ("no", Unknown),
        ("by the token's issuer", Known),
        ("yes", Known),
        ("yes", Known),
        ("no", Unknown),
        ("yes", Known),
        ("yes, as blurred by pacing and mixing", Known),
    ],
};

pub(super) const ISSUER: Row = Row {
    party: "issuer",
    cells: [
        ("of its own users, when they fetch tokens", Known),
        ("yes", Known),
        ("itself", Open),
        ("no", Unknown),
        ("no", Unknown),
        ("yes", Known),
        ("no", Unknown),
        ("no: it signs tokens unseen, some time before", Unknown),
    ],
};

pub(super) const AUTHORITY: Row = Row {
    party: "authority",
    cells: [
        ("only of its own users, when they enrol", Known),
        ("its own users", Known),
        ("itself", Open),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no: statuses are stapled, nobody asks it about anybody", Unknown),
    ],
};

pub(super) const OBSERVER: Row = Row {
    party: "observer of one link",
    cells: [
        ("of that link's ends", Known),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("no", Unknown),
        ("yes", Known),
    ],
};

pub(super) const COLLUDING: Row = Row {
    party: "relay and gateway colluding",
    cells: [
        ("yes", Known),
        ("–", Open),
        ("yes", Known),
        ("yes", Known),
        ("yes", Known),
        ("no", Unknown),
        ("yes", Known),
        ("yes: outside the model", Known),
    ],
};

impl Row {
    /// What is promised about `what`, in words and as a measurement.
    pub(super) fn cell(&self, what: What) -> (&'static str, Expect) {
        let cells = What::ALL.iter().zip(&self.cells);
        cells.into_iter().find(|(other, _)| **other == what).map_or(("", Open), |(_, cell)| *cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../DESIGN.md"));

    /// Rows that are not measured by this command: the suite's `remote` shows what reaches a resolver.
    const ELSEWHERE: [&str; 1] = ["resolver on a host of its own"];

    /// The cells of the table's rows, headings first.
    fn table() -> Vec<Vec<&'static str>> {
        let (_, section) = DESIGN.split_once("## 2. Who learns what").unwrap();
        let lines = section.lines().skip_while(|line| !line.starts_with('|'));
        let rows = lines.take_while(|line| line.starts_with('|')).filter(|line| !line.starts_with("|---"));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    #[test]
    fn the_table_in_design_md_is_the_one_that_is_measured() {
        let table = table();
        let (headings, rows) = table.split_first().unwrap();
        let expected: Vec<_> = [PARTY].into_iter().chain(What::ALL.map(What::heading)).collect();
        assert_eq!(headings, &expected);
        for row in [&RELAY, &GATEWAY, &ISSUER, &AUTHORITY, &OBSERVER, &COLLUDING] {
            let words = [row.party].into_iter().chain(row.cells.iter().map(|(words, _)| *words));
            let words: Vec<_> = words.collect();
            let design = rows.iter().find(|cells| cells.first() == Some(&row.party));
            assert_eq!(design, Some(&words), "{}", row.party);
        }
        assert_eq!(rows.len(), 6 + ELSEWHERE.len());
        assert!(ELSEWHERE.iter().all(|party| rows.iter().any(|cells| cells.first() == Some(party))));
    }
}
