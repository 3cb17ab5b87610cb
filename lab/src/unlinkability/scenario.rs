//! The scenario file: a population, what it does, what stands between, and who watches. This struct is its
//! manual; `lab/scenarios/` has examples. Nothing is simulated here.

use discreet_client::pacing;
use discreet_relay::mix;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use super::adversary::Name;

mod check;
mod defaults;

pub use check::{MAX_LOOKUPS, ScenarioError};

/// Milliseconds in an hour.
pub const HOUR: u64 = 3_600_000;
/// Milliseconds in a day.
pub const DAY: u64 = 24 * HOUR;

/// One experiment. Everything but the first three fields has a default.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where all chance comes from: the same seed gives the same figures, bit for bit.
    pub seed: u64,
    /// How many people there are; each is asked about, too. 2 to 1,000,000. A trace brings its own.
    pub clients: u32,
    /// Virtual hours, above 0, at most 720.
    pub hours: f64,
    /// Who knows whom.
    #[serde(default)]
    pub population: Population,
    /// What clients do.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Relays, gateways, and how long links take.
    #[serde(default)]
    pub network: Network,
    /// The relays' mix, the same in both directions. Default: off.
    #[serde(default)]
    pub mix: Mix,
    /// How clients get tokens.
    #[serde(default)]
    pub tokens: Tokens,
    /// How mappings change.
    #[serde(default)]
    pub changes: Changes,
    /// Who watches, and how much is asked of them.
    #[serde(default)]
    pub adversaries: Adversaries,
    /// Messages that people really sent, in place of drawn ones. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Who knows whom.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// Mean number of contacts in an address book, 1 to 2,000; books vary geometrically.
    pub contacts: f64,
    /// Exponent of the Zipf law by which people are in others' books: 0 is everybody alike. 0 to 3.
    pub popularity: f64,
    /// Providers that issue tokens, users evenly spread. 1 to 1,000.
    pub issuers: u16,
}

/// What clients do. Pacing is the product's own.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Messages a person writes in a day, 0 to 10,000. One costs a lookup only if the contact's answer is stale.
    pub messages_per_day: f64,
    /// Exponent of the Zipf law by which a person writes to the contacts in the book. 0 to 3.
    pub favourites: f64,
    /// How strongly messages follow the day: 0 not at all, 1 none at four in the night.
    pub diurnal: f64,
    /// Hours an answer may be used, above 0, at most 8,760.
    pub refresh_after_hours: f64,
    /// Tokens an issuer adds in a day; bounds refreshes and covers. 1 to 100,000.
    pub tokens_per_day: u32,
    /// Thousandths of the tokens for refreshes; 0 is asking on demand only. 0 to 1,000.
    pub refresh_permille: u32,
    /// Thousandths of the tokens for cover lookups. 0 to 1,000.
    pub cover_permille: u32,
    /// Share of the clients that start with an address book nobody has asked about. 0 to 1.
    pub new_books: f64,
    /// Hours over which a new book is asked about; 0 is one sweep. 0 to 720.
    pub first_within_hours: f64,
}

/// Relays, gateways, and links.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Relays; each request takes one, drawn anew, as the product's client does. 1 to 100.
    pub relays: u16,
    /// Gateways; each identifier has one. 1 to 100.
    pub gateways: u16,
    /// From client to relay.
    pub client_relay: Delay,
    /// From relay to gateway.
    pub relay_gateway: Delay,
    /// What a gateway takes to answer.
    pub answering: Delay,
}

/// A log-normal delay.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The median in milliseconds, 0 to 60,000.
    pub median_ms: f64,
    /// Standard deviation of the logarithm, 0 to 3; 0 is a constant.
    pub spread: f64,
}

/// The relays' mix.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(tag = "strategy", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mix {
    /// Everything is passed on at once.
    #[default]
    Off,
    /// So many are kept back; one more drives out one of all.
    Pool {
        /// How many.
        size: usize,
        /// Longest delay in each direction.
        max_delay_ms: u64,
    },
    /// All leave when so many have come.
    Batch {
        /// How many.
        size: usize,
        /// Longest delay in each direction.
        max_delay_ms: u64,
    },
    /// Each waits for itself.
    Exponential {
        /// Mean delay.
        mean_ms: u64,
        /// Longest delay in each direction.
        max_delay_ms: u64,
    },
}

/// How clients get tokens.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// What makes a client fetch. Default: a timer.
    pub refill: Refill,
    /// Tokens fetched at once, 1 to 10,000.
    pub batch: u32,
    /// Timer only: hours from one batch to the next, 1 to 720.
    pub every_hours: f64,
    /// A batch is fetched up to so many seconds after its time, evenly drawn. 0 to 86,400.
    pub fetch_spread_secs: u64,
    /// On demand only: a batch is fetched when fewer are left, 0 (only when one is needed) to 10,000.
    pub low_water: u32,
    /// On demand only: tokens younger than this are left alone while there are older ones. 0 to 604,800.
    pub min_age_secs: u64,
}

/// What makes a client fetch tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refill {
    /// A timer that does not look at how many were used; each token is left to age as the product's wallet does.
    #[default]
    Timer,
    /// Use: what the product does not do, for contrast.
    OnDemand,
}

/// How mappings change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Mappings each person publishes in a day, 0 to 1,000.
    pub publishes_per_day: f64,
    /// Seconds a publish is delayed at most, evenly drawn. 0 to 86,400.
    pub delay_secs: u64,
}

/// Who watches.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adversaries {
    /// Which play. Default: all.
    pub run: Vec<Name>,
    /// Games each of them plays at most, 10 to 100,000.
    pub challenges: usize,
    /// Candidates in a game where the referee chooses them, 2 to 4,096.
    pub candidates: usize,
    /// Resamples behind each interval, 20 to 10,000.
    pub resamples: usize,
    /// Hours of the runs made for those who interfere or learn: an excerpt of the same load. Above 0, at most 24.
    pub excerpt_hours: f64,
    /// Requests per second that the flooder sends through each relay, above 0, at most 10,000.
    pub flood_per_second: f64,
    /// Share of clients that get a key of their own from the gateway that tags. 0 to 1.
    pub tagged: f64,
    /// Share of requests that the dishonest relay doubles, and of those it drops, delays and swaps. 0 to 0.25.
    pub meddling: f64,
}

/// Messages that people really sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// A CSV file with the columns `time` (seconds from the start), `client` and `contact` (any names);
    /// relative to the scenario's folder.
    pub file: PathBuf,
    /// What its lines are.
    #[serde(default)]
    pub lines: Lines,
}

/// What the lines of a trace are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// Messages: caches, pacing and covers of the product decide what is looked up.
    #[default]
    Messages,
    /// Lookups, sent as they stand.
    Lookups,
}

impl Scenario {
    /// The run's length.
    pub fn end_ms(&self) -> u64 {
        (self.hours * HOUR as f64) as u64
    }

    /// The same population and load for the shorter time of those who interfere or learn, from another seed.
    #[must_use]
    pub fn excerpt(&self, seed: u64) -> Self {
        let hours = self.hours.min(self.adversaries.excerpt_hours);
        Self { seed: self.seed.wrapping_add(seed), hours, ..self.clone() }
    }
}

impl Mix {
    /// As the product's mix takes them; nothing where it is off.
    ///
    /// # Errors
    ///
    /// When the product would refuse them.
    pub fn settings(&self) -> Result<Option<mix::Settings>, mix::SettingsError> {
        let (strategy, max_delay_ms) = match *self {
            Self::Off => return Ok(None),
            Self::Pool { size, max_delay_ms } => (mix::Strategy::Pool { size }, max_delay_ms),
            Self::Batch { size, max_delay_ms } => (mix::Strategy::Batch { size }, max_delay_ms),
            Self::Exponential { mean_ms, max_delay_ms } => {
                (mix::Strategy::Exponential { mean: Duration::from_millis(mean_ms) }, max_delay_ms)
            }
        };
        mix::Settings::new(strategy, Duration::from_millis(max_delay_ms)).map(Some)
    }

    /// Longest delay in one direction.
    pub fn max_delay_ms(&self) -> u64 {
        match *self {
            Self::Off => 0,
            Self::Pool { max_delay_ms, .. }
            | Self::Batch { max_delay_ms, .. }
            | Self::Exponential { max_delay_ms, .. } => max_delay_ms,
        }
    }
}

impl Behaviour {
    /// As the product's pacing takes them.
    pub fn pacing(&self) -> pacing::Settings {
        pacing::Settings {
            per_day: self.tokens_per_day,
            refresh_permille: self.refresh_permille,
            cover_permille: self.cover_permille,
            first_within: Duration::from_secs_f64(self.first_within_hours * 3600.0),
            ..pacing::Settings::default()
        }
    }
}

#[cfg(test)]
mod tests;
