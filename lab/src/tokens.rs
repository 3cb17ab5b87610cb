//! `lab tokens`: what it costs to be paid: verifying and spending tokens, on the disk, and in a lookup.

use crate::stress::{Report, tenths};
use anyhow::Result;
use clap::Args;
use serde_json::json;

mod spend;
mod wire;

/// Tokens a second that are to be verified and spent durably, on two cores.
const TARGET: f64 = 10_000.0;

/// Measures tokens of the laboratory's own making: how many a second a resolver verifies and spends durably, in
/// this process and by as many threads as a gateway has for two cores, beside what the signatures alone allow; how many
/// the issuer's own code signs on one core, blinding and verifying each, beside bare signatures; what a million spent ones take on the disk; and, against the real programs with TLS and OHTTP, how much longer a
/// lookup takes that pays (two networks, one of them free, asked in turns), how long refusals take, and lookups that
/// each come over a new TLS connection. Exits with 1 if fewer are spent a second than --at-least says.
#[derive(Args)]
pub(crate) struct Options {
    /// Tokens to verify and spend, in each round
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Rounds of that; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Threads that spend; a gateway has 32 for each core
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Tokens to fill the disk with
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    spent: u32,
    /// Lookups of each kind against the real programs
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    lookups: u32,
    /// Lookups over new connections
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    cold: u32,
    /// Tokens a second that must be verified and spent
    #[arg(long, default_value_t = TARGET)]
    at_least: f64,
    /// One line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    measure(options).await?.print(options.json)
}

async fn measure(options: &Options) -> Result<Report> {
    let spend = spend::rates(options.tokens, options.rounds, options.threads.into())?;
    let disk = spend::disk(options.spent, options.threads.into())?;
    let wire = wire::measure(options.lookups, options.cold).await?;
    let spend::Rates { verified, signed, issued, spent, looked_up } = &spend;
    let line = |what: &str, value: f64, unit: &str| format!("{what:<52} {value:>10.1} {unit}");
    let mut table = vec![
        line("verified, both cores, nothing else", *verified, "tokens/s"),
        line("verified and spent durably", spent.per_second, "tokens/s"),
        line("  waits for the disk", spent.syncs_per_second, "fsyncs/s"),
        line("  tokens that share one", spent.per_second / spent.syncs_per_second, "tokens"),
        line("verified, spent, looked up and answered", looked_up.per_second, "tokens/s"),
        line("  waits for the disk", looked_up.syncs_per_second, "fsyncs/s"),
        line("signed by aws-lc-rs, RSA-2048 PSS, bare", *signed, "per second and core"),
        line("issued: blinded, signed, verified by the issuer", *issued, "per second and core"),
        line("spent tokens on the disk", disk.bytes_per_million / 1e6, "MB per million"),
        line("  written at", disk.per_second, "tokens/s"),
        line("lookup that is free, p50", wire.free_ms, "ms"),
        line("lookup that pays one token, p50", wire.paid_ms, "ms"),
        line("  more, median of pairs", wire.extra_ms, "ms"),
        line("lookups over new TLS connections, each pays", wire.cold_per_second, "lookups/s"),
    ];
    table.extend(wire.refusals.iter().map(|(what, ms)| line(&format!("answered {what}, p50"), *ms, "ms")));
    let mut missed = Vec::new();
    if spent.per_second < options.at_least {
        missed.push(format!("{:.0} tokens/s are spent, not {}", spent.per_second, options.at_least));
    }
    let refusals: serde_json::Map<_, _> =
        wire.refusals.iter().map(|(what, ms)| ((*what).to_owned(), thousandths(*ms))).collect();
    let figures = json!({
        "verified_per_second": tenths(*verified), "signed_per_second_and_core": tenths(*signed),
        "issued_per_second_and_core": tenths(*issued),
        "spent_per_second": tenths(spent.per_second), "spent_syncs_per_second": tenths(spent.syncs_per_second),
        "looked_up_per_second": tenths(looked_up.per_second), "bytes_per_million": tenths(disk.bytes_per_million),
        "free_ms": thousandths(wire.free_ms), "paid_ms": thousandths(wire.paid_ms),
        "extra_ms": thousandths(wire.extra_ms), "cold_per_second": tenths(wire.cold_per_second),
        "answered_ms": refusals,
    });
    Ok(Report { table, figures, missed })
}

fn thousandths(value: f64) -> serde_json::Value {
    json!((value * 1000.0).round() / 1000.0)
}
