//! Many live runs, and a classifier that tries to tell from everything one party saw which of two clients
//! asked which of two identifiers.
//!
//! In each run both clients ask, in random order; a coin says who asks about whom. The party's view of a run is
//! two exchanges: sizes, times, every byte of the header fields, the connection they came over, the order. The
//! gateway knows which of the two was about X, and wants to know whether A asked it. The relays, put together,
//! know which of the two came from A, and want to know whether it was about X.

use super::Leak;
use super::system::{Asking, System};
use crate::stress::bar;
use crate::view::{Connection, Exchange, Message, exchanges};
use anyhow::{Context, Result, ensure};
use discreet_gateway::{Keyring, keyfile};
use discreet_protocol::time::Timestamp;
use lab::unlinkability::statistics::classifier::{Auc, classify};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::sleep;

/// How long the first client dawdles in the planted leak.
const DAWDLE: Duration = Duration::from_millis(20);

/// How well one party's view tells who asked which.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) party: &'static str,
    #[serde(flatten)]
    pub(super) auc: Auc,
}

/// One exchange in a party's view.
struct Sight {
    exchange: Exchange,
    peer: IpAddr,
    /// Which of the party's connections.
    connection: usize,
}

/// Plays `runs` runs.
pub(super) async fn run(runs: u32, seed: u64, plant: Option<Leak>) -> Result<Vec<Seen>> {
    let system = System::start(seed, None).await?;
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    // Whether client 0 asks about identifier 0.
    let mut labels = Vec::new();
    let bar = bar(runs.into(), "runs");
    for _ in 0..runs {
        let (straight, forward) = (random.random::<bool>(), random.random::<bool>());
        for client in if forward { [0, 1] } else { [1, 0] } {
            if plant == Some(Leak::Delay) && client == 0 {
                sleep(DAWDLE).await;
            }
            system.ask(Asking { client, csi: if straight { client } else { 1 - client } }, None).await?;
        }
        labels.push(straight);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let connections = system.connections();
    let gateway = gateway(&system, sights(&connections, "gateway")?, &labels, plant)?;
    let relays = relays(sights(&connections, "relay")?, &labels, plant)?;
    Ok(vec![
        Seen { party: "gateway", auc: classify(&gateway) },
        Seen { party: "relays", auc: classify(&relays) },
    ])
}

/// The lookups that parties whose name begins with `party` saw, in the order in which they came.
fn sights(connections: &[Connection], party: &str) -> Result<Vec<Sight>> {
    let mut sights = Vec::new();
    let of_party = connections.iter().filter(|connection| connection.party.starts_with(party));
    for (index, connection) in of_party.enumerate() {
        let lookups =
            exchanges(connection)?.into_iter().filter(|exchange| exchange.line().starts_with("POST"));
        let peer = connection.peer.ip();
        sights.extend(lookups.map(|exchange| Sight { exchange, peer, connection: index }));
    }
    sights.sort_by_key(|sight| sight.exchange.request.first);
    Ok(sights)
}

/// The gateway's samples: the lookup about the first identifier against the other.
fn gateway(
    system: &System,
    mut sights: Vec<Sight>,
    labels: &[bool],
    plant: Option<Leak>,
) -> Result<Vec<(Vec<f64>, bool)>> {
    let net = system.net();
    let ratchet = keyfile::read(&net.folder().join("ohttp.keys")).context("the gateway's keys")?;
    let keys = Keyring::at(&ratchet, Timestamp::from_unix(net.clock.now())).context("the gateway's keys")?;
    let [first, _] = &system.asked;
    let is_first = |sight: &Sight| -> Result<bool> {
        let opened = keys.open(&sight.exchange.request.body).context("a lookup does not open")?;
        Ok(opened.message.windows(first.value().len()).any(|window| window == first.value().as_bytes()))
    };
    let firsts = sights.iter().map(is_first).collect::<Result<Vec<_>>>()?;
    if plant == Some(Leak::Header) {
        for ((sight, first), pair) in sights.iter_mut().zip(&firsts).zip(0..) {
            let straight = labels.get(pair / 2).copied().unwrap_or_default();
            let client = u8::from(straight != *first);
            sight.exchange.request.fields.push(("x-client".to_owned(), client.to_string().into()));
        }
    }
    samples(&sights, &firsts, labels)
}

/// The relays' samples: the lookup of the first client against the other's.
fn relays(mut sights: Vec<Sight>, labels: &[bool], plant: Option<Leak>) -> Result<Vec<(Vec<f64>, bool)>> {
    let firsts: Vec<_> = sights.iter().map(|sight| Some(sight.peer) == System::address(0)).collect();
    if plant == Some(Leak::Size) {
        for ((sight, first), pair) in sights.iter_mut().zip(&firsts).zip(0..) {
            let straight = labels.get(pair / 2).copied().unwrap_or_default();
            if straight == *first {
                sight.exchange.request.body.push(0);
            }
        }
    }
    samples(&sights, &firsts, labels)
}

fn samples(sights: &[Sight], firsts: &[bool], labels: &[bool]) -> Result<Vec<(Vec<f64>, bool)>> {
    ensure!(sights.len() == 2 * labels.len(), "{} lookups seen of {}", sights.len(), 2 * labels.len());
    let mut samples = Vec::new();
    for ((pair, firsts), label) in sights.chunks(2).zip(firsts.chunks(2)).zip(labels) {
        let ([one, two], [one_is_first, two_is_first]) = (pair, firsts) else { continue };
        ensure!(one_is_first != two_is_first, "the lookups of a run cannot be told apart");
        let (first, second) = if *one_is_first { (one, two) } else { (two, one) };
        let mut features: Vec<_> =
            values(first).iter().zip(values(second)).map(|(first, second)| first - second).collect();
        features.push(f64::from(u8::from(*one_is_first)));
        samples.push((features, *label));
    }
    Ok(samples)
}

/// Everything about one exchange, as numbers.
fn values(sight: &Sight) -> Vec<f64> {
    let Exchange { request, response } = &sight.exchange;
    let took = |from: Duration, until: Duration| until.saturating_sub(from).as_secs_f64();
    let mut values = vec![
        request.first.as_secs_f64(),
        took(request.first, request.last),
        took(request.last, response.first),
        took(response.first, response.last),
        sight.connection as f64,
    ];
    for message in [request, response] {
        values.push(message.body.len() as f64);
        values.extend(histogram(message));
    }
    values
}

/// How often each byte occurs in the header fields.
fn histogram(message: &Message) -> Vec<f64> {
    let mut counts = vec![0.0; 256];
    for byte in message.head() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1.0;
        }
    }
    counts
}
