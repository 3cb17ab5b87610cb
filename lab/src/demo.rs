//! `lab demo`: the whole system in a few seconds, and then what each party got to see.

use crate::generate;
use crate::view::Recorder;
use anyhow::{Context, Result, bail};
use discreet_client::{Answer, Client, Error, Outcome, Query};
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;
use discreet_resolver::directory::Change;
use discreet_resolver::record::{Entry, Record};
use discreet_serve::Clock;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Instant;
use tests::{Net, World};

mod seen;

const SEED: u64 = 2026;
const MAPPINGS: u64 = 1000;

pub(crate) async fn run() -> Result<()> {
    let world = World::new(SEED, Timestamp::from_unix(Clock::system().now()));
    let started = Instant::now();
    let lines = generate::lines(&world, SEED, MAPPINGS)?;
    println!("{} mappings generated, attested by two authorities ({:.1?})", lines.len(), started.elapsed());

    let recorder = Recorder::default();
    let net = start(&world, lines, &recorder).await?;
    let client = net.client().local_address(client_address()).build()?;

    // The last number of the supply is in nobody's mapping.
    let mut numbers = generate::numbers(SEED, usize::try_from(MAPPINGS)? + 1);
    let absent = numbers.pop().context("no number left")?;
    let present = numbers.swap_remove(4);
    let tampered = numbers.swap_remove(7);

    println!("\n$ discreet lookup {}", present.value());
    show(&look_up(&client, &present).await?);
    println!("\n$ discreet lookup {}", absent.value());
    show(&look_up(&client, &absent).await?);

    tamper(&net, &tampered)?;
    println!(
        "\n$ discreet lookup {}          (the provider has swapped the service behind it)",
        tampered.value()
    );
    match look_up(&client, &tampered).await {
        Err(error) => println!("  refused: {error}"),
        Ok(_) => bail!("a tampered mapping was believed"),
    }

    println!("\nWho saw what, read from the bytes each party received inside TLS:\n");
    seen::print(&net, &recorder, &[present, absent, tampered])
}

async fn start(world: &World, lines: Vec<String>, recorder: &Recorder) -> Result<Net> {
    let started = Instant::now();
    let door = recorder.clone();
    let builder = Net::builder().clock(Clock::system()).lines(lines);
    let builder = builder.front(move |party, addr, certificate, key| {
        // Without a recorder there is nothing to show, but the network works all the same.
        door.guard(party, addr, certificate, key).unwrap_or(addr)
    });
    let builder = if distinct_addresses() {
        builder.addresses(|index| loopback(11 + u8::try_from(index).unwrap_or(0)), loopback(21))
    } else {
        builder
    };
    let net = builder.start(world.clone()).await?;
    println!(
        "imported, and two relays and one gateway started on loopback over TLS ({:.1?})",
        started.elapsed()
    );
    Ok(net)
}

async fn look_up(client: &Client, csi: &Csi) -> Result<Answer, Error> {
    client.lookup(Query { csi: csi.clone(), tag: None }).await
}

fn show(answer: &Answer) {
    if answer.outcome() == Outcome::NoMapping {
        println!("  no mapping");
    }
    for mapping in &answer.mappings {
        println!("  verified: attested by {}", mapping.authority);
        for (at, service) in mapping.services.iter().enumerate() {
            println!("  {}. {}", at + 1, service.uri);
        }
    }
}

/// What a dishonest provider could do: file another mapping, past all checks of its own software.
fn tamper(net: &Net, csi: &Csi) -> Result<()> {
    let (_, directory) = net.directory()?;
    let mut record = directory.record(csi)?;
    let entry = record.value.entries.pop().context("the number should be in the directory")?;
    let mut bytes = entry.statement;
    let (from, to) = (b"mimi://b.example", b"mimi://x.example");
    let at = bytes.windows(from.len()).position(|window| window == from).context("no service to swap")?;
    bytes.splice(at..at + from.len(), to.iter().copied());
    record.value = Record { entries: vec![Entry::read(bytes)?], ..Record::new(csi.clone()) };
    directory.apply(&[Change::Record(record)])?;
    Ok(())
}

/// Where this client connects from.
fn client_address() -> IpAddr {
    if distinct_addresses() { loopback(50) } else { loopback(1) }
}

/// Whether this system lets us use all of 127.0.0.0/8, as Linux does.
fn distinct_addresses() -> bool {
    [11, 12, 21, 50].into_iter().all(|last| TcpListener::bind((loopback(last), 0)).is_ok())
}

fn loopback(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}
