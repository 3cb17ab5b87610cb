//! What `results.json` holds. Its shape is a promise to whoever draws or compares it: fields are added,
//! never renamed or given another meaning without a new [`FORMAT`]. No time of the machine is in it, so that
//! a seed gives the same file bit for bit.

use super::scenario::Scenario;
use serde::{Deserialize, Serialize};

/// The shape described here.
pub const FORMAT: u32 = 1;

/// All figures of one run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that made it.
    pub version: String,
    /// Simulated, or observed over loopback.
    pub mode: Mode,
    /// The settings, with every default filled in.
    pub scenario: Scenario,
    /// What happened.
    pub summary: Summary,
    /// What the mixes did, one for each relay, gateway and direction. Empty without mixing, and in real time.
    pub mixes: Vec<MixFigures>,
    /// What sizes tell, one for each view and direction.
    pub sizes: Vec<SizeFigures>,
    /// What the adversaries achieved.
    pub adversaries: Vec<AdversaryResult>,
}

/// Where the figures come from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A simulation with the product's own pacing and mixing.
    VirtualTime,
    /// The product's relays, gateway and clients over loopback.
    RealTime,
}

/// A figure and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure itself.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// Counts of what happened.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// Clients in the population.
    pub clients: u64,
    /// Entries in all address books.
    pub contacts: u64,
    /// Lookups that a client wanted the answer of.
    pub lookups: u64,
    /// Lookups sent as cover.
    pub covers: u64,
    /// Mappings published.
    pub publishes: u64,
    /// Messages that were sent on a cached answer, so that no lookup went out.
    pub from_cache: u64,
    /// Batches of tokens fetched.
    pub issuances: u64,
    /// Tokens used before their time, because no other was left. Only with a timer.
    #[serde(default)]
    pub hurried: u64,
    /// Lookups per client and day, covers included.
    pub per_client_and_day: f64,
    /// Median time from sending to the answer, in milliseconds.
    pub latency_median_ms: f64,
    /// The 99th percentile of it, in milliseconds.
    pub latency_p99_ms: f64,
    /// Median of what the request mix added, in milliseconds.
    pub added_median_ms: f64,
}

/// One mix.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MixFigures {
    /// The relay's number, from 0.
    pub relay: u16,
    /// The gateway's number, from 0.
    pub gateway: u16,
    /// Requests on their way up, or answers on their way down.
    pub direction: Direction,
    /// What passed.
    pub passed: u64,
    /// Mean number held, over time.
    pub mean_held: f64,
    /// The mix's own estimate of who a departure could have been: the effective pool size that a relay's metric
    /// shows, in the geometric mean over arrivals.
    pub effective_pool: f64,
    /// Mean delay added, in milliseconds.
    pub mean_delay_ms: f64,
}

/// Which way something goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What the sizes seen in one place say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SizeFigures {
    /// The view, by its file's name without the ending.
    pub view: String,
    /// Requests or answers.
    pub direction: Direction,
    /// How many different sizes there were.
    pub distinct: u64,
    /// Bits that a size tells of who asked.
    pub information_who: Estimate,
    /// Bits that a size tells of whom was asked about.
    pub information_whom: Estimate,
}

/// What one adversary achieved.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AdversaryResult {
    /// Its name, as scenarios write it, and a variant behind a slash where it plays more than once.
    pub name: String,
    /// What it is given.
    pub sees: String,
    /// What it must tell.
    pub game: String,
    /// Games played.
    pub challenges: u64,
    /// Mean number of candidates in a game.
    pub candidates: f64,
    /// How often a blind guess is right.
    pub blind: f64,
    /// How often its best guess is right.
    pub success: Estimate,
    /// `success` above `blind`: the linkage advantage.
    pub advantage: Estimate,
    /// Area under the ROC curve over all pairs of subject and candidate; 0.5 is blind.
    pub auc: Estimate,
    /// True-positive rate at a false-positive rate of at most 10⁻³.
    pub tpr_at_fpr_1e3: Estimate,
    /// Candidates left to it, by entropy: 2 to the mean entropy of its belief.
    pub set_by_entropy: Estimate,
    /// Candidates left to it, by min-entropy: 1 over the mean belief in its best guess.
    pub set_by_min_entropy: Estimate,
    /// Points `[false-positive rate, true-positive rate]` of the curve, at most some two hundred.
    pub roc: Vec<[f64; 2]>,
    /// Where the game is about patience.
    pub rounds: Option<Rounds>,
    /// Lookups that were lost by what the adversary did, where it does something.
    pub lost: u64,
    /// Why there is nothing to tell, when no game could be posed.
    pub note: Option<String>,
}

/// How long it took.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rounds {
    /// What a round is.
    pub unit: String,
    /// The median number of rounds until the best guess was right and stayed so; `None` where less than half
    /// were disclosed.
    pub median: Option<f64>,
    /// The lower end of the median's interval; `None` where it is beyond the run.
    #[serde(default)]
    pub median_low: Option<f64>,
    /// The upper end; `None` where it is beyond the run.
    #[serde(default)]
    pub median_high: Option<f64>,
    /// Share of the subjects that were disclosed within the run.
    pub disclosed: Estimate,
}
