//! A relay that does to requests what a relay can: it doubles, drops, delays and swaps them.

use super::Adversary;
use super::relay::again;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtRelay, Meddling, NEVER, Public, Views};

/// Compares how the gateway reacts: how long answers and refused copies took. Two requests about one person
/// would look alike, if anything in them decided on that.
#[derive(Clone, Copy, Debug)]
pub struct DishonestRelay;

/// Milliseconds of difference that make two reactions another.
const ALIKE_MS: f64 = 3.0;

impl Adversary for DishonestRelay {
    type View<'a> = (&'a [AtRelay], &'a Public);
    const SEES: &'static str =
        "relays that double, drop, delay and swap: as a relay, and how the gateway reacts";
    const GAME: Game = Game::SameContact;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.relay, &views.public)
    }

    fn weigh(&self, (rows, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let subject = &rows[challenge.subject as usize];
        let weigh = |row: &u32| {
            let row = &rows[*row as usize];
            again(subject.at - row.at, public) * alike(subject, row)
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}

fn alike(one: &AtRelay, other: &AtRelay) -> f64 {
    let took =
        |row: &AtRelay, until: u64| (until != NEVER).then(|| until.saturating_sub(row.forwarded) as f64);
    let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => (-(one - other).abs() / ALIKE_MS).exp(),
        _ => 1.0,
    };
    let copies = if one.meddled == Meddling::Doubled && other.meddled == Meddling::Doubled {
        near(took(one, one.copy_back), took(other, other.copy_back))
    } else {
        1.0
    };
    near(took(one, one.back), took(other, other.back)) * copies
}
