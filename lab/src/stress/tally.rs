//! What became of lookups: how many, how fast, and what went wrong.

use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Filled by many tasks at once.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    times: Vec<Duration>,
    failures: BTreeMap<String, u64>,
}

/// What came together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    /// Lookups that were answered, and rightly.
    pub(crate) answered: u64,
    /// The others.
    pub(crate) failed: u64,
    /// What happened to those, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Half of the answers took no longer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 took no longer.
    pub(crate) p99_ms: f64,
    /// None took longer.
    pub(crate) max_ms: f64,
}

impl Tally {
    /// Notes what became of a lookup that was due at `due`. What it waited for its turn counts, too.
    pub(crate) fn note(&self, due: Instant, outcome: Result<()>) {
        let time = due.elapsed();
        let mut counts = self.counts();
        match outcome {
            Ok(()) => counts.times.push(time),
            Err(error) => *counts.failures.entry(format!("{error:#}")).or_default() += 1,
        }
    }

    /// All that was noted since the last call.
    pub(crate) fn take(&self) -> Sum {
        let Counts { mut times, failures } = std::mem::take(&mut *self.counts());
        times.sort_unstable();
        Sum {
            answered: times.len() as u64,
            failed: failures.values().sum(),
            failures,
            p50_ms: percentile(&times, 50),
            p99_ms: percentile(&times, 99),
            max_ms: percentile(&times, 100),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The middle one of `values`; not a number if there are none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest time that `percent` of 100 do not exceed, in milliseconds; not a number if there are
/// none.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 99)), (100.0, 198.0));
        assert_eq!((percentile(&times, 100), percentile(&times[..1], 99)), (200.0, 1.0));
        assert!(percentile(&[], 99).is_nan());
    }

    #[test]
    fn a_sum_begins_anew() {
        let tally = Tally::default();
        tally.note(Instant::now(), Ok(()));
        tally.note(Instant::now(), Err(anyhow::anyhow!("lost")));
        let sum = tally.take();
        assert_eq!((sum.answered, sum.failed, sum.failures.get("lost")), (1, 1, Some(&1)));
        assert_eq!((tally.take().answered, tally.take().failed), (0, 0));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
