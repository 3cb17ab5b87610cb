//! A gateway that gives clients keys of their own, with relays that pass them on.

use super::Adversary;
use super::gateway::alike;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, Views};

/// Knows its tagged clients again by the key they seal to. Clients that compare what two operators' relays say
/// never use such a key.
#[derive(Clone, Copy, Debug)]
pub struct Tagging;

/// How much more a key of its own says than anything else.
const SAME_KEY: f64 = 1e6;

impl Adversary for Tagging {
    type View<'a> = &'a [AtGateway];
    const SEES: &'static str = "gateways that give some clients keys of their own, helped by relays";
    const GAME: Game = Game::SameClient;

    fn look(views: &Views) -> Self::View<'_> {
        &views.gateway
    }

    fn weigh(&self, rows: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let subject = &rows[challenge.subject as usize];
        let weigh = |row: &u32| match &rows[*row as usize] {
            row if row.key != subject.key => 0.0,
            row if row.key != 0 => SAME_KEY,
            row => alike(subject, row),
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}
