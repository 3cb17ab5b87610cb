//! The matrix: what each party knows of whom, and whether that is what was promised.

use super::detector::{Detector, Found, Trace};
use super::person::{Person, What};
use super::promise::{self, Expect, Row};
use super::record::{Party, Record};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Activity counts as knowledge of the time when it falls together with so many lookups: less is chance.
const COINCIDENCES: usize = 3;
/// Traces of one cell that are named.
const TRACES: usize = 4;

/// What all parties know.
#[derive(Serialize)]
pub(super) struct Matrix {
    /// How many senders there were.
    pub(super) clients: usize,
    /// How many forms of their canaries were searched for.
    pub(super) forms: usize,
    /// How many bytes were searched.
    pub(super) bytes: usize,
    pub(super) parties: Vec<PartyRow>,
}

/// What one party knows.
#[derive(Serialize)]
pub(super) struct PartyRow {
    pub(super) party: Party,
    pub(super) name: String,
    /// The row of DESIGN.md that the promise stands in.
    pub(super) row: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// What a party knows of one thing.
#[derive(Serialize)]
pub(super) struct Cell {
    pub(super) what: What,
    /// The promise, in the words of DESIGN.md.
    pub(super) promise: &'static str,
    pub(super) expect: Expect,
    /// Of how many clients it could know it.
    pub(super) of: usize,
    /// The clients it knows it of, counted from 0.
    pub(super) known: BTreeSet<usize>,
    /// Whether the promise is kept.
    pub(super) verdict: Verdict,
    /// How it is known, as far as it is named.
    pub(super) traces: Vec<String>,
    /// Where it was found.
    #[serde(skip)]
    pub(super) places: BTreeSet<String>,
}

/// Whether a promise is kept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is.
    Kept,
    /// The party knows what it must not.
    Leak,
    /// The party does not know what it must: something was not measured, or does not work.
    Missing,
    /// There was nothing to know.
    NotMeasured,
}

/// Searches the record and compares with the promise.
pub(super) fn measure(people: &[Person], record: &Record, parties: &[Party]) -> Result<Matrix> {
    let detector = Detector::new(people)?;
    let mut bytes = 0;
    let mut founds = BTreeMap::<Party, Found>::new();
    for party in parties.iter().filter(|party| **party != Party::Colluding) {
        let pieces = record.pieces(*party)?;
        bytes += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        let mut found = detector.search(&pieces);
        busy(people, record, *party, &mut found);
        if matches!(party, Party::ProviderRelay | Party::OtherRelay | Party::Gateway) {
            founds.entry(Party::Colluding).or_default().extend(found.clone());
        }
        founds.insert(*party, found);
    }
    let mut rows = Vec::new();
    for party in parties {
        let found = founds.remove(party).unwrap_or_default();
        let cells = What::ALL.map(|what| cell(*party, what, people, &found));
        let (name, row) = (party.to_string(), row(*party).party);
        rows.push(PartyRow { party: *party, name, row, cells: cells.into() });
    }
    Ok(Matrix { clients: people.len(), forms: detector.forms(), bytes, parties: rows })
}

/// Adds the lookups during which `party` was busy: it knows when they were.
fn busy(people: &[Person], record: &Record, party: Party, found: &mut Found) {
    let at = |person: &&Person| {
        person.moment.is_some_and(|moment| record.is_busy(party, moment.from, moment.until))
    };
    let busy: Vec<_> = people.iter().filter(at).collect();
    // Nobody comes to an issuer but its users: there is no chance about it.
    let enough = if matches!(party, Party::Issuer(_)) { 1 } else { COINCIDENCES };
    if busy.len() >= enough {
        for person in busy {
            let trace = Trace { place: "traffic".to_owned(), form: "at that time".to_owned() };
            found.entry((What::Time, person.index)).or_default().insert(trace);
        }
    }
}

fn cell(party: Party, what: What, people: &[Person], found: &Found) -> Cell {
    let (promise, mut expect) = row(party).cell(what);
    match (party, what) {
        // Not the sender's provider; and the far ends of the link.
        (Party::OtherRelay, What::Account) | (Party::GatewayLink, What::Address) => expect = Expect::Unknown,
        _ => {}
    }
    let with = |person: &&Person| person.canaries().iter().any(|(other, _)| *other == what);
    let with: BTreeSet<_> = people.iter().filter(with).map(|person| person.index).collect();
    let served = people.iter().filter(|person| with.contains(&person.index) && serves(party, person));
    let served: BTreeSet<_> = served.map(|person| person.index).collect();
    let traces = found.iter().filter(|((other, _), _)| *other == what);
    let known: BTreeSet<_> = traces.clone().map(|((_, person), _)| *person).collect();
    let traces = traces.flat_map(|(_, traces)| traces);
    let places = traces.clone().map(|trace| trace.place.clone()).collect();
    let said: BTreeSet<_> = traces.map(Trace::said).collect();
    let verdict = match expect {
        _ if with.is_empty() => Verdict::NotMeasured,
        Expect::Open => Verdict::Kept,
        Expect::Unknown if known.is_empty() => Verdict::Kept,
        Expect::Unknown => Verdict::Leak,
        Expect::Known if known == served => Verdict::Kept,
        Expect::Known if known.is_subset(&served) => Verdict::Missing,
        Expect::Known => Verdict::Leak,
    };
    let traces = said.into_iter().take(TRACES).collect();
    Cell { what, promise, expect, of: served.len(), known, verdict, traces, places }
}

fn row(party: Party) -> &'static Row {
    match party {
        Party::ProviderRelay | Party::OtherRelay => &promise::RELAY,
        Party::Gateway => &promise::GATEWAY,
        Party::Issuer(_) => &promise::ISSUER,
        Party::Authority => &promise::AUTHORITY,
        Party::ClientLink | Party::GatewayLink => &promise::OBSERVER,
        Party::Colluding => &promise::COLLUDING,
    }
}

/// Whether `party` serves this person.
fn serves(party: Party, person: &Person) -> bool {
    !matches!(party, Party::Issuer(number) if number != person.issuer())
}

impl Trace {
    fn said(&self) -> String {
        format!("{} ({})", self.place, self.form)
    }
}

impl Cell {
    fn said(&self) -> String {
        let count = match self.known.len() {
            0 => "–".to_owned(),
            known if known == self.of => "yes".to_owned(),
            known => format!("{known} of {}", self.of),
        };
        match self.verdict {
            Verdict::NotMeasured => "not measured".to_owned(),
            Verdict::Kept => count,
            Verdict::Leak => format!("{count} LEAK"),
            Verdict::Missing => format!("{count} MISSING"),
        }
    }
}

impl Matrix {
    /// The matrix as lines of a table.
    pub(super) fn table(&self) -> Vec<String> {
        let line = |party: &str, cells: Vec<String>| {
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:<18}")).collect();
            format!("{party:<31}{}", cells.concat().trim_end())
        };
        let headings = What::ALL.map(|what| what.heading().to_owned());
        let mut lines = vec![line(promise::PARTY, headings.into())];
        lines.extend(
            self.parties.iter().map(|row| line(&row.name, row.cells.iter().map(Cell::said).collect())),
        );
        lines
    }

    /// Each broken promise, a sentence each.
    pub(super) fn broken(&self) -> Vec<String> {
        let cells = self.parties.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
        cells.filter_map(|(row, cell)| cell.broken(&row.name)).collect()
    }

    /// Whether `party` is said to know `what`, though it must not, from a place that begins with `place`.
    pub(super) fn leaks(&self, party: Party, what: What, place: &str) -> bool {
        let rows = self.parties.iter().filter(|row| row.party == party);
        let mut cells = rows.flat_map(|row| &row.cells).filter(|cell| cell.what == what);
        cells.any(|cell| {
            cell.verdict == Verdict::Leak && cell.places.iter().any(|found| found.starts_with(place))
        })
    }
}

impl Cell {
    fn broken(&self, party: &str) -> Option<String> {
        let what = self.what.heading();
        match self.verdict {
            Verdict::Leak => {
                let traces = self.traces.join(", ");
                Some(format!("{party} knows the {what} of {} clients: {traces}", self.known.len()))
            }
            Verdict::Missing => Some(format!(
                "{party} knows the {what} of {} of {} clients, and should of all",
                self.known.len(),
                self.of
            )),
            Verdict::Kept | Verdict::NotMeasured => None,
        }
    }
}
