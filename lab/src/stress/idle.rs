//! `lab stress idle`: what connections cost a relay in memory.

use super::asker::Asker;
use super::link::{Connector, Link};
use super::machine::raise_descriptors;
use super::network::{Network, Plan, Sockets};
use super::process::Memory;
use super::tally::{Sum, Tally};
use super::{Report, bar, failures, tenths};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Megabytes that the relay may have resident.
const TARGET_MB: u64 = 600;
/// Connections being made at once.
const OPENING: usize = 64;
/// How often memory is looked at while lookups run.
const SAMPLE: Duration = Duration::from_millis(500);
/// Longer than any run: the relay must not end an idle connection while it is measured.
const IDLE_TIMEOUT_SECS: u64 = 3600;
/// Descriptors for what is not a connection of ours.
const SPARE: usize = 200;

/// Opens idle connections to a relay, HTTP/2 over TLS, then active ones that look people up one after the
/// other without a pause, and reads the relay's memory from /proc/PID/smaps_rollup before, between and
/// during. The target: all of it under 600 MB resident, no lookup failed, no connection lost. The relay's
/// limits are the defaults, except that it admits so many connections and ends none for being idle.
/// Exits with 1 if a target is missed.
#[derive(Args)]
pub(crate) struct Options {
    /// Idle connections
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Connections with always one lookup in flight
    #[arg(long, default_value_t = 1000)]
    active: usize,
    /// What an idle connection has done before
    #[arg(long, value_enum, default_value_t = Before::Lookup)]
    before: Before,
    /// Seconds that the active ones look people up for
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Mappings in the directory
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    mappings: u64,
    /// One line of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// What an idle connection has done before it became idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Before {
    /// Nothing but the handshakes
    Nothing,
    /// One lookup
    Lookup,
}

/// One line of the table.
struct Row {
    state: &'static str,
    connections: usize,
    memory: Memory,
}

pub(crate) async fn run(options: &Options) -> Result<Report> {
    let all = options.connections + options.active;
    raise_descriptors((all + SPARE) as u64)?;
    let relay_limits = format!(
        "max_connections = {}\nidle_timeout_secs = {IDLE_TIMEOUT_SECS}",
        // One more place for each connection that is being made when another goes.
        all + SPARE
    );
    let plan =
        Plan { mappings: options.mappings, relay_limits, sockets: Sockets::Theirs, rules: String::new() };
    let network = Network::start(&plan).await?;
    let connector = Connector::new(&network.ca)?;
    let asker = Arc::new(Asker::new(&network, &connector, options.mappings).await?);
    let [relay, _] = &network.relays;
    let mut rows = Vec::new();
    let mut row = |state, connections, memory| rows.push(Row { state, connections, memory });

    row("started", 0, relay.process.memory()?);
    let opener = Opener { connector, to: relay.address() };
    let warm = (options.before == Before::Lookup).then(|| Arc::clone(&asker));
    let mut idle = opener.open(options.connections, "idle connections", warm).await?;
    row("idle", options.connections, relay.process.memory()?);
    let active = opener.open(options.active, "active connections", None).await?;

    let tally = Arc::new(Tally::default());
    let begun = Instant::now();
    let (stop, lookups) = look_up(active, &asker, &tally);
    let shown = bar(options.seconds, "seconds of lookups");
    let mut most = Memory::default();
    while begun.elapsed() < Duration::from_secs(options.seconds) {
        tokio::time::sleep(SAMPLE).await;
        shown.set_position(begun.elapsed().as_secs());
        let memory = relay.process.memory()?;
        most = if memory.resident > most.resident { memory } else { most };
    }
    shown.finish_and_clear();
    row("idle and active", all, most);
    let elapsed = begun.elapsed().as_secs_f64();
    stop.send_replace(true);
    lookups.join_all().await;
    let sum = tally.take();

    row("afterwards", all, relay.process.memory()?);
    let lost = idle.iter_mut().filter_map(|link| (!link.is_open()).then_some(())).count();
    let measured = Measured { rows, sum, lost, elapsed, peak: relay.process.peak()? };
    Ok(measured.report(options, &network.complaints()))
}

/// Opens connections, some at once.
struct Opener {
    connector: Connector,
    to: SocketAddr,
}

impl Opener {
    /// So many; with `warm`, each does one lookup.
    async fn open(&self, count: usize, what: &str, warm: Option<Arc<Asker>>) -> Result<Vec<Link>> {
        let shown = bar(count as u64, what);
        let at_once = Arc::new(Semaphore::new(OPENING));
        let mut opening = JoinSet::new();
        for _ in 0..count {
            let (at_once, warm) = (Arc::clone(&at_once), warm.clone());
            let (connector, to) = (self.connector.clone(), self.to);
            opening.spawn(async move {
                let _turn = at_once.acquire().await?;
                let mut link = connector.link(to, Ipv4Addr::LOCALHOST).await?;
                if let Some(asker) = warm {
                    asker.ask(&mut link).await.context("the lookup of a connection to be idle")?;
                }
                anyhow::Ok(link)
            });
        }
        let mut links = Vec::with_capacity(count);
        while let Some(link) = opening.join_next().await {
            links.push(link.context("a task that opens connections")??);
            shown.inc(1);
        }
        shown.finish_and_clear();
        Ok(links)
    }
}

/// Has each link look people up, one after the other, until told to stop.
fn look_up(links: Vec<Link>, asker: &Arc<Asker>, tally: &Arc<Tally>) -> (watch::Sender<bool>, JoinSet<()>) {
    let stop = watch::Sender::new(false);
    let mut lookups = JoinSet::new();
    for mut link in links {
        let (asker, tally, stop) = (Arc::clone(asker), Arc::clone(tally), stop.subscribe());
        lookups.spawn(async move {
            while !*stop.borrow() && link.is_open() {
                let due = Instant::now();
                tally.note(due, asker.ask(&mut link).await);
            }
            if !link.is_open() {
                tally.note(Instant::now(), Err(anyhow::anyhow!("an active connection was closed")));
            }
        });
    }
    (stop, lookups)
}

/// What came of it.
struct Measured {
    rows: Vec<Row>,
    sum: Sum,
    lost: usize,
    elapsed: f64,
    peak: u64,
}

impl Measured {
    fn report(&self, options: &Options, complaints: &[String]) -> Report {
        let Self { rows, sum, lost, elapsed, peak } = self;
        let before = rows.first().map(|row| row.memory).unwrap_or_default();
        let each = |row: &Row| {
            let more = row.memory.resident.saturating_sub(before.resident);
            more.checked_div(row.connections as u64).unwrap_or(0)
        };
        let mut table = vec![format!(
            "{:<16} {:>11} {:>12} {:>13} {:>21}",
            "the relay", "connections", "resident MB", "anonymous MB", "bytes per connection"
        )];
        table.extend(rows.iter().map(|row| {
            let Memory { resident, anonymous } = row.memory;
            let (resident, anonymous) = (megabytes(resident), megabytes(anonymous));
            format!(
                "{:<16} {:>11} {resident:>12.1} {anonymous:>13.1} {:>21}",
                row.state,
                row.connections,
                each(row)
            )
        }));
        let rate = sum.answered as f64 / elapsed;
        table.push(format!(
            "\npeak {:.1} MB; {} lookups, {rate:.0} per second, p50 {:.0} ms, p99 {:.0} ms; {} failed; {lost} idle connections lost",
            megabytes(*peak),
            sum.answered,
            sum.p50_ms,
            sum.p99_ms,
            sum.failed
        ));
        table.extend(failures([sum]));
        table.extend(complaints.iter().map(|line| format!("  {line}")));
        let mut missed = Vec::new();
        if *peak >= TARGET_MB * 1_000_000 {
            missed.push(format!("the relay had {:.0} MB resident, not under {TARGET_MB}", megabytes(*peak)));
        }
        if sum.failed > 0 || sum.answered == 0 && options.active > 0 {
            missed.push(format!("{} lookups failed, {} were answered", sum.failed, sum.answered));
        }
        if *lost > 0 {
            missed.push(format!("{lost} idle connections were lost"));
        }
        Report { table, figures: self.figures(rate), missed }
    }

    fn figures(&self, rate: f64) -> serde_json::Value {
        let states = self.rows.iter().map(|row| {
            serde_json::json!({
                "state": row.state, "connections": row.connections,
                "resident_bytes": row.memory.resident, "anonymous_bytes": row.memory.anonymous,
            })
        });
        serde_json::json!({
            "states": states.collect::<Vec<_>>(), "peak_bytes": self.peak, "lookups": self.sum.answered,
            "failed": self.sum.failed, "failures": self.sum.failures, "idle_lost": self.lost,
            "per_second": tenths(rate), "p50_ms": tenths(self.sum.p50_ms), "p99_ms": tenths(self.sum.p99_ms),
        })
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
