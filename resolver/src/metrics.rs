//! What a resolver counts: operations by kind and outcome, never by whom or about whom.

use crate::directory::Directory;
use discreet_protocol::query::ResponseCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

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
    Unpaid,
    Failed,
}

/// What became of the tokens that an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Redeemed {
    Accepted,
    Missing,
    Malformed,
    UnknownKey,
    OtherChallenge,
    Forged,
    SpentBefore,
    OverBudget,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RedeemedLabel {
    outcome: Redeemed,
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
pub(crate) struct Metrics {
    operations: Family<Labels, Counter>,
    redemptions: Family<RedeemedLabel, Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, directory: Arc<Directory>) -> Self {
        let metrics = Self::default();
        let help = "Operations by kind and outcome";
        registry.register("resolver_operations", help, metrics.operations.clone());
        let help = "Operations that cost tokens, by what became of the tokens";
        registry.register("resolver_redemptions", help, metrics.redemptions.clone());
        registry.register_collector(Box::new(Syncs(directory)));
        metrics
    }

    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        self.operations.get_or_create(&Labels { operation, outcome }).inc();
    }

    pub(crate) fn redeemed(&self, outcome: Redeemed) {
        self.redemptions.get_or_create(&RedeemedLabel { outcome }).inc();
    }
}

/// What the store counts by itself, read when it is asked for.
struct Syncs(Arc<Directory>);

impl Collector for Syncs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counter = ConstCounter::new(self.0.syncs());
        let help = "Times the store waited for the disk";
        let metric = encoder.encode_descriptor("resolver_store_syncs", help, None, counter.metric_type())?;
        counter.encode(metric)
    }
}

impl fmt::Debug for Syncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Syncs(…)")
    }
}
