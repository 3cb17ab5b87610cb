//! What a relay counts, beside what its shell counts. No label names a client, a gateway or a time.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The relay's counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    forwarded: Family<ForwardLabel, Counter>,
    documents: Family<DocumentLabel, Counter>,
    not_admitted: Counter,
    mix_held: Family<MixLabel, Gauge>,
    mix_effective_size: Family<MixLabel, Gauge<f64, AtomicU64>>,
    mixes: Mixes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MixLabel {
    direction: Direction,
}

/// Which way a held message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Direction {
    Requests,
    Answers,
}

/// How many messages each mix holds, and its effective pool size, by direction.
type Mixes = Arc<Mutex<Vec<(Direction, usize, Option<f64>)>>>;

/// Where the two mixes of a gateway show what they hold.
#[derive(Debug)]
pub(crate) struct MixMetrics {
    pub(crate) requests: MixGauges,
    pub(crate) answers: MixGauges,
}

/// Where one mix shows what it holds: together with all of its direction, because no label names a gateway.
#[derive(Debug)]
pub(crate) struct MixGauges {
    direction: Direction,
    place: usize,
    mixes: Mixes,
    held: Gauge,
    effective_size: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ForwardLabel {
    outcome: Forwarded,
}

/// How an encapsulated request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Forwarded {
    Relayed,
    Refused,
    GatewayUnreachable,
    GatewayUntrusted,
    GatewayTimeout,
    GatewayPaused,
    RedirectRefused,
    BadAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DocumentLabel {
    outcome: Served,
}

/// Where a copy of keys or policy came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Served {
    Cached,
    Fetched,
    Stale,
    Unavailable,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("forwarded", "Encapsulated requests, by outcome", self.forwarded.clone());
        registry.register(
            "documents",
            "Keys and policies served, by origin of the copy",
            self.documents.clone(),
        );
        registry.register(
            "not_admitted",
            "Requests refused for want of a known token",
            self.not_admitted.clone(),
        );
        registry.register("mix_held", "Messages held back now", self.mix_held.clone());
        registry.register(
            "mix_effective_size",
            "Of how many messages one that leaves could have been any, in the mean; the least of all gateways",
            self.mix_effective_size.clone(),
        );
    }

    /// Where one more gateway's mixes show what they hold.
    pub(crate) fn mix(&self) -> MixMetrics {
        MixMetrics {
            requests: self.mix_gauges(Direction::Requests),
            answers: self.mix_gauges(Direction::Answers),
        }
    }

    fn mix_gauges(&self, direction: Direction) -> MixGauges {
        let mut mixes = self.mixes.lock().unwrap_or_else(PoisonError::into_inner);
        mixes.push((direction, 0, None));
        let label = MixLabel { direction };
        MixGauges {
            direction,
            place: mixes.len() - 1,
            mixes: Arc::clone(&self.mixes),
            held: self.mix_held.get_or_create_owned(&label),
            effective_size: self.mix_effective_size.get_or_create_owned(&label),
        }
    }

    pub(crate) fn forwarded(&self, outcome: Forwarded) {
        self.forwarded.get_or_create(&ForwardLabel { outcome }).inc();
    }

    pub(crate) fn not_admitted(&self) {
        self.not_admitted.inc();
    }

    pub(crate) fn served(&self, outcome: Served) {
        self.documents.get_or_create(&DocumentLabel { outcome }).inc();
    }
}

impl MixGauges {
    /// Shows how many messages are held now, and the effective pool size, if anything has left.
    pub(crate) fn show(&self, held: usize, effective_size: Option<f64>) {
        let mut mixes = self.mixes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = mixes.get_mut(self.place) {
            *place = (self.direction, held, effective_size);
        }
        let alike = || mixes.iter().filter(|(direction, ..)| *direction == self.direction);
        let held: usize = alike().map(|(_, held, _)| held).sum();
        self.held.set(i64::try_from(held).unwrap_or(i64::MAX));
        // The least: the mean would hide a gateway that hardly anybody asks.
        if let Some(least) = alike().filter_map(|(.., size)| *size).min_by(f64::total_cmp) {
            self.effective_size.set(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_of_several_gateways_show_all_they_hold_and_the_least_effective_size() {
        let metrics = Metrics::default();
        let (first, second) = (metrics.mix(), metrics.mix());
        first.requests.show(3, Some(12.5));
        second.requests.show(4, None);
        first.answers.show(1, Some(2.0));
        assert_eq!((first.requests.held.get(), first.requests.effective_size.get()), (7, 12.5));
        second.requests.show(0, Some(1.5));
        assert_eq!((first.requests.held.get(), first.requests.effective_size.get()), (3, 1.5));
        assert_eq!((second.answers.held.get(), second.answers.effective_size.get()), (1, 2.0));
    }
}
