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
    issued: Family<IssuedLabel, Counter>,
    pub(crate) accounts_forgotten: Counter,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuedLabel {
    outcome: Issued,
}

/// What became of a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Issued {
    Signed,
    NotAdmitted,
    Malformed,
    OtherKey,
    OverQuota,
    Busy,
    Failed,
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
        registry.register("issued", "Requests for tokens, by outcome", self.issued.clone());
        registry.register(
            "accounts_forgotten",
            "Accounts forgotten that have their whole quota again",
            self.accounts_forgotten.clone(),
        );
        registry.register("statuses_signed", "Statuses signed anew in bulk", self.signed.clone());
        registry.register("credentials_forgotten", "Expired credentials forgotten", self.forgotten.clone());
        registry.register("upkeep_failures", "Rounds of upkeep that failed", self.failures.clone());
    }

    pub(crate) fn count_issued(&self, outcome: Issued) {
        self.issued.get_or_create(&IssuedLabel { outcome }).inc();
    }

    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        self.operations.get_or_create(&Label { operation, outcome }).inc();
    }
}
