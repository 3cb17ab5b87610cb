//! A gateway with its resolver, which tries to tell its nameless askers apart.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, Views};

/// Sees whom each request is about, by which relay and issuer it came, and when. Requests in a sweep, or
/// of a small issuer, are of one client more likely than others.
#[derive(Clone, Copy, Debug)]
pub struct GatewayAlone;

/// Milliseconds within which two requests may be one sweep.
const SWEEP_MS: f64 = 30_000.0;

impl Adversary for GatewayAlone {
    type View<'a> = &'a [AtGateway];
    const SEES: &'static str = "gateways: whom each request is about, its relay, issuer, key, size and time";
    const GAME: Game = Game::SameClient;

    fn look(views: &Views) -> Self::View<'_> {
        &views.gateway
    }

    fn weigh(&self, rows: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let subject = &rows[challenge.subject as usize];
        challenge.candidates.iter().map(|row| alike(subject, &rows[*row as usize])).collect()
    }
}

/// How much likelier than any two these are of one client.
pub(super) fn alike(one: &AtGateway, other: &AtGateway) -> f64 {
    if one.issuer != other.issuer {
        return 0.0;
    }
    let gap = one.at.abs_diff(other.at) as f64;
    // Somebody asks about another person next, or about the same one when the answer is stale.
    let other_person = if one.identifier == other.identifier && gap < SWEEP_MS { 0.5 } else { 1.0 };
    (1.0 + 20.0 * (-gap / SWEEP_MS).exp()) * other_person
}
