//! The relays: every pair of relay and gateway has one mix for requests and one for answers, as in the
//! product. Here is only the loop that tells them the time.

use super::super::randomness::{Purpose, stream};
use super::super::results::{Direction, MixFigures};
use super::super::scenario::Scenario;
use super::super::view::NEVER;
use super::Flow;
use discreet_relay::mix::{Mix, Settings};
use rand::Rng;
use rayon::prelude::*;

/// What enters or leaves a mix: when, and which flow.
pub(super) type Event = (u64, u32);

/// Takes all flows through their relays and back, and says when they left. They are in the order in which
/// they came to the relays.
pub(super) fn through_relays(scenario: &Scenario, flows: &mut [Flow]) -> Vec<MixFigures> {
    let settings = scenario.mix.settings().ok().flatten();
    let up = direction(scenario, settings, flows, Direction::Up, |flow| match flow.at_relay {
        _ if flow.meddled == super::Meddling::Dropped => None,
        at => Some(at + u64::from(flow.held_ms)),
    });
    for &(left, flow) in up.iter().flat_map(|(left, _)| left) {
        let flow = &mut flows[flow as usize];
        flow.forwarded = left;
        flow.at_gateway = left + u64::from(flow.up_ms);
        flow.back = flow.at_gateway + u64::from(flow.answering_ms + flow.down_ms);
        if flow.meddled == super::Meddling::Doubled {
            // The copy is refused after the same way; nothing of what is in it has a say in how long it takes.
            flow.copy_back = flow.back + u64::from(flow.answering_ms);
        }
    }
    let down = direction(scenario, settings, flows, Direction::Down, |flow| {
        (flow.back != NEVER).then_some(flow.back)
    });
    for &(left, flow) in down.iter().flat_map(|(left, _)| left) {
        flows[flow as usize].answered = left;
    }
    let figures = up.into_iter().chain(down).filter_map(|(_, figures)| figures);
    figures.collect()
}

/// All mixes of one direction, in parallel.
fn direction(
    scenario: &Scenario,
    settings: Option<Settings>,
    flows: &[Flow],
    direction: Direction,
    enters: impl Fn(&Flow) -> Option<u64> + Sync,
) -> Vec<(Vec<Event>, Option<MixFigures>)> {
    let gateways = u32::from(scenario.network.gateways);
    let mixes = u32::from(scenario.network.relays) * gateways;
    let mut arrivals: Vec<Vec<Event>> = (0..mixes).map(|_| Vec::new()).collect();
    for (number, flow) in flows.iter().enumerate() {
        if let Some(at) = enters(flow) {
            let mix = u32::from(flow.relay) * gateways + u32::from(flow.gateway);
            arrivals[mix as usize].push((at, number as u32));
        }
    }
    let purpose = if direction == Direction::Up { Purpose::RequestMix } else { Purpose::AnswerMix };
    let mixed = arrivals.into_par_iter().enumerate().map(|(number, mut arrivals)| {
        arrivals.sort_by_key(|(at, _)| *at);
        let Some(settings) = settings else { return (arrivals, None) };
        let mut rng = stream(scenario.seed, purpose, number as u64);
        let mut figures = MixFigures {
            relay: (number as u32 / gateways) as u16,
            gateway: (number as u32 % gateways) as u16,
            direction,
            passed: arrivals.len() as u64,
            mean_held: 0.0,
            effective_pool: 1.0,
            mean_delay_ms: 0.0,
        };
        let left = pass(settings, &arrivals, &mut rng, &mut figures);
        (left, Some(figures))
    });
    mixed.collect()
}

/// One mix over all its arrivals, which are in the order of time.
pub(super) fn pass(
    settings: Settings,
    arrivals: &[Event],
    rng: &mut impl Rng,
    figures: &mut MixFigures,
) -> Vec<Event> {
    let mut mix = Mix::new(settings);
    let mut left: Vec<Event> = Vec::with_capacity(arrivals.len());
    let (mut bits, mut asked) = (0.0, 0.0);
    for &(now, flow) in arrivals {
        while let Some(due) = mix.due().filter(|due| *due < now) {
            left.extend(mix.expire(due, rng).into_iter().map(|flow| (due, flow)));
        }
        left.extend(mix.arrive(now, flow, rng).into_iter().map(|flow| (now, flow)));
        if let Some(size) = mix.effective_size() {
            (bits, asked) = (bits + size.log2(), asked + 1.0);
        }
    }
    figures.effective_pool = (bits / f64::max(asked, 1.0)).exp2();
    while let Some(due) = mix.due() {
        left.extend(mix.expire(due, rng).into_iter().map(|flow| (due, flow)));
    }
    // The time all were held, by Little's law.
    let sum = |events: &[Event]| events.iter().map(|(at, _)| *at as f64).sum::<f64>();
    let held = sum(&left) - sum(arrivals);
    let span = left.last().map_or(0, |last| last.0) - arrivals.first().map_or(0, |first| first.0);
    figures.mean_held = held / (span.max(1)) as f64;
    figures.mean_delay_ms = held / (arrivals.len().max(1)) as f64;
    left
}
