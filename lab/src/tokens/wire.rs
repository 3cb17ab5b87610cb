//! Tokens in lookups through relay and gateway, as real processes: two networks, of which one asks for tokens.

use crate::paying::{Asked, Payer};
use crate::stress::bar;
use crate::stress::link::{Connector, Link};
use crate::stress::network::{Network, Plan, Sockets};
use crate::stress::tally::median;
use anyhow::{Context, Result, ensure};
use discreet_client::Csi;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::Token;
use discreet_serve::Clock;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tests::Mint;
use tests::world::phone;
use tokio::task::JoinSet;

/// Mappings in each directory.
const MAPPINGS: u64 = 100;
/// A budget that nobody uses up here.
const PLENTY: u64 = 1_000_000_000;
/// New connections under way at once.
const AT_ONCE: usize = 32;

pub(super) struct Wire {
    pub(super) free_ms: f64,
    pub(super) paid_ms: f64,
    pub(super) extra_ms: f64,
    pub(super) cold_per_second: f64,
    /// By what the answer says, its median.
    pub(super) refusals: Vec<(&'static str, f64)>,
}

/// A network and an open connection to it.
struct Side {
    network: Network,
    connector: Connector,
    link: Link,
    payer: Payer,
}

impl Side {
    async fn start(rules: String) -> Result<Self> {
        let plan = Plan { mappings: MAPPINGS, relay_limits: String::new(), sockets: Sockets::Theirs, rules };
        let network = Network::start(&plan).await?;
        let connector = Connector::new(&network.ca)?;
        let [relay, _] = &network.relays;
        let mut link = connector.link(relay.address(), Ipv4Addr::LOCALHOST).await?;
        let [url, _] = &network.urls;
        let payer = Payer::new(&mut link, url).await?;
        Ok(Self { network, connector, link, payer })
    }

    /// Milliseconds of one lookup, which must come to `expected`.
    async fn timed(&mut self, csi: &Csi, tokens: &[Token], expected: Asked) -> Result<f64> {
        let begun = Instant::now();
        let asked = self.payer.ask(&mut self.link, csi, tokens).await?;
        let time = begun.elapsed().as_secs_f64() * 1000.0;
        ensure!(asked == expected, "{asked:?} instead of {expected:?}");
        Ok(time)
    }
}

pub(super) async fn measure(lookups: u32, cold: u32) -> Result<Wire> {
    let now = Timestamp::from_unix(Clock::system().now());
    let (mint, broke) = (Mint::new("issuer.example"), Mint::new("broke.example"));
    let issuers = mint.rules(PLENTY, PLENTY, now, [-1, 30]) + &broke.rules(0, PLENTY, now, [-1, 30]);
    let mut paid = Side::start(format!("\n[prices]\nlookup = 1\n{issuers}")).await?;
    let mut free = Side::start(String::new()).await?;
    let absent = phone("+14155550123");
    let (mut free_times, mut paid_times, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    let kinds = ["200", "401, spent before", "401, nothing", "429", "400"];
    let mut refusals = kinds.map(|_| Vec::new());
    let shown = bar(u64::from(lookups), "lookups in turns");
    for _ in 0..lookups {
        let [token, other, poor] = [mint.token(), mint.token(), broke.token()];
        // Whoever comes first after the other network finds caches cold: it is asked once before, uncounted.
        free.timed(&absent, &[], Asked::NotFound).await?;
        let without = free.timed(&absent, &[], Asked::NotFound).await?;
        paid.timed(&absent, &[], Asked::Refused(401)).await?;
        let with = paid.timed(&absent, std::slice::from_ref(&token), Asked::NotFound).await?;
        free_times.push(without);
        paid_times.push(with);
        extra.push(with - without);
        let [good, spent, nothing, over, malformed] = &mut refusals;
        good.push(with);
        spent.push(paid.timed(&absent, std::slice::from_ref(&token), Asked::Refused(401)).await?);
        nothing.push(paid.timed(&absent, &[], Asked::Refused(401)).await?);
        over.push(paid.timed(&absent, &[poor], Asked::Refused(429)).await?);
        malformed.push(paid.timed(&absent, &[token, other], Asked::Refused(400)).await?);
        shown.inc(1);
    }
    shown.finish_and_clear();
    drop(free);
    let cold_per_second = cold_lookups(paid, &mint, &absent, cold).await?;
    Ok(Wire {
        free_ms: median(free_times),
        paid_ms: median(paid_times),
        extra_ms: median(extra),
        cold_per_second,
        refusals: kinds.into_iter().zip(refusals.map(median)).collect(),
    })
}

/// Lookups a second of which each makes a TLS connection of its own, as phones do, and pays.
async fn cold_lookups(side: Side, mint: &Mint, absent: &Csi, count: u32) -> Result<f64> {
    let Side { network, connector, payer, .. } = side;
    let [relay, _] = &network.relays;
    let to = relay.address();
    let tokens: Arc<Vec<Token>> = Arc::new((0..count).map(|_| mint.token()).collect());
    let (payer, next) = (Arc::new(payer), Arc::new(AtomicUsize::new(0)));
    let shown = bar(u64::from(count), "lookups over new connections");
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (tokens, payer, next) = (Arc::clone(&tokens), Arc::clone(&payer), Arc::clone(&next));
        let (connector, absent, shown) = (connector.clone(), absent.clone(), shown.clone());
        asking.spawn(async move {
            while let Some(token) = tokens.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut link = connector.link(to, Ipv4Addr::LOCALHOST).await?;
                let asked = payer.ask(&mut link, &absent, std::slice::from_ref(token)).await?;
                ensure!(asked == Asked::NotFound, "{asked:?}");
                shown.inc(1);
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.context("a task that asks")??;
    }
    shown.finish_and_clear();
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
