//! `lab stress restarts`: lookups that are lost through what operators do to running servers.

use super::link::Connector;
use super::machine::raise_descriptors;
use super::network::{Network, Plan, Server, Sockets};
use super::people::People;
use super::tally::{Sum, Tally};
use super::{Report, bar, failures, tenths};
use anyhow::{Context, Result, ensure};
use clap::Args;
use discreet_client::{Client, Profile};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How long a renewed certificate may take to be shown.
const RENEWAL: Duration = Duration::from_secs(15);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Descriptors for what is not a lookup's connection.
const SPARE: u64 = 500;
/// Events that are done once, before and after the rounds: a key must have been in use for a day before it is
/// rotated again.
const ONCE: u8 = 2;
/// Events of each round.
const EACH_ROUND: u8 = 4;

/// Looks people up with the product's own client library over HTTP/2, through two relays, while an operator
/// is at work: renews the certificates of relays and gateway (SIGHUP), restarts them one after the other, and
/// at last rotates the OHTTP keys (`discreet-gateway keys rotate`). The listening sockets are ours and are handed to
/// each new process (LISTEN_FDS), which is ready before the one before it gets SIGTERM. Some clients last for
/// the whole run, others are new for each lookup and fetch the policy first. The target: no lookup fails.
/// Exits with 1 if one does.
#[derive(Args)]
pub(crate) struct Options {
    /// Clients that last for the whole run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Lookups that each of them has in flight at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Loops that make a new client for each lookup
    #[arg(long, default_value_t = 2)]
    newcomers: u16,
    /// Milliseconds from one lookup to the next of the same loop, unless it takes longer
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    every_ms: u64,
    /// How often certificates are renewed and servers restarted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Seconds before and after each event
    #[arg(long, default_value_t = 3)]
    pause: u64,
    /// Mappings in the directory
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    mappings: u64,
    /// One line of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// What is done to the servers, in the table's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Nothing,
    RelayCertificates,
    GatewayCertificate,
    GatewayRestart,
    RelayRestarts,
    Rotation,
}

impl Event {
    const ALL: [Self; 6] = [
        Self::Nothing,
        Self::RelayCertificates,
        Self::GatewayCertificate,
        Self::GatewayRestart,
        Self::RelayRestarts,
        Self::Rotation,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::RelayCertificates => "relays' certificates renewed",
            Self::GatewayCertificate => "gateway's certificate renewed",
            Self::GatewayRestart => "gateway restarted",
            Self::RelayRestarts => "relays restarted",
            Self::Rotation => "OHTTP keys rotated",
        }
    }
}

/// Lookups around events of one kind.
struct Phase {
    event: Event,
    times: u32,
    lasting: Vec<Sum>,
    newcomers: Vec<Sum>,
}

pub(crate) async fn run(options: &Options) -> Result<Report> {
    let loops = u64::from(options.clients) * u64::from(options.concurrency) + u64::from(options.newcomers);
    raise_descriptors(loops * 4 + SPARE)?;
    let plan = Plan {
        mappings: options.mappings,
        relay_limits: String::new(),
        sockets: Sockets::Ours,
        rules: String::new(),
    };
    let mut network = Network::start(&plan).await?;
    let load = Load::start(options, &network)?;
    // Not measured: the first policies are fetched, and connections made.
    sleep(Duration::from_secs(options.pause)).await;
    load.take();
    let mut complaints = Vec::new();
    let mut phases: Vec<_> = Event::ALL.map(Phase::new).into();
    let shown = bar((ONCE + options.rounds * EACH_ROUND).into(), "events under load");
    for round in 0..options.rounds {
        for phase in &mut phases {
            let is_due = match phase.event {
                Event::Nothing => round == 0,
                // Last: a relay that is restarted afterwards has another copy of the policy than the other
                // relay, and new clients are refused until both have turned, an hour at most.
                Event::Rotation => round + 1 == options.rounds,
                _ => true,
            };
            if !is_due {
                continue;
            }
            sleep(Duration::from_secs(options.pause)).await;
            act(phase.event, &mut network, &mut complaints).await?;
            sleep(Duration::from_secs(options.pause)).await;
            phase.times += 1;
            phase.note(load.take());
            shown.inc(1);
        }
    }
    shown.finish_and_clear();
    let (rest, policies) = load.stop().await;
    if let Some(phase) = phases.last_mut() {
        phase.note(rest);
    }
    complaints.extend(network.complaints());
    Ok(report(&phases, policies, &complaints))
}

async fn act(event: Event, network: &mut Network, complaints: &mut Vec<String>) -> Result<()> {
    let connector = Connector::new(&network.ca)?;
    match event {
        Event::Nothing => {}
        Event::Rotation => network.rotate_keys().await?,
        Event::RelayCertificates => {
            for relay in &network.relays {
                renew(network, relay, &connector).await?;
            }
        }
        Event::GatewayCertificate => renew(network, &network.gateway, &connector).await?,
        Event::GatewayRestart => complaints.extend(network.gateway.restart().await?),
        Event::RelayRestarts => {
            for relay in &mut network.relays {
                complaints.extend(relay.restart().await?);
            }
        }
    }
    Ok(())
}

/// Renews a certificate, and returns once new connections see it.
async fn renew(network: &Network, server: &Server, connector: &Connector) -> Result<()> {
    let before = connector.certificate(server.address()).await?;
    network.renew(server)?;
    let shown = timeout(RENEWAL, async {
        while connector.certificate(server.address()).await? == before {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    });
    shown.await.context("a renewed certificate is not shown after SIGHUP")?
}

/// Clients at work.
struct Load {
    lasting: Arc<Tally>,
    newcomers: Arc<Tally>,
    /// Serials of the policies that new clients have seen.
    policies: Arc<Mutex<BTreeSet<u64>>>,
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
}

/// What every loop of lookups needs.
#[derive(Clone)]
struct Loop {
    people: Arc<People>,
    profile: Profile,
    ca: Vec<u8>,
    every: Duration,
    policies: Arc<Mutex<BTreeSet<u64>>>,
    stop: watch::Receiver<bool>,
}

impl Load {
    fn start(options: &Options, network: &Network) -> Result<Self> {
        let (lasting, newcomers) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
        let stop = watch::Sender::new(false);
        let one = Loop {
            people: Arc::new(People::new(options.mappings)?),
            profile: network.profile.clone(),
            ca: network.ca.clone(),
            every: Duration::from_millis(options.every_ms),
            policies: Arc::default(),
            stop: stop.subscribe(),
        };
        let mut loops = JoinSet::new();
        for _ in 0..options.clients {
            let client = Arc::new(one.client()?);
            for _ in 0..options.concurrency {
                loops.spawn(one.clone().run(Some(Arc::clone(&client)), Arc::clone(&lasting)));
            }
        }
        for _ in 0..options.newcomers {
            loops.spawn(one.clone().run(None, Arc::clone(&newcomers)));
        }
        Ok(Self { lasting, newcomers, policies: one.policies, stop, loops })
    }

    /// What came since the last look, of lasting clients and of new ones.
    fn take(&self) -> [Sum; 2] {
        [self.lasting.take(), self.newcomers.take()]
    }

    /// Lets lookups in flight end; returns what came since the last look, and how many policies new
    /// clients have seen.
    async fn stop(mut self) -> ([Sum; 2], usize) {
        self.stop.send_replace(true);
        while self.loops.join_next().await.is_some() {}
        let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.take(), policies)
    }
}

impl Loop {
    fn client(&self) -> Result<Client> {
        Ok(Client::builder(self.profile.clone()).ca(self.ca.clone()).build()?)
    }

    /// Looks people up at a steady pace, with `client` or with a new one each time.
    async fn run(self, client: Option<Arc<Client>>, tally: Arc<Tally>) {
        let mut pace = interval(self.every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.stop.borrow() {
            pace.tick().await;
            let begun = Instant::now();
            tally.note(begun, self.look_up(client.as_deref()).await);
        }
    }

    async fn look_up(&self, client: Option<&Client>) -> Result<()> {
        match client {
            Some(client) => self.ask(client).await,
            None => {
                let client = self.client()?;
                self.ask(&client).await?;
                // The one it has just used.
                let serial = client.policy().await?.serial;
                self.policies.lock().unwrap_or_else(PoisonError::into_inner).insert(serial);
                Ok(())
            }
        }
    }

    async fn ask(&self, client: &Client) -> Result<()> {
        let (query, expected) = self.people.next()?;
        let answer = client.lookup(query).await?;
        ensure!(answer.outcome() == expected, "a wrong answer");
        Ok(())
    }
}

impl Phase {
    fn new(event: Event) -> Self {
        Self { event, times: 0, lasting: Vec::new(), newcomers: Vec::new() }
    }

    fn note(&mut self, [lasting, newcomers]: [Sum; 2]) {
        self.lasting.push(lasting);
        self.newcomers.push(newcomers);
    }

    fn sums(&self) -> impl Iterator<Item = &Sum> {
        self.lasting.iter().chain(&self.newcomers)
    }
}

fn report(phases: &[Phase], policies: usize, complaints: &[String]) -> Report {
    let mut table = vec![format!(
        "{:<30} {:>5} {:>8} {:>14} {:>7} {:>8} {:>8} {:>8}",
        "what happened", "times", "lookups", "of new clients", "failed", "p50 ms", "p99 ms", "max ms"
    )];
    let mut figures = Vec::new();
    let (mut failed, mut answered) = (0, 0);
    for phase in phases {
        let lost: u64 = phase.sums().map(|sum| sum.failed).sum();
        let count: u64 = phase.sums().map(|sum| sum.answered).sum();
        let new: u64 = phase.newcomers.iter().map(|sum| sum.answered).sum();
        let most = |of: fn(&Sum) -> f64| phase.lasting.iter().map(of).fold(f64::NAN, f64::max);
        let (p50, p99, max) = (most(|sum| sum.p50_ms), most(|sum| sum.p99_ms), most(|sum| sum.max_ms));
        failed += lost;
        answered += count;
        let name = phase.event.name();
        table.push(format!(
            "{name:<30} {:>5} {count:>8} {new:>14} {lost:>7} {p50:>8.1} {p99:>8.1} {max:>8.1}",
            phase.times
        ));
        let reasons = failures(phase.sums());
        figures.push(serde_json::json!({
            "event": name, "times": phase.times, "lookups": count, "of_new_clients": new, "failed": lost,
            "failures": &reasons, "p50_ms": tenths(p50), "p99_ms": tenths(p99), "max_ms": tenths(max),
        }));
        table.extend(reasons);
    }
    table.push(format!("{:<30} {:>5} {answered:>8} {:>14} {failed:>7}", "all", "", ""));
    table.extend(complaints.iter().map(|line| format!("  {line}")));
    table.push(format!(
        "times are those of lasting clients, of the worst round; new clients have used {policies} policies"
    ));
    let missed =
        (failed > 0 || answered == 0).then(|| format!("{failed} of {} lookups failed", answered + failed));
    Report {
        table,
        figures: serde_json::json!({ "events": figures, "lookups": answered, "failed": failed, "policies": policies }),
        missed: missed.into_iter().collect(),
    }
}
