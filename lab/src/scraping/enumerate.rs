//! An enumerator against relay, gateway and directory as real processes: it has as many tokens as its accounts, tries
//! them all, and then everything else. Each answer counts.
//!
//! The accounts' tokens come from the product's own issuer, which gives each its quota ([`super::hired`]). A malicious
//! issuer signs what it likes: its tokens are the laboratory's own, signed by keys that the rules name.

use super::hired::hire;
use crate::numbers::Numbers;
use crate::paying::{Asked, Payer};
use crate::stress::link::{Connector, Link};
use crate::stress::network::{Network, Plan, SEED, Sockets};
use crate::stress::{Report, bar};
use anyhow::{Context, Result};
use discreet_client::Csi;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::Token;
use discreet_serve::Clock;
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::Mint;
use tokio::task::JoinSet;

/// Mappings in the directory.
const MAPPINGS: u64 = 100;
/// Connections of an enumerator.
const CONNECTIONS: usize = 16;
/// A budget that nobody uses up here.
pub(super) const PLENTY: u64 = 1_000_000_000;

/// One way to be bounded.
struct Try {
    what: &'static str,
    tokens: Vec<Token>,
    /// Answers that it may get, and what the rest comes to.
    budget: u64,
    rest: u16,
}

/// How often each answer came.
type Counts = BTreeMap<String, u64>;

/// Has an enumerator with so many accounts of so many tokens try.
pub(super) async fn run(accounts: u64, tokens: u64) -> Result<Report> {
    let all = accounts * tokens;
    let half = all / 2;
    let now = Timestamp::from_unix(Clock::system().now());
    let hired = hire(accounts, tokens).await?;
    let [redemptions, absent] = ["redemptions.example", "absent.example"].map(Mint::new);
    let issuers = [
        hired.rules,
        redemptions.rules(half, PLENTY, now, [-1, 30]),
        absent.rules(PLENTY, half, now, [-1, 30]),
    ];
    let rules = format!("\n[prices]\nlookup = 1\n{}", issuers.concat());
    let plan = Plan { mappings: MAPPINGS, relay_limits: String::new(), sockets: Sockets::Theirs, rules };
    let network = Network::start(&plan).await?;
    let tries = [
        Try { what: "hired accounts' tokens", tokens: hired.tokens, budget: all, rest: 401 },
        Try { what: "redemptions of an issuer", tokens: signed(&redemptions, all), budget: half, rest: 429 },
        Try { what: "its answers \"not found\"", tokens: signed(&absent, all), budget: half, rest: 429 },
    ];
    let shown = bar(all * 5, "lookups");
    let head = format!("{:<28} {:>8} {:>9} {:>8} {:>8}", "bounded by", "budget", "answered", "401", "429");
    let (mut table, mut figures, mut missed) = (vec![head], Vec::new(), Vec::new());
    for one in tries {
        let (what, budget, rest) = (one.what, one.budget, one.rest);
        let counts = one.enumerate(&network, all, &shown).await?;
        let count = |what: &str| counts.get(what).copied().unwrap_or(0);
        let answered = count("answered");
        table.push(format!("{what:<28} {budget:>8} {answered:>9} {:>8} {:>8}", count("401"), count("429")));
        figures.push(serde_json::json!({ "bounded_by": what, "budget": budget, "came": counts }));
        let refused: u64 =
            counts.iter().filter(|(what, _)| *what != "answered").map(|(_, count)| count).sum();
        if answered != budget || refused != count(&rest.to_string()) {
            missed.push(format!("{what}: {answered} answers instead of {budget}, and {counts:?}"));
        }
    }
    shown.finish_and_clear();
    table.push(format!("{accounts} accounts with {tokens} tokens each; real processes, TLS, one relay"));
    Ok(Report { table, figures: serde_json::json!(figures), missed })
}

/// Tokens of an issuer that signs what it likes.
fn signed(mint: &Mint, count: u64) -> Vec<Token> {
    (0..count).into_par_iter().map(|_| mint.token()).collect()
}

impl Try {
    /// Spends `count` tokens, each on another number; where they bound, each again, and then asks for nothing.
    async fn enumerate(self, network: &Network, count: u64, shown: &ProgressBar) -> Result<Counts> {
        let mut rounds = vec![self.tokens.into_iter().map(Some).collect::<Vec<_>>()];
        if self.rest == 401 {
            let again = rounds.concat();
            rounds.push(again);
            rounds.push(vec![None; usize::try_from(count)?]);
        }
        // Numbers that nobody has published: the first are those of the directory.
        let numbers: Arc<Vec<Csi>> = Arc::new(
            Numbers::new(SEED).skip(usize::try_from(MAPPINGS)?).take(usize::try_from(count)?).collect(),
        );
        let mut counts = Counts::new();
        for tokens in rounds {
            let asked = ask_all(network, &numbers, tokens, shown).await?;
            for one in asked {
                let what = match one {
                    Asked::Found | Asked::NotFound => "answered".to_owned(),
                    Asked::Refused(status) => status.to_string(),
                };
                *counts.entry(what).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

/// Asks for each number with the token beside it, over several connections at once.
async fn ask_all(
    network: &Network,
    numbers: &Arc<Vec<Csi>>,
    tokens: Vec<Option<Token>>,
    shown: &ProgressBar,
) -> Result<Vec<Asked>> {
    let connector = Connector::new(&network.ca)?;
    let [relay, _] = &network.relays;
    let [url, _] = &network.urls;
    let (tokens, next) = (Arc::new(tokens), Arc::new(AtomicUsize::new(0)));
    let mut asking = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut link: Link = connector.link(relay.address(), Ipv4Addr::LOCALHOST).await?;
        let payer = Payer::new(&mut link, url).await?;
        let (numbers, tokens, next, shown) =
            (Arc::clone(numbers), Arc::clone(&tokens), Arc::clone(&next), shown.clone());
        asking.spawn(async move {
            let mut asked = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((number, token)) = numbers.get(at).zip(tokens.get(at)) else { break };
                asked.push(payer.ask(&mut link, number, token.as_slice()).await?);
                shown.inc(1);
            }
            anyhow::Ok(asked)
        });
    }
    let mut all = Vec::new();
    while let Some(asked) = asking.join_next().await {
        all.extend(asked.context("a task that asks")??);
    }
    Ok(all)
}
