//! `lab swap`: the definition of unlinkability as an experiment. Exchange who asks about whom: no party alone
//! may see a difference.
//!
//! First to the byte, in three worlds with the same randomness and a clock that stands still (`exact`); then by
//! a classifier over many live runs (`live`).

use crate::files;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use live::Seen;
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

pub(crate) use exact::Exact;

mod exact;
mod live;
mod system;

/// Fewest runs from which a planted leak is told from chance.
const MIN_RUNS: i64 = 40;

#[derive(Args)]
pub(crate) struct Options {
    /// How many live runs, with two lookups each; half of them teach the classifier
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(MIN_RUNS..=100_000))]
    runs: u32,
    /// What randomness comes from, and who asks about whom in which run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the result, `swap.json`; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// Plant a leak, to see that it is caught. The command then succeeds if it is, where it was planted and nowhere else
    #[arg(long, value_enum, value_name = "KIND")]
    plant: Option<Leak>,
    /// Play the three worlds in this process, whose randomness somebody has made repeatable
    #[arg(long, hide = true)]
    inside: bool,
}

/// A leak that the laboratory makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Leak {
    /// Live: a header field at the gateway has the client's index.
    Header,
    /// Live: one client is slower than the other.
    Delay,
    /// Live: requests about one identifier are a byte longer at the relays.
    Size,
    /// To the byte: one client always asks for a tag.
    Tag,
    /// To the byte: whoever asks about one identifier asks twice.
    Twice,
}

/// Where something shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the gateway's transcripts of the worlds.
    GatewayTranscript,
    /// In the relays'.
    RelayTranscripts,
    /// In the live runs at this party.
    Live(&'static str),
}

impl Leak {
    /// Where it must show, and nowhere else.
    fn place(self) -> Place {
        match self {
            Self::Header | Self::Delay => Place::Live("gateway"),
            Self::Size => Place::Live("relays"),
            Self::Tag => Place::GatewayTranscript,
            Self::Twice => Place::RelayTranscripts,
        }
    }
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    if options.inside {
        println!("{}", serde_json::to_string(&exact::inside(options.seed, options.plant).await?)?);
        return Ok(());
    }
    if let Some(out) = &options.out {
        crate::create_folder(out)?;
    }
    let exact = exact::run(options.seed, options.plant)?;
    let seen = live::run(options.runs, options.seed, options.plant).await?;
    let document = json!({
        "exact": exact, "runs": options.runs, "seed": options.seed, "planted": options.plant, "live": seen
    });
    if let Some(out) = &options.out {
        files::write(&out.join("swap.json"), format!("{document:#}\n").as_bytes())?;
    }
    if options.json {
        println!("{document}");
    } else {
        print(options, &exact, &seen);
    }
    judge(options, &exact, &seen)
}

fn print(options: &Options, exact: &Exact, seen: &[Seen]) {
    let word = |same| if same { "the same" } else { "DIFFERENT" };
    println!(
        "who asks, exchanged: the gateway's {} bytes are {}",
        exact.gateway_bytes,
        word(exact.gateway_identical)
    );
    println!(
        "about whom, exchanged: the relays' {} bytes are {} but for ciphertext\n",
        exact.relay_bytes,
        word(exact.relay_same_outside)
    );
    println!("{} live runs, seed {}: a classifier's area under the curve", options.runs, options.seed);
    for Seen { party, auc } in seen {
        println!("  {party:<8} {:.3}   99 % interval {:.3} to {:.3}", auc.auc, auc.low, auc.high);
    }
}

fn judge(options: &Options, exact: &Exact, seen: &[Seen]) -> Result<()> {
    ensure!(
        exact.relay_ciphertext_differs,
        "the ciphertext does not depend on the question: nothing was compared"
    );
    let planted = options.plant.map(Leak::place);
    let telling = telling(exact, seen);
    for place in &telling {
        ensure!(planted == Some(*place), "{}", said(*place));
    }
    let caught = options.plant.is_none_or(|leak| telling.contains(&leak.place()));
    ensure!(caught, "not caught: {:?}", options.plant);
    Ok(())
}

/// All places where one world, or one run, can be told from another.
fn telling(exact: &Exact, seen: &[Seen]) -> Vec<Place> {
    let transcripts = [
        (Place::GatewayTranscript, exact.gateway_identical),
        (Place::RelayTranscripts, exact.relay_same_outside),
    ];
    let differing = transcripts.into_iter().filter(|(_, same)| !same).map(|(place, _)| place);
    let separated = seen.iter().filter(|seen| seen.auc.separates()).map(|seen| Place::Live(seen.party));
    differing.chain(separated).collect()
}

fn said(place: Place) -> String {
    match place {
        Place::GatewayTranscript => "the gateway can tell who asks: its transcripts differ".to_owned(),
        Place::RelayTranscripts => {
            "the relays can tell about whom: their transcripts differ outside of ciphertext".to_owned()
        }
        Place::Live(party) => format!("a classifier tells the runs apart at: {party}"),
    }
}
