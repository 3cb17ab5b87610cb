//! Reading a scenario file, and whether its numbers can be.

use super::Scenario;
use discreet_relay::mix;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a scenario cannot be run.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// No such file, or no right to it.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not TOML, a field that is none, or a value of the wrong kind.
    #[error("{path}, line {line}: {message}")]
    Written {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, in one line.
        message: String,
    },
    /// A number out of its range.
    #[error("{field} must be {least} to {most}, not {value}")]
    Range {
        /// The field, with its table.
        field: &'static str,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
        /// What it is.
        value: f64,
    },
    /// Shares that add up to too much.
    #[error(
        "behaviour.refresh_permille and behaviour.cover_permille must not add up to more than 1000, and are {0}"
    )]
    Shares(u32),
    /// The relay would refuse this mix.
    #[error("mix: {0}")]
    Mix(#[from] mix::SettingsError),
    /// More than a run can hold.
    #[error(
        "clients, hours and behaviour together may cause {0} lookups, and a run holds {MAX_LOOKUPS}; lower one of them"
    )]
    TooMuch(u64),
}

/// Lookups one run holds in memory, at about 300 bytes each.
pub const MAX_LOOKUPS: u64 = 12_000_000;

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// One sentence that names the file or the field.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        let mut scenario: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ScenarioError::Written {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                message: error.message().lines().collect::<Vec<_>>().join(" "),
            }
        })?;
        if let (Some(trace), Some(folder)) = (&mut scenario.trace, path.parent()) {
            trace.file = folder.join(&trace.file);
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), ScenarioError> {
        for (field, value, range) in self.ranges() {
            if !range.contains(&value) {
                return Err(ScenarioError::Range { field, least: *range.start(), most: *range.end(), value });
            }
        }
        let shares = self.behaviour.refresh_permille + self.behaviour.cover_permille;
        if shares > 1000 {
            return Err(ScenarioError::Shares(shares));
        }
        self.mix.settings()?;
        let of_budget = |permille: u32| f64::from(self.behaviour.tokens_per_day * permille) / 1000.0;
        // Pacing asks about no contact more than once a day.
        let refreshes = of_budget(self.behaviour.refresh_permille).min(self.population.contacts);
        let daily = refreshes
            + of_budget(self.behaviour.cover_permille)
            + self.behaviour.messages_per_day
            + self.changes.publishes_per_day;
        let first = self.population.contacts * self.behaviour.new_books;
        let lookups = (f64::from(self.clients) * (daily * self.hours / 24.0 + first)) as u64;
        if lookups > MAX_LOOKUPS {
            return Err(ScenarioError::TooMuch(lookups));
        }
        Ok(())
    }

    fn ranges(&self) -> Vec<(&'static str, f64, RangeInclusive<f64>)> {
        let Self { population, behaviour, network, tokens, changes, adversaries, .. } = self;
        let mut ranges = vec![
            ("clients", self.clients.into(), 2.0..=1e6),
            ("hours", self.hours, 1e-3..=720.0),
            ("population.contacts", population.contacts, 1.0..=2e3),
            ("population.popularity", population.popularity, 0.0..=3.0),
            ("population.issuers", population.issuers.into(), 1.0..=1e3),
            ("behaviour.messages_per_day", behaviour.messages_per_day, 0.0..=1e4),
            ("behaviour.favourites", behaviour.favourites, 0.0..=3.0),
            ("behaviour.diurnal", behaviour.diurnal, 0.0..=1.0),
            ("behaviour.refresh_after_hours", behaviour.refresh_after_hours, 1e-3..=8760.0),
            ("behaviour.tokens_per_day", behaviour.tokens_per_day.into(), 1.0..=1e5),
            ("behaviour.refresh_permille", behaviour.refresh_permille.into(), 0.0..=1e3),
            ("behaviour.cover_permille", behaviour.cover_permille.into(), 0.0..=1e3),
            ("behaviour.new_books", behaviour.new_books, 0.0..=1.0),
            ("behaviour.first_within_hours", behaviour.first_within_hours, 0.0..=720.0),
            ("network.relays", network.relays.into(), 1.0..=100.0),
            ("network.gateways", network.gateways.into(), 1.0..=100.0),
            ("tokens.batch", tokens.batch.into(), 1.0..=1e4),
            ("tokens.every_hours", tokens.every_hours, 1.0..=720.0),
            ("tokens.low_water", tokens.low_water.into(), 0.0..=1e4),
            ("tokens.fetch_spread_secs", tokens.fetch_spread_secs as f64, 0.0..=86_400.0),
            ("tokens.min_age_secs", tokens.min_age_secs as f64, 0.0..=604_800.0),
            ("changes.publishes_per_day", changes.publishes_per_day, 0.0..=1e3),
            ("changes.delay_secs", changes.delay_secs as f64, 0.0..=86_400.0),
            ("adversaries.challenges", adversaries.challenges as f64, 10.0..=1e5),
            ("adversaries.candidates", adversaries.candidates as f64, 2.0..=4096.0),
            ("adversaries.resamples", adversaries.resamples as f64, 20.0..=1e4),
            ("adversaries.excerpt_hours", adversaries.excerpt_hours, 1e-3..=24.0),
            ("adversaries.flood_per_second", adversaries.flood_per_second, 1e-3..=1e4),
            ("adversaries.tagged", adversaries.tagged, 0.0..=1.0),
            ("adversaries.meddling", adversaries.meddling, 0.0..=0.25),
        ];
        let delays = [
            ("network.client_relay.median_ms", "network.client_relay.spread", network.client_relay),
            ("network.relay_gateway.median_ms", "network.relay_gateway.spread", network.relay_gateway),
            ("network.answering.median_ms", "network.answering.spread", network.answering),
        ];
        for (median, spread, delay) in delays {
            ranges.push((median, delay.median_ms, 0.0..=6e4));
            ranges.push((spread, delay.spread, 0.0..=3.0));
        }
        ranges
    }
}
