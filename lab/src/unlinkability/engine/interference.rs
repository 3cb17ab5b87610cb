//! What adversaries do to a run, beside looking on.

use super::super::randomness::{Purpose, stream};
use super::super::scenario::Scenario;
use super::super::view::{Kind, Meddling, NEVER, NO_ROW};
use super::client::Sent;
use super::{Flow, poisson};
use rand::RngExt;

/// Milliseconds that the dishonest relay delays a request by, at least and at most.
const HELD_MS: std::ops::RangeInclusive<u32> = 2_000..=10_000;

/// Who interferes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interference {
    /// Nobody.
    None,
    /// The adversary's own requests come to each relay as a Poisson process.
    Flood,
    /// The gateway, with relays that help, gives some clients OHTTP keys of their own.
    Tagging {
        /// Whether clients compare what two relays say, as the product's do. A client that does refuses a key
        /// of its own and sends nothing.
        checked: bool,
    },
    /// The relays double, drop, delay and swap requests.
    Meddling,
}

impl Interference {
    /// What happens before requests come to relays. Returns how many are not sent at all.
    pub(super) fn before_relays(self, scenario: &Scenario, flows: &mut Vec<Flow>) -> u64 {
        match self {
            Self::Tagging { checked } => tag(scenario, flows, checked),
            Self::Flood => {
                flood(scenario, flows);
                0
            }
            Self::None | Self::Meddling => 0,
        }
    }

    /// What relays do to requests, which are in the order in which they came.
    pub(super) fn at_relays(self, scenario: &Scenario, flows: &mut [Flow]) {
        if self == Self::Meddling {
            meddle(scenario, flows);
        }
    }
}

fn tag(scenario: &Scenario, flows: &mut Vec<Flow>, checked: bool) -> u64 {
    let mut rng = stream(scenario.seed, Purpose::Interference, 0);
    let tagged: Vec<bool> =
        (0..scenario.clients).map(|_| rng.random::<f64>() < scenario.adversaries.tagged).collect();
    let is_tagged = |flow: &Flow| tagged.get(flow.client as usize).is_some_and(|tagged| *tagged);
    let before = flows.len();
    if checked {
        flows.retain(|flow| !is_tagged(flow));
    } else {
        flows.iter_mut().filter(|flow| is_tagged(flow)).for_each(|flow| flow.key = flow.client + 1);
    }
    (before - flows.len()) as u64
}

fn flood(scenario: &Scenario, flows: &mut Vec<Flow>) {
    for relay in 0..scenario.network.relays {
        let mut rng = stream(scenario.seed, Purpose::Interference, 1 + u64::from(relay));
        let per_second = scenario.adversaries.flood_per_second;
        for at in poisson(&mut rng, per_second, scenario.end_ms()) {
            // Numbers that nobody has: the adversary's own. Any gateway, as it likes.
            let mine = scenario.clients + rng.random_range(0..u32::from(scenario.network.gateways));
            let sent = Sent { at, identifier: mine, kind: Kind::Flood, issuance: NO_ROW };
            let flow = Flow::new(scenario, scenario.clients + u32::from(relay), sent, &mut rng);
            flows.push(Flow { relay, at_relay: at, ..flow });
        }
    }
}

fn meddle(scenario: &Scenario, flows: &mut [Flow]) {
    let mut rng = stream(scenario.seed, Purpose::Interference, 0);
    let share = scenario.adversaries.meddling;
    let mut next = vec![NEVER; usize::from(scenario.network.relays)];
    // From the last to the first, so that a swapped one knows when the next comes.
    for flow in flows.iter_mut().rev() {
        let next = &mut next[usize::from(flow.relay)];
        let drawn = rng.random::<f64>();
        flow.meddled = match (drawn / share.max(f64::MIN_POSITIVE)) as u64 {
            0 => Meddling::Doubled,
            1 => Meddling::Dropped,
            2 => Meddling::Delayed,
            3 if *next != NEVER => Meddling::Swapped,
            _ => Meddling::None,
        };
        flow.held_ms = match flow.meddled {
            Meddling::Delayed => rng.random_range(HELD_MS),
            Meddling::Swapped => u32::try_from(*next - flow.at_relay + 1).unwrap_or(*HELD_MS.end()),
            _ => 0,
        };
        *next = flow.at_relay;
    }
}
