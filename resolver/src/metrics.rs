//! What a resolver counts: operations by kind and outcome, never by whom or about whom.

use discreet_protocol::query::ResponseCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Operation {
    Lookup,
    Publish,
    Withdraw,
    /// Nothing that there is.
    None,
}

/// How an operation ended. Found and not found count as one, and so do published, withdrawn and
/// unchanged: an observer of the metrics must not learn the outcome of a single operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Answered,
    Refused,
    Unsupported,
    Malformed,
    Failed,
}

impl Outcome {
    pub(crate) fn of(code: ResponseCode) -> Self {
        match code {
            ResponseCode::Success | ResponseCode::NotFound => Self::Answered,
            ResponseCode::Ambiguous | ResponseCode::Forbidden | ResponseCode::UnsupportedField => {
                Self::Unsupported
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: Operation,
    outcome: Outcome,
}

#[derive(Default)]
pub(crate) struct Metrics(Family<Labels, Counter>);

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help = "Operations by kind and outcome";
        registry.register("resolver_operations", help, metrics.0.clone());
        metrics
    }

    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        self.0.get_or_create(&Labels { operation, outcome }).inc();
    }
}
