//! The admin listener: health for a supervisor, metrics for Prometheus. On this host only.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde::Deserialize;
use tokio::sync::watch;

use crate::{Address, Handler, Limits, problem};

/// Media type of the metrics (OpenMetrics 1.0).
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin listener.
///
/// ```toml
/// [admin.enabled]
/// address = "127.0.0.1:9100"
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Admin {
    /// There is none.
    #[default]
    Disabled,
    /// `GET /health` answers 200, or 503 while draining; `GET /metrics` answers Prometheus text.
    Enabled {
        /// Loopback address and port, `unix:PATH`, or `systemd:N` if it passes such a one.
        address: Address,
    },
}

impl Admin {
    /// Takes a relative path from `folder`, the configuration file's.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Self::Enabled { address } = self {
            address.resolve_path(folder);
        }
    }
}

/// A few connections are enough for a supervisor and a scraper.
pub(crate) fn limits() -> Limits {
    Limits { max_connections: 16, max_requests: 16, drain_secs: 1, ..Limits::default() }
}

/// Answers the admin listener's requests.
pub(crate) struct AdminHandler {
    pub(crate) registry: Arc<Registry>,
    /// True while the role drains.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Handler for AdminHandler {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let known = matches!(request.uri().path(), "/health" | "/metrics");
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/health") => self.health(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            _ if known => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            _ => problem(StatusCode::NOT_FOUND, "no such resource"),
        }
    }
}

impl AdminHandler {
    fn health(&self) -> Response<Bytes> {
        if *self.stop.borrow() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "draining");
        }
        text("text/plain; charset=utf-8", Bytes::from_static(b"ok\n"))
    }

    fn metrics(&self) -> Response<Bytes> {
        let mut metrics = String::new();
        match encode(&mut metrics, &self.registry) {
            Ok(()) => text(OPENMETRICS, Bytes::from(metrics)),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written"),
        }
    }
}

fn text(content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
