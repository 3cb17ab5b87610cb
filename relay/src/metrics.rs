//! What a relay counts, beside what its shell counts. No label names a client, a gateway or a time.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The relay's counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    forwarded: Family<ForwardLabel, Counter>,
    documents: Family<DocumentLabel, Counter>,
    not_admitted: Counter,
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
