//! `lab scraping`: how long it takes to turn a directory into a list of a country's numbers, and what that is with
//! the real programs.

use crate::stress::{Report, tenths};
use anyhow::{Context, Result, ensure};
use clap::Args;
use discreet_provider::issuer::quota::MAX_QUOTA;
use model::{Budgets, Quota, Task, days, days_of_issuers};
use std::path::PathBuf;

mod enumerate;
mod hired;
mod model;

/// Who is measured.
const ACCOUNTS: [u64; 6] = [1, 100, 10_000, 100_000, 1_000_000, 10_000_000];
/// Days that somebody may want to be done in.
const DEADLINES: [u64; 4] = [30, 365, 1010, 3650];

/// Most numbers that a task has: as many as 15 digits name (ITU-T E.164 §6.2.1).
const MOST_NUMBERS: u64 = 1_000_000_000_000_000;
/// Tokens that the enumerator's accounts get altogether at most; each takes a signature and an answer.
const MOST_TOKENS: u64 = 1_000_000;

/// Prints accounts and days needed to look all numbers up, by the budgets of the rules, and then has an
/// enumerator try against the real programs that it gets its budget and not one lookup more.
///
/// A lookup costs `price` tokens. An issuer's users together get C = min(redemptions / price, notFound / absent)
/// answers a day, where `absent` is the share of numbers that are in nobody's mapping; the budgets of issuers add
/// up. A hired accounts have A (burst + per_day (t - 1)) tokens after t days, so N numbers take
/// max(ceil(N / C), 1 + ceil((N price / A - burst) / per_day)) days. A malicious issuer signs as many tokens as it
/// likes, so ceil(N / C): the data owner's budgets alone count. What accounts are worth, and whether an issuer is
/// caught before, is not in these figures. The sample's figures are those of resolver/rules.sample.toml.
#[derive(Args)]
pub(crate) struct Options {
    /// The data owner's rules (TOML); without it, those of the shipped sample, with its tokens switched on
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// A signed policy, as clients fetch it, instead; its signature is not verified
    #[arg(long, value_name = "FILE", conflicts_with = "rules")]
    policy: Option<PathBuf>,
    /// Numbers to look up; by default the mobile numbers of the United States
    #[arg(long, default_value_t = 505_000_000, value_parser = clap::value_parser!(u64).range(1..=MOST_NUMBERS))]
    numbers: u64,
    /// Per cent of them that are in the directory
    #[arg(long, default_value_t = 0.0, value_parser = per_cent)]
    listed: f64,
    /// Tokens that an account gets at once
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(..=u64::from(MAX_QUOTA)))]
    burst: u64,
    /// Tokens that it gets with each day
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(..=u64::from(MAX_QUOTA)))]
    per_day: u64,
    /// Only the table
    #[arg(long)]
    table: bool,
    /// Accounts of the enumerator
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=MOST_TOKENS))]
    accounts: u64,
    /// The quota that their issuer gives each of them
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MAX_QUOTA as u64))]
    tokens: u64,
    /// One line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let tokens = options.accounts * options.tokens;
    ensure!(
        options.table || tokens <= MOST_TOKENS,
        "--accounts times --tokens are {tokens} tokens, and the enumerator takes {MOST_TOKENS} at most; lower one of them"
    );
    let mut report = table(options)?;
    if !options.table {
        let tried = enumerate::run(options.accounts, options.tokens).await?;
        report.table.push(String::new());
        report.table.extend(tried.table);
        if let Some(figures) = report.figures.as_object_mut() {
            figures.insert("enumerator".to_owned(), tried.figures);
        }
        report.missed.extend(tried.missed);
    }
    report.print(options.json)
}

fn budgets(options: &Options) -> Result<Budgets> {
    match (&options.rules, &options.policy) {
        (Some(path), _) => Budgets::from_rules(path),
        (None, Some(path)) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Budgets::from_policy(&bytes)
        }
        (None, None) => Budgets::shipped(),
    }
}

fn per_cent(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or("a share is 0 to 100 per cent")
}

fn table(options: &Options) -> Result<Report> {
    let budgets = budgets(options)?;
    let task = Task { numbers: options.numbers, listed: options.listed / 100.0, price: budgets.price };
    let quota = Quota { burst: options.burst, per_day: options.per_day };
    let all: Vec<_> = budgets.issuers.iter().collect();
    let per_day: f64 = all.iter().map(|issuer| issuer.lookups_per_day(&task)).sum();
    let mut table = vec![
        format!(
            "{} numbers, {} % of them listed; a lookup costs {} tokens",
            task.numbers, options.listed, task.price
        ),
        format!("an account gets {} tokens at once and {} a day", quota.burst, quota.per_day),
        String::new(),
    ];
    let hired = ACCOUNTS.map(|accounts| (accounts, days(&task, per_day, accounts, quota)));
    table.push(format!("{:<44} {:>12}", "hired accounts, spread over all issuers", "days"));
    table.extend(hired.iter().map(|(accounts, days)| format!("{accounts:<44} {:>12}", shown(*days))));
    table.push(format!("\n{:<44} {:>12}", "done in days", "accounts"));
    let needed = DEADLINES.map(|deadline| (deadline, model::accounts(&task, per_day, deadline, quota)));
    table.extend(needed.iter().map(|(deadline, accounts)| {
        let accounts = accounts.map_or_else(|| "no number".to_owned(), |accounts| accounts.to_string());
        format!("{deadline:<44} {accounts:>12}")
    }));
    table.push(format!("\n{:<44} {:>12}", "malicious issuers, which sign what they like", "days"));
    let malicious: Vec<_> = all
        .iter()
        .map(|issuer| (issuer.name.clone(), days_of_issuers(&task, issuer.lookups_per_day(&task))))
        .collect();
    table.extend(malicious.iter().map(|(name, days)| format!("{name:<44} {:>12}", shown(*days))));
    let together = days_of_issuers(&task, per_day);
    table.push(format!("{:<44} {:>12}", "all of them together", shown(together)));
    let figures = serde_json::json!({
        "numbers": task.numbers, "listed_percent": options.listed, "price": task.price,
        "burst": quota.burst, "per_day": quota.per_day, "lookups_per_day": tenths(per_day),
        "hired": hired.map(|(accounts, days)| serde_json::json!({ "accounts": accounts, "days": days })),
        "deadlines": needed.map(|(days, accounts)| serde_json::json!({ "days": days, "accounts": accounts })),
        "malicious": malicious.iter().map(|(name, days)| serde_json::json!({ "issuer": name, "days": days }))
            .collect::<Vec<_>>(),
        "malicious_together_days": together,
    });
    Ok(Report { table, figures, missed: Vec::new() })
}

fn shown(days: Option<u64>) -> String {
    days.map_or_else(|| "never".to_owned(), |days| days.to_string())
}
