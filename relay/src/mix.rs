//! When a held message leaves: a pool mix with bounded delay, without a clock, a socket or a task.
//!
//! Somebody who sees both hops of a relay links a message that arrives to the next one that leaves. A
//! [`Mix`] holds messages back and lets them leave in another order. It is told the time, the arrivals and
//! where to draw chance from, and says what leaves now: the relay and the unlinkability laboratory run the
//! same code, and equal seeds give equal runs. It must not look at what it holds.
//!
//! *Nothing is held longer than [`Settings::max_delay`]*, and the bound leaves no mark. Were it a timer of
//! that length, a lonely message would leave exactly that long after it came, which is as good as a label.
//! So what no other message drives out leaves after a time drawn in advance: uniform up to the bound (of
//! all delays within a bound the one of the greatest entropy), or exponential on the condition of being
//! within it. A batch needs none of it: all leave together, so when they do says nothing of which is which.
//!
//! *Effective pool size*: 2 to the entropy, in bits, of which of the held messages it was that left (the
//! effective anonymity set size of Serjantov and Danezis, "Towards an Information Theoretic Metric for
//! Anonymity", 2002), for somebody who sees every arrival and knows who left before. Whoever knows less
//! learns less. One means that each is linked. It cannot know that the others it counts are one sender's:
//! against flooding (n − 1) it says nothing.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, RngExt, seq::SliceRandom};
use serde::Deserialize;
use thiserror::Error;

/// The most messages one mix holds. Over it, one drawn from all leaves early: nothing is lost.
pub const MAX_HELD: usize = 4096;
/// Over how many of the last departures [`Mix::effective_size`] is the mean, about.
const REMEMBERED: f64 = 64.0;

/// How messages are held back.
///
/// ```toml
/// strategy = "pool"
/// size = 16
/// max_delay_ms = 2000
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Settings {
    strategy: Strategy,
    max_delay: Duration,
}

/// Which of the held messages leaves when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `size` are kept back; each further one drives out one of all, each as likely, itself included.
    Pool {
        /// 1 to [`MAX_HELD`].
        size: usize,
    },
    /// A threshold mix: when `size` have come all of them leave, in an order drawn anew; at the latest when
    /// the first of them has waited for the longest delay.
    Batch {
        /// 2 to [`MAX_HELD`].
        size: usize,
    },
    /// Each by itself after an exponential delay, whatever the others do (a Poisson mix).
    Exponential {
        /// The mean before the delay is bounded, 1 ms up to the longest delay.
        mean: Duration,
    },
}

/// Why a mix cannot be set like this.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Nothing is mixed, or more than there is room for.
    #[error("size must be {least} to {MAX_HELD}")]
    Size {
        /// The least the strategy can work with.
        least: usize,
    },
    /// Messages would not be held.
    #[error("max_delay_ms must be at least 1")]
    NoDelay,
    /// Most would be cut at the bound, or none be held.
    #[error("mean_ms must be at least 1, and max_delay_ms or less")]
    Mean,
}

impl Settings {
    /// Messages held by `strategy`, none for longer than `max_delay`, which counts in whole milliseconds.
    ///
    /// # Errors
    ///
    /// When a size, mean or delay is out of its range.
    pub fn new(strategy: Strategy, max_delay: Duration) -> Result<Self, SettingsError> {
        let of = |size: usize, least: usize| match size {
            _ if (least..=MAX_HELD).contains(&size) => Ok(()),
            _ => Err(SettingsError::Size { least }),
        };
        match strategy {
            _ if millis(max_delay) == 0 => return Err(SettingsError::NoDelay),
            Strategy::Pool { size } => of(size, 1)?,
            Strategy::Batch { size } => of(size, 2)?,
            Strategy::Exponential { mean } if millis(mean) == 0 || mean > max_delay => {
                return Err(SettingsError::Mean);
            }
            Strategy::Exponential { .. } => {}
        }
        Ok(Self { strategy, max_delay })
    }

    /// Which message leaves when.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// How long a message is held at most.
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// How long a message that is arriving may stay, in milliseconds.
    fn draw_delay(&self, rng: &mut impl Rng) -> u64 {
        let longest = millis(self.max_delay);
        match self.strategy {
            Strategy::Pool { .. } => rng.random_range(1..=longest),
            Strategy::Batch { .. } => longest,
            Strategy::Exponential { mean } => {
                let mean = millis(mean) as f64;
                // The inverse of the distribution on the condition of being within the bound.
                let within = 1.0 - (-(longest as f64) / mean).exp();
                let delay = -mean * (1.0 - rng.random::<f64>() * within).ln();
                (delay.round() as u64).clamp(1, longest)
            }
        }
    }

    /// How likely a message that has been held for `age` milliseconds leaves now for its own reasons; up to
    /// a factor that is the same for all ages.
    fn hazard(&self, age: u64) -> f64 {
        let left = (millis(self.max_delay).saturating_sub(age) + 1) as f64;
        match self.strategy {
            Strategy::Exponential { mean } => 1.0 / (1.0 - (-left / millis(mean) as f64).exp()),
            Strategy::Pool { .. } | Strategy::Batch { .. } => 1.0 / left,
        }
    }
}

/// Messages held back. Times are milliseconds of one clock that does not go back, whatever it counts from.
#[derive(Debug)]
pub struct Mix<T> {
    settings: Settings,
    held: Vec<Held<T>>,
    /// Where in `held` the messages are, the next to leave by its time first.
    slots: BTreeMap<Turn, usize>,
    arrivals: u64,
    departures: Departures,
}

/// When a message leaves at the latest, and its number.
type Turn = (u64, u64);

#[derive(Debug)]
struct Held<T> {
    item: T,
    arrived_ms: u64,
    turn: Turn,
}

/// The mean entropy of the last departures.
#[derive(Debug, Default)]
struct Departures {
    seen: f64,
    bits: f64,
}

impl<T> Mix<T> {
    /// An empty mix.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            held: Vec::new(),
            slots: BTreeMap::new(),
            arrivals: 0,
            departures: Departures::default(),
        }
    }

    /// Takes `item`, and returns what leaves now, in this order; it may be among it.
    pub fn arrive(&mut self, now_ms: u64, item: T, rng: &mut impl Rng) -> Vec<T> {
        let mut leaving = self.expire(now_ms, rng);
        let latest = now_ms.saturating_add(self.settings.draw_delay(rng));
        let turn = (latest, self.arrivals);
        self.arrivals += 1;
        self.slots.insert(turn, self.held.len());
        self.held.push(Held { item, arrived_ms: now_ms, turn });
        let keep = match self.settings.strategy {
            Strategy::Pool { size } => size,
            Strategy::Batch { size } if self.held.len() >= size => 0,
            Strategy::Batch { .. } | Strategy::Exponential { .. } => MAX_HELD,
        };
        if keep == 0 {
            leaving.append(&mut self.drain(rng));
        } else if self.held.len() > keep {
            self.departures.note((self.held.len() as f64).log2());
            let slot = rng.random_range(0..self.held.len());
            leaving.push(self.take(slot));
        }
        leaving
    }

    /// When [`Mix::expire`] has to be called next, if anything is held.
    pub fn due(&self) -> Option<u64> {
        self.slots.first_key_value().map(|((latest, _), _)| *latest)
    }

    /// What leaves because its time has come, in this order.
    pub fn expire(&mut self, now_ms: u64, rng: &mut impl Rng) -> Vec<T> {
        let mut leaving = Vec::new();
        while let Some(((latest, _), &slot)) = self.slots.first_key_value()
            && *latest <= now_ms
        {
            if let Strategy::Batch { .. } = self.settings.strategy {
                return self.drain(rng);
            }
            self.departures.note(self.entropy_of_expiry(now_ms));
            leaving.push(self.take(slot));
        }
        // Whoever is late, as a timer may be, must not tell by the order of what is due by now.
        leaving.shuffle(rng);
        leaving
    }

    /// Everything that is held, each once, in an order drawn anew.
    pub fn drain(&mut self, rng: &mut impl Rng) -> Vec<T> {
        let bits = (self.held.len() as f64).log2();
        self.slots.clear();
        let mut leaving: Vec<_> = self.held.drain(..).map(|held| held.item).collect();
        leaving.iter().for_each(|_| self.departures.note(bits));
        leaving.shuffle(rng);
        leaving
    }

    /// How many messages are held: [`MAX_HELD`] at most.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The effective pool size of the last departures (the mean of their entropies, about 64 of them); none
    /// before the first.
    pub fn effective_size(&self) -> Option<f64> {
        (self.departures.seen > 0.0).then(|| self.departures.bits.exp2())
    }

    /// Removes what is in a slot that was just found.
    fn take(&mut self, slot: usize) -> T {
        let taken = self.held.swap_remove(slot);
        self.slots.remove(&taken.turn);
        if let Some(moved) = self.held.get(slot) {
            self.slots.insert(moved.turn, slot);
        }
        taken.item
    }

    /// Bits of doubt about which of the held messages leaves, if it is known that its time has come.
    fn entropy_of_expiry(&self, now_ms: u64) -> f64 {
        let hazard = |held: &Held<T>| self.settings.hazard(now_ms.saturating_sub(held.arrived_ms));
        let (sum, with_log) =
            self.held.iter().map(hazard).fold((0.0, 0.0), |(sum, with_log), hazard| {
                (sum + hazard, with_log + hazard * hazard.log2())
            });
        // Of one alone it is zero, which rounding may miss.
        (sum.log2() - with_log / sum).max(0.0)
    }
}

impl Departures {
    /// Counts one departure: all alike at first, then the newest more than the old.
    fn note(&mut self, bits: f64) {
        self.seen = (self.seen + 1.0).min(REMEMBERED);
        self.bits += (bits - self.bits) / self.seen;
    }
}

/// Settings as a file says them.
#[derive(Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    Pool { size: usize, max_delay_ms: u64 },
    Batch { size: usize, max_delay_ms: u64 },
    Exponential { mean_ms: u64, max_delay_ms: u64 },
}

impl TryFrom<Written> for Settings {
    type Error = SettingsError;

    fn try_from(written: Written) -> Result<Self, SettingsError> {
        let (strategy, max_delay_ms) = match written {
            Written::Pool { size, max_delay_ms } => (Strategy::Pool { size }, max_delay_ms),
            Written::Batch { size, max_delay_ms } => (Strategy::Batch { size }, max_delay_ms),
            Written::Exponential { mean_ms, max_delay_ms } => {
                (Strategy::Exponential { mean: Duration::from_millis(mean_ms) }, max_delay_ms)
            }
        };
        Self::new(strategy, Duration::from_millis(max_delay_ms))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
