//! What a shell counts. Labels are enum values; nothing a peer sent becomes one.

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::clients::Unwelcome;

/// The counters of one server. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    connections: Counter,
    connections_open: Gauge,
    connections_max: Gauge,
    requests: Family<StatusLabel, Counter>,
    pub(crate) refused: Family<BoundLabel, Counter>,
    unwelcome: Family<UnwelcomeLabel, Counter>,
    pub(crate) evicted: Counter,
    pub(crate) handshake_failures: Counter,
    pub(crate) accept_failures: Counter,
    pub(crate) panics: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: StatusClass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum StatusClass {
    Success,
    ClientError,
    ServerError,
    Other,
}

/// Which bound a request met.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct BoundLabel {
    pub(crate) bound: Bound,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Bound {
    Requests,
    Bodies,
    BodyBytes,
    BodyTime,
    AnswerTime,
    Rate,
    ForwardedFor,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnwelcomeLabel {
    reason: Unwelcome,
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Connections accepted", self.connections.clone());
        registry.register("connections_open", "Connections open now", self.connections_open.clone());
        registry.register(
            "connections_max",
            "Connections there are places for: max_connections, or what the open-files limit leaves",
            self.connections_max.clone(),
        );
        registry.register("requests", "Requests answered, by class of status", self.requests.clone());
        registry.register("refused", "Requests refused, by the bound they met", self.refused.clone());
        registry.register(
            "unwelcome",
            "Connections closed before TLS, for their address or for want of a PROXY header",
            self.unwelcome.clone(),
        );
        registry.register(
            "evicted",
            "Connections closed to make room, because they let us wait the longest",
            self.evicted.clone(),
        );
        registry.register(
            "handshake_failures",
            "TLS handshakes not completed",
            self.handshake_failures.clone(),
        );
        registry.register(
            "accept_failures",
            "Connections the system could not give us",
            self.accept_failures.clone(),
        );
        registry.register("panics", "Panics while serving; each is a bug", self.panics.clone());
    }

    pub(crate) fn connection(&self) -> OpenConnection {
        self.connections.inc();
        self.connections_open.inc();
        OpenConnection(self.connections_open.clone())
    }

    pub(crate) fn set_places(&self, most: usize) {
        self.connections_max.set(most.try_into().unwrap_or(i64::MAX));
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let status = match status.as_u16() {
            200..=299 => StatusClass::Success,
            400..=499 => StatusClass::ClientError,
            500..=599 => StatusClass::ServerError,
            _ => StatusClass::Other,
        };
        self.requests.get_or_create(&StatusLabel { status }).inc();
    }

    pub(crate) fn unwelcome(&self, reason: Unwelcome) {
        self.unwelcome.get_or_create(&UnwelcomeLabel { reason }).inc();
    }

    pub(crate) fn refuse(&self, bound: Bound) {
        self.refused.get_or_create(&BoundLabel { bound }).inc();
    }
}
