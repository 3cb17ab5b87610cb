//! Writes down what each party saw of a run, and what happened. The one place where a flow becomes rows: what a
//! party must not see is not put into its row.

use super::super::population::Contacts;
use super::super::scenario::{HOUR, Scenario};
use super::super::view::{
    AtGateway, AtIssuer, AtRelay, Exchange, FirstHop, Kind, NEVER, NO_ROW, Public, SecondHop, Truth, Views,
};
use super::{DOWN, Flow, UP};
use rayon::prelude::*;

/// Slack on how long links take, beside ten medians.
const SLACK_MS: u64 = 500;

/// Flows are in the order in which they came to the relays.
pub(super) fn record(
    scenario: &Scenario,
    contacts: &Contacts,
    issued: Vec<AtIssuer>,
    flows: &[Flow],
) -> (Views, Truth) {
    let (issuer, issuer_rows) = in_order(issued.len(), |row| Some(issued[row].at));
    let (second, second_rows) = in_order(flows.len(), |row| seen(flows[row].forwarded));
    let (gateway, gateway_rows) = in_order(flows.len(), |row| seen(flows[row].at_gateway));
    let exchanges = flows.iter().enumerate().map(|(row, flow)| Exchange {
        sent: flow.sent,
        client: flow.client,
        identifier: flow.identifier,
        kind: flow.kind,
        first_hop: row as u32,
        second_hop: second_rows[row],
        gateway: gateway_rows[row],
        issuer: issuer_rows.get(flow.issuer as usize).copied().unwrap_or(NO_ROW),
    });
    let views = Views {
        first_hop: flows.iter().map(first_hop).collect(),
        second_hop: second.iter().map(|&row| second_hop(&flows[row as usize])).collect(),
        relay: flows.iter().map(at_relay).collect(),
        gateway: gateway.iter().map(|&row| at_gateway(scenario, &flows[row as usize])).collect(),
        issuer: issuer.iter().map(|&row| issued[row as usize]).collect(),
        contacts: contacts.clone(),
        public: public(scenario),
    };
    (views, Truth { exchanges: exchanges.collect() })
}

/// What everybody knows of a scenario.
pub(crate) fn public(scenario: &Scenario) -> Public {
    let median = scenario.network.client_relay.median_ms.max(scenario.network.relay_gateway.median_ms);
    Public {
        mix: scenario.mix,
        network: scenario.network.clone(),
        clients: scenario.clients,
        issuers: scenario.population.issuers,
        horizon_ms: scenario.mix.max_delay_ms() + 10 * median as u64 + SLACK_MS,
        tokens: scenario.tokens.clone(),
        refresh_after_ms: (scenario.behaviour.refresh_after_hours * HOUR as f64) as u64,
    }
}

fn seen(at: u64) -> Option<u64> {
    (at != NEVER).then_some(at)
}

/// Those of `count` that have a time, in the order of it; and for each its place there.
fn in_order(count: usize, at: impl Fn(usize) -> Option<u64> + Sync) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<(u64, u32)> =
        (0..count).into_par_iter().filter_map(|row| Some((at(row)?, row as u32))).collect();
    // Rows of one millisecond stay in the order in which they came to the relay: see `shuffle_key`.
    order.par_sort_unstable_by_key(|&(at, row)| (at, shuffle_key(row), row));
    let mut places = vec![NO_ROW; count];
    for (place, (_, row)) in order.iter().enumerate() {
        places[*row as usize] = place as u32;
    }
    (order.into_iter().map(|(_, row)| row).collect(), places)
}

/// Scatters rows of one millisecond, so that the order within it tells nothing a mix has hidden.
fn shuffle_key(row: u32) -> u32 {
    row.wrapping_mul(0x9e37_79b1).rotate_left(15).wrapping_mul(0x85eb_ca6b)
}

fn first_hop(flow: &Flow) -> FirstHop {
    let Flow { at_relay: at, answered, client, relay, .. } = *flow;
    FirstHop { at, answered, client, relay, up: UP, down: DOWN }
}

fn second_hop(flow: &Flow) -> SecondHop {
    let Flow { forwarded: at, back: answered, relay, gateway, .. } = *flow;
    SecondHop { at, answered, relay, gateway, up: UP, down: DOWN }
}

fn at_relay(flow: &Flow) -> AtRelay {
    let Flow { at_relay: at, forwarded, back, answered, client, relay, gateway, meddled, copy_back, .. } =
        *flow;
    AtRelay { at, forwarded, back, answered, client, relay, gateway, up: UP, down: DOWN, meddled, copy_back }
}

fn at_gateway(scenario: &Scenario, flow: &Flow) -> AtGateway {
    let Flow { at_gateway: at, relay, gateway, identifier, key, client, .. } = *flow;
    let issuer = (client % u32::from(scenario.population.issuers)) as u16;
    let publish = flow.kind == Kind::Publish;
    AtGateway { at, relay, gateway, identifier, publish, issuer, key, up: UP, down: DOWN }
}
