//! What a gateway counts: encapsulated requests and signings of the policy, each by outcome.

use discreet_protocol::time::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
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

/// How signing the policy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Signing {
    /// There is a new policy.
    Signed,
    /// The key's file cannot be read.
    NoKey,
    /// The signer cannot be run.
    NotRun,
    /// The signer gave no signature in time.
    NoSignature,
    /// The signer signed with another key.
    OtherKey,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SigningLabels {
    outcome: Signing,
}

#[derive(Clone, Default)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    signings: Family<SigningLabels, Counter>,
    policy_expires: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("encapsulated_requests", "Encapsulated requests by outcome", self.requests.clone());
        registry.register("policy_signings", "Attempts to sign the policy by outcome", self.signings.clone());
        registry.register(
            "policy_expires_timestamp_seconds",
            "When the policy that is served expires, in seconds since 1970",
            self.policy_expires.clone(),
        );
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.requests.get_or_create(&Labels { outcome }).inc();
    }

    pub(crate) fn count_signing(&self, outcome: Signing) {
        self.signings.get_or_create(&SigningLabels { outcome }).inc();
    }

    pub(crate) fn policy_expires(&self, at: Timestamp) {
        self.policy_expires.set(i64::try_from(at.unix()).unwrap_or(i64::MAX));
    }
}
