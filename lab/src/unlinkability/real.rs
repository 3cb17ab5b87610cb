//! The same scenario in real time: the product's clients, relays and gateway in this process, over TLS on
//! loopback, and taps at the servers' doors that see what each party would. Clients do what the simulation says at
//! the moment it says; how long all takes, and what relays hold back, is real.
//!
//! Links are loopback's, whatever the scenario says of them; there are no publishes and no tokens.

use super::engine::{Run, client, public};
use super::population::Contacts;
use super::results::Summary;
use super::scenario::{Mix, Scenario};
use super::trace::Messages;
use super::view::{
    AtGateway, AtRelay, Exchange, FirstHop, Kind, Meddling, NEVER, NO_ROW, SecondHop, Truth, Views,
};
use anyhow::{Context, Result, ensure};
use discreet_client::{Client, Csi, Query, Timestamp};
use discreet_serve::Clock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tap::{Passed, Tap};
use tests::{Net, World};
use tokio::task::JoinSet;

mod tap;

/// Clients a run in real time has at most: each has connections of its own.
pub const MOST_CLIENTS: u32 = 200;
/// Hours a run in real time lasts at most.
pub const MOST_HOURS: f64 = 0.25;
/// Until everything is connected and has its policy.
const WARM_UP: Duration = Duration::from_secs(2);

/// Runs a scenario in real time.
///
/// # Errors
///
/// When it is too large for that, or the network cannot be started, or a lookup fails.
pub async fn run(scenario: &Scenario, contacts: &Contacts, messages: Option<&Messages>) -> Result<Run> {
    ensure!(scenario.clients <= MOST_CLIENTS, "clients must be {MOST_CLIENTS} or less in real time");
    ensure!(scenario.hours <= MOST_HOURS, "hours must be {MOST_HOURS} or less in real time");
    // A client believes a policy that two operators' relays agree on.
    ensure!(scenario.network.relays >= 2, "network.relays must be 2 or more in real time");
    ensure!(scenario.network.gateways == 1, "network.gateways must be 1 in real time");
    ensure!(scenario.changes.publishes_per_day == 0.0, "changes.publishes_per_day must be 0 in real time");
    let start = Instant::now();
    let tap = Tap::new(start);
    let net = start_net(scenario, &tap).await?;
    let mut clients = JoinSet::new();
    let mut connecting = JoinSet::new();
    for number in 0..scenario.clients {
        let client = net.client().local_address(address(number)).build()?;
        connecting.spawn(async move { client.policy().await.map(|_| (number, client)) });
    }
    let mut ready = Vec::new();
    while let Some(client) = connecting.join_next().await {
        ready.push(client?.context("a client's policy")?);
    }
    let begin = Instant::now() + WARM_UP;
    for (number, client) in ready {
        let real = messages.map(|messages| messages.of(number));
        let life = client::live(scenario, number, contacts.of(number), real);
        clients.spawn(async move { live(number, &client, life, begin).await });
    }
    let mut lives = HashMap::new();
    while let Some(life) = clients.join_next().await {
        let (number, sent) = life??;
        lives.insert(number, sent);
    }
    let passed = tap.passed();
    drop(net);
    Ok(record(scenario, contacts, lives, &passed))
}

/// What a client sent: when, about whom, and what for.
type Sent = Vec<(u64, u32, Kind)>;

/// One request after the other, each at its time or as soon as the one before is answered: their order is how
/// what the relay saw is known again.
async fn live(number: u32, client: &Client, life: client::Life, begin: Instant) -> Result<(u32, Sent)> {
    let mut sent = Vec::new();
    for request in life.sent {
        tokio::time::sleep_until((begin + Duration::from_millis(request.at)).into()).await;
        sent.push((request.at, request.identifier, request.kind));
        client.lookup(Query { csi: csi(request.identifier)?, tag: None }).await.context("a lookup")?;
    }
    Ok((number, sent))
}

async fn start_net(scenario: &Scenario, tap: &Tap) -> Result<Net> {
    let world = World::new(scenario.seed, Timestamp::from_unix(Clock::system().now()));
    let lines: Result<Vec<_>> =
        (0..scenario.clients).map(|person| Ok(world.line(csi(person)?.value()))).collect();
    let door = tap.clone();
    let builder = Net::builder().relays(scenario.network.relays.into()).clock(Clock::system()).lines(lines?);
    let builder = match scenario.mix {
        Mix::Off => builder,
        mix => {
            let (settings, gateway) = (mix.settings()?.context("a mix")?, "dp".parse()?);
            builder.relay_config(move |config| {
                config.mix.insert(Clone::clone(&gateway), settings);
            })
        }
    };
    let builder = builder.front(move |party, addr, certificate, key| {
        // Doors count from the gateway, which is the first to be opened.
        let door_number = party.strip_prefix("relay-").and_then(|number| number.parse().ok()).unwrap_or(0);
        // Without a tap there is nothing to see, which the record notices.
        door.guard(door_number, addr, certificate, key).unwrap_or(addr)
    });
    builder.start(world).await
}

/// A number that is person `person`'s.
fn csi(person: u32) -> Result<Csi> {
    Csi::phone(&format!("+1202{:07}", 5_550_000 + person)).context("a number")
}

/// Where client `number` connects from: an address of its own.
fn address(number: u32) -> IpAddr {
    // Never beyond: there are MOST_CLIENTS.
    IpAddr::V4(Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250 + 1) as u8))
}

/// Puts together what the taps saw, and what clients did.
fn record(scenario: &Scenario, contacts: &Contacts, mut lives: HashMap<u32, Sent>, passed: &[Passed]) -> Run {
    let client_at: HashMap<IpAddr, u32> =
        (0..scenario.clients).map(|number| (address(number), number)).collect();
    let mut first: Vec<&Passed> = passed.iter().filter(|it| it.door > 0).collect();
    first.sort_by_key(|it| it.at);
    let mut second: Vec<&Passed> = passed.iter().filter(|it| it.door == 0).collect();
    second.sort_by_key(|it| it.at);
    // A relay passes content on as it is.
    let second_of: HashMap<u64, usize> = second.iter().enumerate().map(|(row, it)| (it.hash, row)).collect();
    lives.values_mut().for_each(|sent| sent.reverse());
    let mut views = Views {
        first_hop: Vec::new(),
        second_hop: Vec::new(),
        relay: Vec::new(),
        gateway: Vec::new(),
        issuer: Vec::new(),
        contacts: contacts.clone(),
        public: public(scenario),
    };
    let (mut truth, mut lost) = (Truth::default(), 0);
    let mut whom = vec![(0u32, 0u32); second.len()];
    let mut relays = vec![0u16; second.len()];
    for came in first {
        let Some(&client) = client_at.get(&came.peer) else { continue };
        let Some((sent, identifier, kind)) = lives.get_mut(&client).and_then(Vec::pop) else { continue };
        let left = second_of.get(&came.hash).copied();
        lost += u64::from(left.is_none());
        let relay = (came.door - 1) as u16;
        if let Some(row) = left {
            (whom[row], relays[row]) = ((client, identifier), relay);
        }
        let row = left.map_or(NO_ROW, |row| row as u32);
        let first_hop = views.first_hop.len() as u32;
        truth.exchanges.push(Exchange {
            sent,
            client,
            identifier,
            kind,
            first_hop,
            second_hop: row,
            gateway: row,
            issuer: NO_ROW,
        });
        views.push(came, client, relay, left.map(|row| second[row]));
    }
    for (row, it) in second.iter().enumerate() {
        let (at, relay, up) = (it.at, relays[row], it.up);
        let (answered, down) = it.answer.unwrap_or((NEVER, 0));
        views.second_hop.push(SecondHop { at, answered, relay, gateway: 0, up, down });
        let (client, identifier) = whom[row];
        let issuer = views.public.issuer_of(client);
        let (gateway, publish, key) = (0, false, 0);
        views.gateway.push(AtGateway { at, relay, gateway, identifier, publish, issuer, key, up, down });
    }
    let summary = summary(scenario, contacts, &views, &truth);
    Run { views, truth, summary, mixes: Vec::new(), lost }
}

impl Views {
    /// Adds an exchange as clients' wires and the relay showed it.
    fn push(&mut self, came: &Passed, client: u32, relay: u16, left: Option<&Passed>) {
        let (at, up) = (came.at, came.up);
        let (answered, down) = came.answer.unwrap_or((NEVER, 0));
        self.first_hop.push(FirstHop { at, answered, client, relay, up, down });
        let forwarded = left.map_or(NEVER, |left| left.at);
        let back = left.and_then(|left| left.answer).map_or(NEVER, |(at, _)| at);
        let (gateway, meddled, copy_back) = (0, Meddling::None, NEVER);
        self.relay.push(AtRelay {
            at,
            forwarded,
            back,
            answered,
            client,
            relay,
            gateway,
            up,
            down,
            meddled,
            copy_back,
        });
    }
}

fn summary(scenario: &Scenario, contacts: &Contacts, views: &Views, truth: &Truth) -> Summary {
    let count = |kind| truth.exchanges.iter().filter(|it| it.kind == kind).count() as u64;
    let (lookups, covers) = (count(Kind::Lookup), count(Kind::Cover));
    let days = scenario.hours / 24.0;
    let mut times: Vec<u64> =
        views.relay.iter().filter(|row| row.answered != NEVER).map(|row| row.answered - row.at).collect();
    times.sort_unstable();
    let at = |times: &[u64], share: f64| {
        times.get((times.len() as f64 * share) as usize).map_or(0.0, |time| *time as f64)
    };
    let mut added: Vec<u64> = views
        .relay
        .iter()
        .filter(|row| row.forwarded != NEVER)
        .map(|row| row.forwarded.saturating_sub(row.at))
        .collect();
    added.sort_unstable();
    Summary {
        clients: scenario.clients.into(),
        contacts: contacts.entries() as u64,
        lookups,
        covers,
        per_client_and_day: (lookups + covers) as f64 / f64::from(scenario.clients) / days,
        latency_median_ms: at(&times, 0.5),
        latency_p99_ms: at(&times, 0.99),
        added_median_ms: at(&added, 0.5),
        ..Summary::default()
    }
}
