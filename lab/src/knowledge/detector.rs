//! The search: all forms of all canaries at once in everything that a party had.

use super::person::{Person, What};
use super::spelling::Form;
use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// A form that random bytes may hold counts when it is found for so many clients: a leak is not of one only.
const BY_CHANCE: usize = 3;

/// Something that a party had.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Where: `received POST /dp`, `log`, `file tokens`.
    pub(super) place: String,
    pub(super) bytes: Vec<u8>,
}

/// Where a canary was found, and in which form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trace {
    pub(super) place: String,
    pub(super) form: String,
}

/// Of which client what was found where.
pub(super) type Found = BTreeMap<(What, usize), BTreeSet<Trace>>;

/// Searches for the canaries of some people.
pub(super) struct Detector {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

struct Pattern {
    what: What,
    person: usize,
    form: Form,
}

impl Detector {
    /// A search for these people's canaries.
    pub(super) fn new(people: &[Person]) -> Result<Self> {
        let patterns: Vec<_> = people.iter().flat_map(patterns).collect();
        let bytes = patterns.iter().map(|pattern| &pattern.form.bytes);
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(bytes)?;
        Ok(Self { automaton, patterns })
    }

    /// How many forms are searched for.
    pub(super) fn forms(&self) -> usize {
        self.patterns.len()
    }

    /// What is in these pieces, without what may be there by chance.
    pub(super) fn search(&self, pieces: &[Piece]) -> Found {
        let mut found = Found::new();
        // Per what and form: of which people, and where.
        let mut doubtful = BTreeMap::<(What, &str), BTreeMap<usize, BTreeSet<Trace>>>::new();
        for piece in pieces {
            for hit in self.automaton.find_overlapping_iter(&piece.bytes) {
                let Some(Pattern { what, person, form }) = self.patterns.get(hit.pattern().as_usize()) else {
                    continue;
                };
                let trace = Trace { place: piece.place.clone(), form: form.name.clone() };
                if form.by_chance {
                    let people = doubtful.entry((*what, &form.name)).or_default();
                    people.entry(*person).or_default().insert(trace);
                } else {
                    found.entry((*what, *person)).or_default().insert(trace);
                }
            }
        }
        for ((what, _), people) in doubtful.into_iter().filter(|(_, people)| people.len() >= BY_CHANCE) {
            for (person, traces) in people {
                found.entry((what, person)).or_default().extend(traces);
            }
        }
        found
    }
}

fn patterns(person: &Person) -> Vec<Pattern> {
    let all = person.canaries();
    let all = all.iter().flat_map(|(what, canary)| {
        let forms = canary.forms().into_iter().filter(|form| !form.bytes.is_empty());
        forms.map(|form| Pattern { what: *what, person: person.index, form })
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::person::people;

    fn search(bytes: Vec<u8>) -> Found {
        let people = people(3, 4).unwrap();
        Detector::new(&people).unwrap().search(&[Piece { place: "log".into(), bytes }])
    }

    #[test]
    fn a_canary_is_found_with_whose_it_is() {
        let people = people(3, 4).unwrap();
        let found = search(format!("x{}y", people[2].bearer).into_bytes());
        assert_eq!(found.keys().collect::<Vec<_>>(), [&(What::Account, 2)]);
    }

    #[test]
    fn four_bytes_of_an_address_count_when_three_clients_leak_them() {
        let people = people(3, 4).unwrap();
        let octets = |count| people[..count].iter().flat_map(|it| it.address.octets()).collect::<Vec<_>>();
        assert!(search(octets(2)).is_empty());
        assert_eq!(search(octets(3)).len(), 3);
    }

    #[test]
    fn random_bytes_hold_nothing() {
        use rand::rngs::ChaCha20Rng;
        use rand::{Rng, SeedableRng};
        let mut bytes = vec![0; 4 << 20];
        ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut bytes);
        assert!(search(bytes).is_empty());
    }
}
