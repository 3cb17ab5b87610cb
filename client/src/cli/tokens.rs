//! `discreet tokens`: what is in stock, and getting more.

use super::Failure;
use super::common::Directory;
use super::contacts::duration;
use super::output::{Bold, moment};
use super::stop;
use super::wait;
use clap::{Args, Subcommand};
use discreet_client::{Client, KeyStock, MAX_STOCK, Stock, moment_within};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// How many are got at once, if nothing is said: two thirds of what an issuer usually gives in a day.
const COUNT: usize = 100;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    directory: Option<Directory>,
}

#[derive(Subcommand)]
enum Action {
    /// Get tokens from the profile's issuer
    ///
    /// Its keys must be those that the provider's signed policy names. Each token that comes is kept at once,
    /// and can be used from a moment within the next 24 hours that is drawn at random. Let it go on with
    /// --every 1d, or run it once a day by a timer, always with the same --count: if you run it when you are
    /// short of tokens, your issuer learns how much you used. When the wallet is full, new tokens take the place
    /// of others.
    Get(Get),
}

#[derive(Args)]
struct Get {
    #[command(flatten)]
    directory: Directory,
    /// How many
    #[arg(long, value_name = "N", default_value_t = COUNT, value_parser = count)]
    count: usize,
    /// Go on until it is stopped: once in each such time, at a moment in it that is drawn at random: 1d, 12h.
    /// What fails is said, and tried again the next time. Time counts while the machine is awake
    #[arg(long, value_name = "TIME", value_parser = duration)]
    every: Option<Duration>,
}

impl Tokens {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        match (&self.action, &self.directory) {
            (Some(Action::Get(get)), _) => get.run(json).await,
            (None, Some(directory)) => show(directory, json).await,
            // Never: clap has seen to it that there is a profile.
            (None, None) => Err(Failure::NoState),
        }
    }
}

async fn show(directory: &Directory, json: bool) -> Result<ExitCode, Failure> {
    let stock = directory.own_client()?.tokens().await?;
    if json {
        println!("{}", document(&stock));
    } else {
        text(&stock);
    }
    Ok(ExitCode::SUCCESS)
}

impl Get {
    async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.directory.own_client()?;
        match self.every {
            None => self.get(&client, json).await?,
            Some(period) => self.go_on(period, &client, json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn go_on(&self, period: Duration, client: &Client, json: bool) -> Result<(), Failure> {
        let mut stop = std::pin::pin!(stop::asked());
        let mut begins = Instant::now();
        loop {
            let next = begins + moment_within(period)?;
            tokio::select! {
                biased;
                stop = &mut stop => return Err(Failure::stopped(stop)),
                () = wait::with_bar(next.saturating_duration_since(Instant::now()), "next tokens") => {}
            }
            // To its end, also if it is stopped meanwhile: what comes was counted by the issuer.
            if let Err(error) = self.get(client, json).await {
                eprintln!("discreet: {error}");
            }
            begins += period;
        }
    }

    async fn get(&self, client: &Client, json: bool) -> Result<(), Failure> {
        let bar = wait::count_bar(self.count as u64, "getting tokens");
        let refill = client.refill_tokens(self.count, &|kept| bar.set_position(kept as u64)).await;
        bar.finish_and_clear();
        let refill = refill?;
        if !json {
            println!("got {} of {} tokens", refill.kept, self.count);
        } else if refill.outcome.is_ok() {
            println!("{}", json!({ "got": refill.kept, "wanted": self.count }));
        }
        Ok(refill.outcome?)
    }
}

fn text(stock: &Stock) {
    let bold = Bold::new();
    let usable = stock.usable();
    println!("{} usable now, {} later", bold.of(&usable.to_string()), stock.total() - usable);
    for key in &stock.keys {
        let name = hex::encode(key.key_id.get(..4).unwrap_or_default());
        println!("{}, key {name}, until {}:", key.issuer, moment(key.until));
        print!("  {} usable now", key.usable);
        match (key.next, key.all) {
            (Some(next), Some(all)) => {
                println!(", {} later: the first from {}, all from {}", key.later, moment(next), moment(all))
            }
            _ => println!(),
        }
    }
    if stock.total() == 0 {
        println!("get some with `discreet tokens get`");
    }
}

fn document(stock: &Stock) -> Value {
    let key = |key: &KeyStock| {
        json!({
            "issuer": key.issuer,
            "key": hex::encode(key.key_id),
            "usable": key.usable,
            "later": key.later,
            "next": key.next.map(|time| time.unix()),
            "all": key.all.map(|time| time.unix()),
            "until": key.until.unix(),
        })
    };
    json!({
        "usable": stock.usable(),
        "later": stock.total() - stock.usable(),
        "keys": stock.keys.iter().map(key).collect::<Vec<_>>(),
    })
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX_STOCK).contains(count));
    count.ok_or_else(|| format!("a number from 1 to {MAX_STOCK}, which is as many as the wallet takes"))
}
