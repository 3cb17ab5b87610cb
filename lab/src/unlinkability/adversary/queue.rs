//! Somebody who believes in queues.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{FirstHop, SecondHop, Views};

/// First in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Queue;

impl Adversary for Queue {
    type View<'a> = (&'a [FirstHop], &'a [SecondHop]);
    const SEES: &'static str = "the wires of clients and between relays and gateways";
    const GAME: Game = Game::RequestOfForwarded;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.first_hop, &views.second_hop)
    }

    fn weigh(&self, (first, second): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let left = second[challenge.subject as usize].at;
        let weigh = |row: &u32| 1.0 / (1.0 + (left - first[*row as usize].at) as f64);
        challenge.candidates.iter().map(weigh).collect()
    }
}
