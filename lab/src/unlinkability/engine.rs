//! A scenario in virtual time. Clients depend on no answer in when they ask, so a run is a chain of stages:
//! clients live, each for itself; then events go through each relay's mix in the order of time, by the product's
//! own [`Mix`](discreet_relay::mix::Mix); then every party's view is written down. Independent pieces run
//! in parallel, each with chance of its own, and are put together in a fixed order: the number of threads
//! changes nothing.

use super::population::Contacts;
use super::randomness::{Purpose, exponential, stream};
use super::results::{MixFigures, Summary};
use super::scenario::{Delay, Scenario};
use super::trace::Messages;
use super::view::{AtIssuer, Kind, Meddling, NEVER, NO_ROW, Truth, Views};
use rand::{Rng, RngExt};
use rayon::prelude::*;

pub mod client;
mod interference;
mod mixing;
mod record;
mod wallet;

pub use interference::Interference;
pub(super) use record::public;

/// Content of every request, in bytes: the product's one size.
pub const UP: u16 = 4096;
/// Content of every answer.
pub const DOWN: u16 = 8192;

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was seen.
    pub views: Views,
    /// What happened.
    pub truth: Truth,
    /// Counts.
    pub summary: Summary,
    /// What the mixes did.
    pub mixes: Vec<MixFigures>,
    /// Lookups that were lost to an adversary.
    pub lost: u64,
}

/// Told how much is done.
pub trait Progress: Sync {
    /// So many more clients are through a stage.
    fn advance(&self, clients: u64);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _: u64) {}
}

/// How often [`Progress`] is told of each client in a run.
pub const STAGES: u64 = 2;

/// Runs `scenario` with somebody who interferes, or nobody.
pub fn run(
    scenario: &Scenario,
    contacts: &Contacts,
    real: Option<&Messages>,
    interference: Interference,
    progress: &impl Progress,
) -> Run {
    let (mut flows, issued, mut summary) = clients(scenario, contacts, real, progress);
    let lost = interference.before_relays(scenario, &mut flows);
    flows.par_sort_by_key(|flow| flow.at_relay);
    interference.at_relays(scenario, &mut flows);
    let mixes = mixing::through_relays(scenario, &mut flows);
    progress.advance(contacts.clients().into());
    let lost = lost + flows.iter().filter(|flow| flow.forwarded == NEVER).count() as u64;
    summary.measure(&flows, scenario);
    let (views, truth) = record::record(scenario, contacts, issued, &flows);
    Run { views, truth, summary, mixes, lost }
}

/// One exchange on its way.
#[derive(Clone, Copy, Debug)]
struct Flow {
    sent: u64,
    at_relay: u64,
    forwarded: u64,
    at_gateway: u64,
    back: u64,
    answered: u64,
    copy_back: u64,
    client: u32,
    identifier: u32,
    issuer: u32,
    /// From relay to gateway, answering, and back.
    up_ms: u32,
    answering_ms: u32,
    down_ms: u32,
    /// Held by a dishonest relay, in milliseconds.
    held_ms: u32,
    key: u32,
    relay: u16,
    gateway: u16,
    kind: Kind,
    meddled: Meddling,
}

/// All clients' requests in the order of clients, and what issuers gave.
fn clients(
    scenario: &Scenario,
    contacts: &Contacts,
    real: Option<&Messages>,
    progress: &impl Progress,
) -> (Vec<Flow>, Vec<AtIssuer>, Summary) {
    let lives: Vec<_> = (0..contacts.clients())
        .into_par_iter()
        .map(|client| {
            let book = contacts.of(client);
            let mut life = client::live(scenario, client, book, real.map(|real| real.of(client)));
            let mut rng = stream(scenario.seed, Purpose::Network, client.into());
            let sent = std::mem::take(&mut life.sent);
            let flows: Vec<_> =
                sent.iter().map(|sent| Flow::new(scenario, client, *sent, &mut rng)).collect();
            progress.advance(1);
            (flows, life)
        })
        .collect();
    let mut summary = Summary {
        clients: contacts.clients().into(),
        contacts: contacts.entries() as u64,
        ..Summary::default()
    };
    let (mut flows, mut issued) = (Vec::new(), Vec::<AtIssuer>::new());
    for (of_client, life) in lives {
        summary.from_cache += life.from_cache;
        summary.hurried += life.hurried;
        // A client's own numbers of issuances become those of all.
        let base = issued.len() as u32;
        flows.extend(of_client.into_iter().map(|mut flow| {
            flow.issuer = if flow.issuer == NO_ROW { NO_ROW } else { flow.issuer + base };
            flow
        }));
        issued.extend(life.issued);
    }
    summary.issuances = issued.len() as u64;
    (flows, issued, summary)
}

impl Flow {
    fn new(scenario: &Scenario, client: u32, sent: client::Sent, rng: &mut impl Rng) -> Self {
        let network = &scenario.network;
        Self {
            sent: sent.at,
            at_relay: sent.at + u64::from(network.client_relay.draw(rng)),
            forwarded: NEVER,
            at_gateway: NEVER,
            back: NEVER,
            answered: NEVER,
            copy_back: NEVER,
            client,
            identifier: sent.identifier,
            issuer: sent.issuance,
            up_ms: network.relay_gateway.draw(rng),
            answering_ms: network.answering.draw(rng),
            down_ms: network.relay_gateway.draw(rng),
            held_ms: 0,
            key: 0,
            relay: rng.random_range(0..network.relays),
            gateway: (sent.identifier % u32::from(network.gateways)) as u16,
            kind: sent.kind,
            meddled: Meddling::None,
        }
    }
}

impl Delay {
    /// One delay, in whole milliseconds.
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        // Never beyond a day, whatever the tail says.
        (self.median_ms * (self.spread * super::randomness::normal(rng)).exp()).min(8.64e7).round() as u32
    }
}

impl Summary {
    fn measure(&mut self, flows: &[Flow], scenario: &Scenario) {
        let count = |kind| flows.par_iter().filter(|flow| flow.kind == kind).count() as u64;
        self.lookups = count(Kind::Lookup);
        self.covers = count(Kind::Cover);
        self.publishes = count(Kind::Publish);
        self.per_client_and_day =
            (self.lookups + self.covers) as f64 / self.clients.max(1) as f64 / (scenario.hours / 24.0);
        let answered = || flows.par_iter().filter(|flow| flow.answered != NEVER && flow.kind != Kind::Flood);
        let mut times: Vec<u64> = answered().map(|flow| flow.answered - flow.sent).collect();
        times.par_sort_unstable();
        let at = |times: &[u64], share: f64| {
            times.get((times.len() as f64 * share) as usize).map_or(0.0, |time| *time as f64)
        };
        (self.latency_median_ms, self.latency_p99_ms) = (at(&times, 0.5), at(&times, 0.99));
        times = answered().map(|flow| flow.forwarded - flow.at_relay).collect();
        times.par_sort_unstable();
        self.added_median_ms = at(&times, 0.5);
    }
}

/// A Poisson process of so many per second, up to `end`, in milliseconds.
fn poisson(rng: &mut impl Rng, per_second: f64, end: u64) -> Vec<u64> {
    let mut at = 0.0;
    std::iter::from_fn(|| {
        at += exponential(rng, 1000.0 / per_second);
        (at < end as f64).then_some(at as u64)
    })
    .collect()
}
