//! `lab record`: what each party of the real system sees of a small population, as tables for other programs.
//!
//! One CSV file for each party, with what that party sees and nothing else; the truth is in a file apart. The
//! columns are described in `lab/README.md`.

use crate::files;
use crate::generate;
use crate::stress::bar;
use crate::view::{Connection, Exchange, Message, Recorder, exchanges};
use anyhow::{Context, Result, ensure};
use clap::Args;
use discreet_client::{Client, Csi, Query};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use tests::{Net, World};
use tokio::time::sleep;

/// The parties, by the names of their files.
const PARTIES: [&str; 3] = ["relay-1", "relay-2", "gateway"];
/// How many people are in the directory; every fifth lookup is about somebody else.
const MAPPINGS: u64 = 40;
const ABSENT: usize = 5;
/// Bytes of the hash of a content.
const HASH_BYTES: usize = 8;
/// Most lookups: a run is a matter of minutes, and all of it is kept in memory.
const MAX_LOOKUPS: u64 = 100_000;

#[derive(Args)]
pub(crate) struct Options {
    /// Folder for the tables; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How many clients, each with an address of its own
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=200))]
    clients: u8,
    /// How many lookups each of them makes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    lookups: u32,
    /// The mean time between two lookups of all clients together, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    mean_ms: u32,
    /// What the behaviour comes from: who asks about whom, and when
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A row of a party's table: a request that it received, or a response that it sent.
#[derive(Serialize)]
struct Row<'a> {
    /// When its last byte had passed, in nanoseconds since the recording began.
    time_ns: u128,
    party: &'a str,
    direction: &'static str,
    /// The address at the other end.
    peer: IpAddr,
    /// Which of the party's connections; counted from 0.
    connection: usize,
    /// The request: method and path.
    kind: String,
    status: String,
    head_bytes: usize,
    body_bytes: usize,
    /// The beginning of the SHA-256 of the content, in hex; empty where there is none.
    body_sha256: String,
}

/// A row of the truth.
#[derive(Serialize)]
struct Truth {
    time_ns: u128,
    until_ns: u128,
    client: usize,
    address: IpAddr,
    csi: String,
    found: bool,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let lookups = u64::from(options.clients) * u64::from(options.lookups);
    ensure!(lookups <= MAX_LOOKUPS, "{lookups} lookups are too many: at most {MAX_LOOKUPS} are recorded");
    crate::create_folder(&options.out)?;
    let recorder = Recorder::default();
    let truth = live(options, lookups, &recorder).await?;
    let connections = recorder.connections();
    recorder.stop().await;
    let mut rows = 0;
    for party in PARTIES {
        let table = table(party, &connections)?;
        rows += table.len();
        files::write(&options.out.join(format!("{party}.csv")), &csv(&table)?)?;
    }
    files::write(&options.out.join("truth.csv"), &csv(&truth)?)?;
    println!("{lookups} lookups, {rows} rows in {}", options.out.display());
    Ok(())
}

/// Lets the population live, and says what it did.
async fn live(options: &Options, lookups: u64, recorder: &Recorder) -> Result<Vec<Truth>> {
    let world = World::new(options.seed, Timestamp::from_unix(Clock::system().now()));
    let lines = generate::lines(&world, options.seed, MAPPINGS)?;
    let people = generate::numbers(options.seed, usize::try_from(MAPPINGS)? + 1);
    let guard = recorder.clone();
    let builder = Net::builder().clock(Clock::system()).lines(lines);
    let builder = builder.front(move |party, addr, certificate, key| {
        // Without a recorder there are no rows, which is noticed.
        guard.guard(party, addr, certificate, key).unwrap_or(addr)
    });
    let net = builder.start(world).await?;
    let addresses = (0..options.clients).map(address);
    let clients: Vec<Client> =
        addresses.map(|address| net.client().local_address(address).build()).collect::<Result<_, _>>()?;
    let mut random = ChaCha20Rng::seed_from_u64(options.seed);
    let mut truth = Vec::new();
    let bar = bar(lookups, "lookups");
    for turn in 0..lookups {
        // Exponential pauses: arrivals are a Poisson process.
        let even: f64 = random.random_range(f64::EPSILON..1.0);
        sleep(Duration::from_secs_f64(f64::from(options.mean_ms) / 1000.0 * -even.ln())).await;
        let client = random.random_range(0..clients.len());
        let csi = whom(&people, turn, &mut random)?;
        let from = recorder.now();
        let asking = clients.get(client).context("no such client")?;
        let answer = asking.lookup(Query { csi: csi.clone(), tag: None }).await.context("a lookup failed")?;
        truth.push(Truth {
            time_ns: from.as_nanos(),
            until_ns: recorder.now().as_nanos(),
            client,
            address: address(u8::try_from(client)?),
            csi: csi.uri(),
            found: !answer.mappings.is_empty(),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(truth)
}

/// Somebody in the directory, or at times the one who is not.
fn whom(people: &[Csi], turn: u64, random: &mut ChaCha20Rng) -> Result<Csi> {
    let last = people.len().saturating_sub(1);
    let absent = turn.is_multiple_of(ABSENT as u64);
    let at = if absent { last } else { random.random_range(0..last) };
    people.get(at).cloned().context("nobody to ask about")
}

fn address(client: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, client.saturating_add(1)).into()
}

fn table<'a>(party: &'a str, connections: &[Connection]) -> Result<Vec<Row<'a>>> {
    let mut rows = Vec::new();
    let of_party = connections.iter().filter(|connection| connection.party == party);
    for (index, connection) in of_party.enumerate() {
        for exchange in exchanges(connection)? {
            let row =
                |message: &Message, direction| row(message, direction, &exchange, party, index, connection);
            rows.push(row(&exchange.request, "received"));
            rows.push(row(&exchange.response, "sent"));
        }
    }
    rows.sort_by_key(|row| row.time_ns);
    Ok(rows)
}

fn row<'a>(
    message: &Message,
    direction: &'static str,
    exchange: &Exchange,
    party: &'a str,
    index: usize,
    connection: &Connection,
) -> Row<'a> {
    let hash = Sha256::digest(&message.body);
    let hash = hex::encode(hash.get(..HASH_BYTES).unwrap_or_default());
    Row {
        time_ns: message.last.as_nanos(),
        party,
        direction,
        peer: connection.peer.ip(),
        connection: index,
        kind: exchange.line(),
        status: message.field(":status"),
        head_bytes: message.head().len(),
        body_bytes: message.body.len(),
        body_sha256: if message.body.is_empty() { String::new() } else { hash },
    }
}

fn csv(rows: &[impl Serialize]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().context("a table cannot be written")
}
