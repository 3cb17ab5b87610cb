//! What a provider counts, beside what its shell counts. No label names anybody.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The provider's counters. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    operations: Family<Label, Counter>,
    pub(crate) signed: Counter,
    pub(crate) forgotten: Counter,
    pub(crate) failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    operation: Operation,
    outcome: Outcome,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Operation {
    Describe,
    Enrol,
    Answer,
    Challenge,
    Issue,
    Feed,
    Status,
    Prove,
    Pending,
    Confirm,
    Revoke,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Done,
    Refused,
    Failed,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("operations", "Operations, by kind and outcome", self.operations.clone());
        registry.register("statuses_signed", "Statuses signed anew in bulk", self.signed.clone());
        registry.register("credentials_forgotten", "Expired credentials forgotten", self.forgotten.clone());
        registry.register("upkeep_failures", "Rounds of bulk signing that failed", self.failures.clone());
    }

    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        self.operations.get_or_create(&Label { operation, outcome }).inc();
    }
}
