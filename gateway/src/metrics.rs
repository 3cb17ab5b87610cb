//! What a gateway counts: encapsulated requests by outcome.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::{counter::Counter, family::Family};
use prometheus_client::registry::Registry;

/// How an encapsulated request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// The resolver answered, whatever it said.
    Answered,
    /// Opened, but not for the resolver; the refusal went back sealed.
    Refused,
    /// Opened, but a copy of one that was processed before; the refusal went back sealed.
    Replayed,
    /// Not opened: its relay is over its limit.
    OverLimit,
    /// Not opened: key trouble.
    KeyProblem,
    /// Not opened: no encapsulated request.
    Malformed,
    /// Our own failure.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

#[derive(Clone, Default)]
pub(crate) struct Metrics(Family<Labels, Counter>);

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("encapsulated_requests", "Encapsulated requests by outcome", self.0.clone());
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.0.get_or_create(&Labels { outcome }).inc();
    }
}
