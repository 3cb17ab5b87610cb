//! What is counted about pulling: that an authority is silent must be noticed before its statuses
//! are 72 hours old. Labels are enum values; which authority it is, the log says.

use super::{PullError, Pulled};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The puller's counters. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pulls: Family<PullLabel, Counter>,
    statements: Family<StatementLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PullLabel {
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    Complete,
    Unreachable,
    Misbehaved,
    Unfinished,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabel {
    outcome: Statement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Statement {
    Renewed,
    Revoked,
    Refused,
}

impl Metrics {
    /// Counters in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("feed_pulls", "Pulls of authorities' feeds, by outcome", metrics.pulls.clone());
        let help = "Statements of authorities' feeds that were news or did not verify";
        registry.register("feed_statements", help, metrics.statements.clone());
        metrics
    }

    /// Counts one pull.
    pub fn count(&self, pulled: &Pulled) {
        self.pulls.get_or_create(&PullLabel { outcome: outcome(&pulled.ended) }).inc();
        let applied = &pulled.applied;
        for (outcome, count) in [
            (Statement::Renewed, applied.renewed),
            (Statement::Revoked, applied.revoked),
            (Statement::Refused, applied.refused),
        ] {
            self.statements.get_or_create(&StatementLabel { outcome }).inc_by(count);
        }
    }
}

fn outcome(ended: &Result<(), PullError>) -> Outcome {
    match ended {
        Ok(()) => Outcome::Complete,
        Err(PullError::Upstream(_)) => Outcome::Unreachable,
        Err(PullError::NoPage | PullError::NoProgress) => Outcome::Misbehaved,
        Err(PullError::Unfinished) => Outcome::Unfinished,
        Err(PullError::Trust(_) | PullError::Directory(_) | PullError::Work(_)) => Outcome::Failed,
    }
}
