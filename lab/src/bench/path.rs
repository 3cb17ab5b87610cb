//! The whole path at once, one lookup after the other: client, relay, gateway; beside a lookup that goes to the
//! same resolver over HTTPS and hides nothing. Sealing, opening and verifying the answer are part of the time.

use super::Bench;
use super::delay::Distance;
use super::load::{Link, Target, cold};
use super::stock::Directory;
use super::system::{DOMAIN, GATEWAY_PATH, NAME, System, Transport};
use crate::stress::tally::median;
use anyhow::{Context, Result};
use bytes::Bytes;
use discreet_envelope::keys::Kem;
use discreet_envelope::padding;
use discreet_gateway::Keyring;
use discreet_protocol::identifier::Domain;
use discreet_protocol::query::{IdentifierRequest, Subject, lookup_path};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The emulated round trip of each hop.
const ROUND_TRIP: Duration = Duration::from_millis(10);
/// Lookups of each kind in a round, over connections that are open.
const WARM: usize = 300;
/// Over new connections, and at a distance.
const COLD: usize = 60;

/// A kind of lookup, measured: half took no longer, in milliseconds, for each round.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) p50: Vec<f64>,
}

impl Line {
    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "p50_ms": self.p50 })
    }

    pub(super) fn median(&self) -> f64 {
        median(self.p50.clone())
    }
}

/// What a lookup goes through.
struct Ways {
    direct: Target,
    sealed: Target,
}

pub(super) fn rounds(bench: &Bench) -> usize {
    bench.plan.rounds * 12
}

pub(super) async fn measure(bench: &Bench, system: &System) -> Result<Vec<Line>> {
    let gateway = system.gateway(Transport::Tls, "free").await?;
    let relay = system.relay(Transport::Tls, gateway.address()).await?;
    let resolver = system.resolver().await?;
    let far_gateway = Distance::new(gateway.address(), ROUND_TRIP).await?;
    let far_relay = system.relay(Transport::Tls, far_gateway.address).await?;
    let far_relay = Distance::new(far_relay.address(), ROUND_TRIP).await.map(|it| (far_relay, it))?;
    let far_resolver = Distance::new(resolver.address(), ROUND_TRIP).await?;
    let policy = system.policy(Transport::Tls, gateway.address()).await?;
    let directory = |kem| Directory::new(policy.clone(), kem, system.present.clone(), system.absent.clone());
    let (x25519, xwing) = (Arc::new(directory(Kem::X25519)?), Arc::new(directory(Kem::XWing)?));
    let path = lookup_path(&Domain::new(DOMAIN)?);
    let relay_path = format!("/{NAME}");
    let near = Ways {
        direct: system.known(resolver.address(), &path)?,
        sealed: system.target(Transport::Tls, relay.address(), &relay_path),
    };
    let far = Ways {
        direct: system.known(far_resolver.address, &path)?,
        sealed: system.target(Transport::Tls, far_relay.1.address, &relay_path),
    };
    let at_gateway = system.target(Transport::Tls, gateway.address(), GATEWAY_PATH);
    let mut lines: Vec<Line> = NAMES.iter().map(|name| Line { name, p50: Vec::new() }).collect();
    for _ in 0..bench.plan.rounds {
        let p50s = [
            warm_direct(bench, &x25519, &near.direct, WARM).await?,
            warm(bench, &x25519, &at_gateway, WARM).await?,
            warm(bench, &x25519, &near.sealed, WARM).await?,
            warm(bench, &xwing, &near.sealed, WARM).await?,
            colds_direct(bench, &x25519, &near.direct).await?,
            colds(bench, &x25519, &near.sealed).await?,
            warm_direct(bench, &x25519, &far.direct, COLD).await?,
            warm(bench, &x25519, &far.sealed, COLD).await?,
            colds_direct(bench, &x25519, &far.direct).await?,
            colds(bench, &x25519, &far.sealed).await?,
        ];
        for (line, p50) in lines.iter_mut().zip(p50s) {
            line.p50.push(p50);
        }
    }
    for (name, directory) in [(CLIENT, &x25519), (CLIENT_XWING, &xwing)] {
        let mut line = Line { name, p50: Vec::new() };
        for _ in 0..bench.plan.rounds {
            line.p50.push(sealed(bench, directory, &near.sealed, WARM).await?.1);
        }
        lines.push(line);
    }
    let keys = system.keyring()?;
    let rounds = (0..bench.plan.rounds).map(|_| at_the_gateway(&keys, &x25519));
    lines.push(Line { name: GATEWAY, p50: rounds.collect::<Result<_>>()? });
    Ok(lines)
}

/// What is measured, in the order of the rounds.
const NAMES: [&str; 10] = [
    "direct HTTPS to the resolver",
    "sealed, to the gateway without a relay",
    "sealed, client → relay → gateway",
    "the same, X-Wing",
    "direct, new connection",
    "client → relay → gateway, new connection to the relay",
    "direct, 10 ms away",
    "client → relay → gateway, each hop 10 ms",
    "direct, new connection, 10 ms away",
    "client → relay → gateway, new connection, each hop 10 ms",
];
/// What the client's cryptography takes of it.
const CLIENT: &str = "of it: sealing and opening in the client";
const CLIENT_XWING: &str = "of it: the same, X-Wing";
/// What the gateway's takes of it, measured in this process.
const GATEWAY: &str = "of it: opening and sealing in the gateway";

/// A ratio to the direct lookup, for the table.
pub(super) fn table(lines: &[Line]) -> Vec<String> {
    let direct = |name: &str| {
        let of = match name {
            _ if name.contains("new connection") && name.contains("10 ms") => 8,
            _ if name.contains("10 ms") => 6,
            _ if name.contains("new connection") => 4,
            _ => 0,
        };
        lines.get(of).map_or(f64::NAN, Line::median)
    };
    let mut table = vec![format!("{:<58} {:>8} {:>9}", "one lookup at a time", "p50 ms", "× direct")];
    table.extend(lines.iter().map(|line| {
        format!("{:<58} {:>8.3} {:>9.2}", line.name, line.median(), line.median() / direct(line.name))
    }));
    let of = |name| lines.iter().find(|line| line.name == name).map_or(f64::NAN, Line::median);
    let [direct, _, relayed, ..] = NAMES.map(of);
    let parts = 2.0 * direct + of(CLIENT) + of(GATEWAY);
    table.push(format!(
        "client → relay → gateway: {:.2} × (two direct lookups, sealing and opening on both sides)",
        relayed / parts
    ));
    table
}

/// The median time of opening a lookup and sealing an answer.
fn at_the_gateway(keys: &Keyring, directory: &Directory) -> Result<f64> {
    let mut times = Vec::new();
    for number in 0..WARM {
        let (request, _) = directory.ask(number)?;
        let start = Instant::now();
        let opened = keys.open(&request)?;
        let plain = vec![0; padding::response_room(opened.sealer.aead())];
        opened.sealer.seal(plain).context("there is no randomness")?;
        times.push(start.elapsed());
    }
    Ok(p50(times))
}

fn content(directory: &Directory, number: usize) -> Result<(usize, Bytes)> {
    let index = number.wrapping_mul(7_919) % directory.present.len().max(1);
    let csi = directory.present.get(index).context("there is nobody to ask for")?;
    let request = IdentifierRequest { subject: Subject::Exact(csi.clone()), tag: None };
    Ok((index, request.encode().context("the query cannot be encoded")?.into()))
}

async fn warm_direct(bench: &Bench, directory: &Directory, target: &Target, count: usize) -> Result<f64> {
    let mut link = Link::open(target).await?;
    let mut times = Vec::new();
    for number in 0..count {
        let start = Instant::now();
        let (index, content) = content(directory, number)?;
        let answer = link.post(target, content).await?;
        directory.verify_of(index, &answer)?;
        times.push(start.elapsed());
    }
    bench.bar.inc(1);
    Ok(p50(times))
}

async fn warm(bench: &Bench, directory: &Directory, target: &Target, count: usize) -> Result<f64> {
    Ok(sealed(bench, directory, target, count).await?.0)
}

/// The median time of a lookup, and that of sealing and opening in it.
async fn sealed(bench: &Bench, directory: &Directory, target: &Target, count: usize) -> Result<(f64, f64)> {
    let mut link = Link::open(target).await?;
    let (mut times, mut cryptography) = (Vec::new(), Vec::new());
    for number in 0..count {
        let start = Instant::now();
        let (request, pending) = directory.ask(number)?;
        let asked = start.elapsed();
        let answer = link.post(target, request).await?;
        let come = Instant::now();
        let opened = directory.open(pending, &answer)?;
        cryptography.push(asked + come.elapsed());
        directory.verify(opened)?;
        times.push(start.elapsed());
    }
    bench.bar.inc(1);
    Ok((p50(times), p50(cryptography)))
}

async fn colds_direct(bench: &Bench, directory: &Directory, target: &Target) -> Result<f64> {
    let mut times = Vec::new();
    for number in 0..COLD {
        let start = Instant::now();
        let (index, content) = content(directory, number)?;
        directory.verify_of(index, &cold(target, content).await?)?;
        times.push(start.elapsed());
    }
    bench.bar.inc(1);
    Ok(p50(times))
}

async fn colds(bench: &Bench, directory: &Directory, target: &Target) -> Result<f64> {
    let mut times = Vec::new();
    for number in 0..COLD {
        let start = Instant::now();
        let (request, pending) = directory.ask(number)?;
        directory.verify(directory.open(pending, &cold(target, request).await?)?)?;
        times.push(start.elapsed());
    }
    bench.bar.inc(1);
    Ok(p50(times))
}

fn p50(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
