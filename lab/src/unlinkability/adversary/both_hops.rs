//! Somebody who sees the wires on both sides of a relay.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::scenario::Mix;
use crate::unlinkability::view::{FirstHop, NEVER, Public, SecondHop, Views, first_since};

/// Sees when requests come to a relay and leave it, and when answers do, both hops sealed. Knows how the mix is
/// set. Links what left to what came by how likely the mix is to hold something for that long, in both directions.
#[derive(Clone, Copy, Debug)]
pub struct BothHops;

/// Milliseconds that a relay takes without mixing.
const PASSING_MS: f64 = 2.0;
/// What passing takes longer than it should: a machine that is busy.
const BUSY: f64 = 1e-9;

impl Adversary for BothHops {
    type View<'a> = (&'a [FirstHop], &'a [SecondHop], &'a Public);
    const SEES: &'static str =
        "the wires of clients and between relays and gateways: addresses, times, sizes";
    const GAME: Game = Game::RequestOfForwarded;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.first_hop, &views.second_hop, &views.public)
    }

    fn weigh(&self, (first, second, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let left = &second[challenge.subject as usize];
        let rate = rate(first, left, public);
        let since = last_batch(second, challenge.subject as usize, public);
        let weigh = |row: &u32| {
            let came = &first[*row as usize];
            let up = if came.at <= since { 0.0 } else { held(public.mix, left.at - came.at, rate) };
            let down = match (left.answered, came.answered) {
                (NEVER, _) | (_, NEVER) => 1.0,
                (left, came) if came < left => 0.0,
                (left, came) => held(public.mix, came - left, rate),
            };
            up * down
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}

/// How likely a mix holds something for this long; `rate` is that of arrivals, per millisecond.
pub(super) fn held(mix: Mix, delay: u64, rate: f64) -> f64 {
    let delay_ms = delay as f64;
    if delay > mix.max_delay_ms() && mix != Mix::Off {
        // Timers are late by a little; something held for much longer was not held by the mix.
        return (-(delay_ms - mix.max_delay_ms() as f64) / PASSING_MS).exp() * BUSY;
    }
    match mix {
        Mix::Off => (-delay_ms / PASSING_MS).exp(),
        Mix::Batch { .. } => 1.0,
        Mix::Exponential { mean_ms, .. } => (-delay_ms / mean_ms as f64).exp(),
        // Driven out by one of the arrivals, or by the time drawn for it.
        Mix::Pool { size, max_delay_ms } => {
            let (driven, most) = (rate / (size as f64 + 1.0), max_delay_ms as f64);
            let left = (most - delay_ms) / most;
            (-driven * delay_ms).exp() * (driven * left + 1.0 / most)
        }
    }
}

/// Arrivals for this relay per millisecond around a departure.
fn rate(first: &[FirstHop], left: &SecondHop, public: &Public) -> f64 {
    let span = public.horizon_ms.min(left.at).max(1);
    let around = &first[first_since(first, left.at - span.min(left.at))..first_since(first, left.at + 1)];
    around.iter().filter(|row| row.relay == left.relay).count() as f64 / span as f64
}

/// When the batch before left: what came by then is gone, and the one that filled it came just then.
fn last_batch(second: &[SecondHop], subject: usize, public: &Public) -> u64 {
    let left = &second[subject];
    // With several gateways a relay has a mix for each, and who sees the wires knows not which.
    if !matches!(public.mix, Mix::Batch { .. }) || public.network.gateways > 1 {
        return 0;
    }
    let earlier = second[..subject].iter().rev();
    let mut earlier = earlier.filter(|row| row.relay == left.relay && row.at < left.at);
    earlier.next().map_or(0, |row| row.at)
}
