//! `lab stress slow`: honest lookups, while thousands of connections are as slow as they may be.

use super::asker::Asker;
use super::link::{Connector, Link};
use super::machine::raise_descriptors;
use super::network::{Network, Plan, Sockets};
use super::tally::{Sum, Tally, median};
use super::{Report, bar, failures, tenths};
use anyhow::{Context, Result};
use clap::Args;
use loris::{Kind, Loris};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

mod loris;

/// By how much the 99th percentile may grow.
const TARGET: f64 = 2.0;
/// How long the slow ones may take to be there.
const ARRIVAL: Duration = Duration::from_secs(120);
/// How long the relay may take to see that they are gone.
const DEPARTURE: Duration = Duration::from_secs(30);
/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(100);
/// Descriptors for what is not a slow connection.
const SPARE: usize = 500;

/// Looks people up through a relay while slow connections wait on it: silent ones, half a ClientHello, the
/// head of a request a byte at a time, the preface of HTTP/2 only, half a body, answers that are not read, one
/// in six of each. Those the relay ends are opened again. Rounds without and with them take turns, in
/// one run. Honest lookups come at a steady pace, on open connections and on new ones (TCP, TLS and HTTP/2
/// included); time counts from when a lookup was due. The target: the median over the rounds of the 99th
/// percentile is not more than twice as long with them, and no lookup fails. The relay has its default limits.
/// Exits with 1 if a target is missed.
#[derive(Args)]
pub(crate) struct Options {
    /// Slow connections
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    /// How often it is measured, without and with them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Honest lookups per second on open connections
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    warm: u64,
    /// Honest lookups per second, each on a connection of its own
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    new: u64,
    /// The relay's bound on connections [default: its own]
    #[arg(long)]
    max_connections: Option<usize>,
    /// Mappings in the directory
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    mappings: u64,
    /// One line of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// One measurement.
struct Round {
    attacked: bool,
    warm: Sum,
    new: Sum,
    /// Slow connections open at its end.
    open: usize,
    /// Those that the relay ended during it, by kind.
    ended: [u64; Kind::ALL.len()],
}

pub(crate) async fn run(options: &Options) -> Result<Report> {
    raise_descriptors((options.connections + SPARE) as u64)?;
    let relay_limits = options.max_connections.map(|most| format!("max_connections = {most}"));
    let relay_limits = relay_limits.unwrap_or_default();
    let plan =
        Plan { mappings: options.mappings, relay_limits, sockets: Sockets::Theirs, rules: String::new() };
    let network = Network::start(&plan).await?;
    let connector = Connector::new(&network.ca)?;
    let asker = Arc::new(Asker::new(&network, &connector, options.mappings).await?);
    let [relay, _] = &network.relays;
    let honest = Honest { asker, connector, to: relay.address() };

    let mut rounds = Vec::new();
    let shown = bar(u64::from(options.rounds) * 2, "rounds without and with slow connections");
    // Once unmeasured: pools are filled, and so are the caches of processors.
    honest.measure(options).await?;
    let quiet = relay.process.descriptors()?;
    for _ in 0..options.rounds {
        let (warm, new) = honest.measure(options).await?;
        rounds.push(Round { attacked: false, warm, new, open: 0, ended: Default::default() });
        shown.inc(1);

        let loris = Loris::start(&honest.connector, honest.to, options.connections);
        wait(ARRIVAL, || Ok(loris.begun() == options.connections))
            .await
            .with_context(|| format!("only {} slow connections were taken", loris.begun()))?;
        let mut before = loris.ended().into_iter();
        let (warm, new) = honest.measure(options).await?;
        let (open, ended) = (loris.open(), loris.ended().map(|count| count - before.next().unwrap_or(0)));
        rounds.push(Round { attacked: true, warm, new, open, ended });
        shown.inc(1);
        loris.stop().await;
        // Until the next round they must be gone, with some leeway for honest connections.
        wait(DEPARTURE, || Ok(relay.process.descriptors()? <= quiet + 20))
            .await
            .context("the relay keeps connections that are gone")?;
    }
    shown.finish_and_clear();
    Ok(report(options, &rounds, relay.process.peak()?, &network.complaints()))
}

/// Those whose lookups are measured.
struct Honest {
    asker: Arc<Asker>,
    connector: Connector,
    to: SocketAddr,
}

impl Honest {
    /// Lookups of one round, on open connections and on new ones.
    async fn measure(&self, options: &Options) -> Result<(Sum, Sum)> {
        let (warm, new) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
        let stop = watch::Sender::new(false);
        let mut lookups = JoinSet::new();
        // A loop has one lookup a second, or waits for the one before: each has a connection.
        for index in 0..options.warm {
            let link = self.connector.link(self.to, Ipv4Addr::LOCALHOST).await;
            let due = phase(index, options.warm);
            lookups.spawn(self.on_open(link?, due, Arc::clone(&warm), stop.subscribe()));
        }
        for index in 0..options.new {
            let due = phase(index, options.new);
            lookups.spawn(self.on_new(due, Arc::clone(&new), stop.subscribe()));
        }
        sleep(Duration::from_secs(options.seconds)).await;
        stop.send_replace(true);
        lookups.join_all().await;
        Ok((warm.take(), new.take()))
    }

    fn on_open(
        &self,
        mut link: Link,
        begin: Duration,
        tally: Arc<Tally>,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let asker = Arc::clone(&self.asker);
        async move {
            sleep(begin).await;
            let mut pace = interval(Duration::from_secs(1));
            while !*stop.borrow() {
                let due = pace.tick().await.into_std();
                tally.note(due, asker.ask(&mut link).await);
            }
        }
    }

    fn on_new(
        &self,
        begin: Duration,
        tally: Arc<Tally>,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (asker, connector, to) = (Arc::clone(&self.asker), self.connector.clone(), self.to);
        async move {
            sleep(begin).await;
            let mut pace = interval(Duration::from_secs(1));
            while !*stop.borrow() {
                let due = pace.tick().await.into_std();
                let looked_up = async {
                    let mut link = connector.link(to, Ipv4Addr::LOCALHOST).await?;
                    asker.ask(&mut link).await
                };
                tally.note(due, looked_up.await);
            }
        }
    }
}

/// When the loop of this index begins, so that all of them together are steady.
fn phase(index: u64, count: u64) -> Duration {
    Duration::from_secs(1).mul_f64(index as f64 / count as f64)
}

/// Returns once `there` says so.
async fn wait(patience: Duration, there: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !there()? {
        anyhow::ensure!(Instant::now() < deadline, "not within {} seconds", patience.as_secs());
        sleep(LOOK).await;
    }
    Ok(())
}

/// The medians of the 99th percentiles, without and with slow connections.
struct Medians {
    quiet: f64,
    attacked: f64,
}

impl Medians {
    fn of(rounds: &[Round], sum: fn(&Round) -> &Sum) -> Self {
        let among = |attacked| {
            let rounds = rounds.iter().filter(|round| round.attacked == attacked);
            median(rounds.map(|round| sum(round).p99_ms).collect())
        };
        Self { quiet: among(false), attacked: among(true) }
    }

    fn ratio(&self) -> f64 {
        self.attacked / self.quiet
    }
}

fn report(options: &Options, rounds: &[Round], peak: u64, complaints: &[String]) -> Report {
    let mut table = vec![format!(
        "{:<14} {:>6} {:>6}   {:>7} {:>7} {:>8} {:>6}   {:>7} {:>7} {:>8} {:>6}",
        "slow", "open", "ended", "warm", "p50 ms", "p99 ms", "failed", "new", "p50 ms", "p99 ms", "failed"
    )];
    for Round { attacked, warm, new, open, ended } in rounds {
        let slow = if *attacked { options.connections } else { 0 };
        let part = |sum: &Sum| {
            let Sum { answered, failed, p50_ms, p99_ms, .. } = sum;
            format!("{answered:>7} {p50_ms:>7.1} {p99_ms:>8.1} {failed:>6}")
        };
        let ended: u64 = ended.iter().sum();
        table.push(format!("{slow:<14} {open:>6} {ended:>6}   {}   {}", part(warm), part(new)));
    }
    let (warm, new) = (Medians::of(rounds, |round| &round.warm), Medians::of(rounds, |round| &round.new));
    let mut missed = Vec::new();
    for (name, medians) in [("open connections", &warm), ("new connections", &new)] {
        let Medians { quiet, attacked } = medians;
        let ratio = medians.ratio();
        table.push(format!("on {name}: p99 {quiet:.1} ms without, {attacked:.1} ms with: {ratio:.2} times"));
        if ratio.is_nan() || ratio > TARGET {
            missed.push(format!("on {name} the p99 is {ratio:.2} times as long"));
        }
    }
    let failed: u64 = rounds.iter().map(|round| round.warm.failed + round.new.failed).sum();
    if failed > 0 {
        missed.push(format!("{failed} lookups failed"));
    }
    table.extend(failures(rounds.iter().flat_map(|round| [&round.warm, &round.new])));
    table.extend(complaints.iter().map(|line| format!("  {line}")));
    let kinds = Kind::ALL.map(|kind| format!("{kind:?}"));
    if let Some(last) = rounds.last() {
        let ended = kinds.iter().zip(last.ended).map(|(kind, count)| format!("{kind} {count}"));
        table.push(format!("ended in the last round: {}", ended.collect::<Vec<_>>().join(", ")));
    }
    table.push(format!("the relay had {:.0} MB resident at most", peak as f64 / 1e6));
    let figures = serde_json::json!({
        "slow_connections": options.connections, "kinds": kinds, "failed": failed,
        "peak_bytes": peak,
        "warm_p99_ms": [tenths(warm.quiet), tenths(warm.attacked)], "warm_ratio": tenths(warm.ratio()),
        "new_p99_ms": [tenths(new.quiet), tenths(new.attacked)], "new_ratio": tenths(new.ratio()),
        "rounds": rounds.iter().map(json).collect::<Vec<_>>(),
    });
    Report { table, figures, missed }
}

fn json(round: &Round) -> serde_json::Value {
    let part = |sum: &Sum| {
        serde_json::json!({
            "answered": sum.answered, "failed": sum.failed, "failures": sum.failures,
            "p50_ms": tenths(sum.p50_ms), "p99_ms": tenths(sum.p99_ms), "max_ms": tenths(sum.max_ms),
        })
    };
    serde_json::json!({
        "attacked": round.attacked, "open": round.open, "ended": round.ended,
        "warm": part(&round.warm), "new": part(&round.new),
    })
}
