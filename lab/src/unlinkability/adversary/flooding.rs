//! Somebody who fills the mix with requests of its own (n − 1), and has the gateway.

use super::Adversary;
use super::both_hops::held;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, FirstHop, Public, Views, first_since};

/// Drives what honest clients sent out of the mix at once, and knows its own at the gateway again: what is left
/// is the one request that is not its own. Against delays that do not depend on arrivals it gains nothing.
#[derive(Clone, Copy, Debug)]
pub struct Flooding;

impl Adversary for Flooding {
    type View<'a> = (&'a [FirstHop], &'a [AtGateway], &'a Public);
    const SEES: &'static str =
        "the wires of clients and the gateway, while it floods relays with its own requests";
    const GAME: Game = Game::RequestOfArrival;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.first_hop, &views.gateway, &views.public)
    }

    fn weigh(&self, (first, gateway, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let arrived = &gateway[challenge.subject as usize];
        let left = arrived.at.saturating_sub(public.network.relay_gateway.median_ms as u64);
        let (rate, filled) = filling(first, arrived, left, public);
        let weigh = |row: &u32| {
            let came = first[*row as usize].at;
            // A link is faster at times than its median, by no more than half.
            let slack = public.network.relay_gateway.median_ms as u64 / 2 + 1;
            match left.checked_sub(came) {
                None if came > left + slack => 0.0,
                delay => held(public.mix, delay.unwrap_or(0), rate) * filled(delay.unwrap_or(0)),
            }
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}

/// Arrivals per millisecond, its own among them, and how a batch that fills that fast bounds the wait.
fn filling(
    first: &[FirstHop],
    arrived: &AtGateway,
    left: u64,
    public: &Public,
) -> (f64, impl Fn(u64) -> f64 + use<>) {
    let span = public.horizon_ms.min(left).max(1);
    let around = &first[first_since(first, left.saturating_sub(span))..first_since(first, left + 1)];
    let rate = around.iter().filter(|row| row.relay == arrived.relay).count() as f64 / span as f64;
    let fills = match public.mix {
        crate::unlinkability::scenario::Mix::Batch { size, .. } if rate > 0.0 => Some(size as f64 / rate),
        _ => None,
    };
    // Evenly waited up to the time a batch takes; links blur the end.
    (rate, move |delay| {
        fills.map_or(1.0, |fills| (-(delay as f64 - fills).max(0.0) / (0.2 * fills + 1.0)).exp())
    })
}
