//! What the relay answers to which request.

use std::sync::Arc;

use bytes::Bytes;
use discreet_serve::{Clock, Handler, problem};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::ALLOW};

use crate::{
    access::Doorkeeper,
    document::{Document, Unavailable},
    forward::{ForwardError, content_of, deliver},
    gateways::{Gateway, Gateways, Resource, Route},
    metrics::{Forwarded, Metrics, Served},
};

/// The relay as its shell sees it.
#[derive(Debug)]
pub(crate) struct RelayHandler {
    gateways: Gateways,
    door: Arc<Doorkeeper>,
    clock: Clock,
    metrics: Metrics,
    max_response_bytes: usize,
}

impl Handler for RelayHandler {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        if let Err(refused) = self.door.admit(request.headers()) {
            self.metrics.not_admitted();
            return refused.answer();
        }
        // RFC 9458 §8.2: what is not configured is refused here, without any traffic.
        let Some(resource) = self.gateways.resource(request.uri().path()) else {
            return problem(StatusCode::NOT_FOUND, "no such gateway");
        };
        match (request.method(), resource) {
            (&Method::POST, Resource::Relay(route)) => self.forward(route, request).await,
            (&Method::GET | &Method::HEAD, Resource::Relay(Route { gateway, .. })) => {
                self.serve(gateway, &gateway.keys).await
            }
            (&Method::GET | &Method::HEAD, Resource::Policy(gateway)) => {
                self.serve(gateway, &gateway.policy).await
            }
            (_, Resource::Relay(_)) => not_allowed("GET, HEAD, POST"),
            (_, Resource::Policy(_)) => not_allowed("GET, HEAD"),
        }
    }
}

impl RelayHandler {
    pub(crate) fn new(
        gateways: Gateways,
        door: Arc<Doorkeeper>,
        clock: Clock,
        metrics: Metrics,
        max_response_bytes: usize,
    ) -> Self {
        Self { gateways, door, clock, metrics, max_response_bytes }
    }

    async fn forward(&self, route: &Route, request: Request<Bytes>) -> Response<Bytes> {
        match self.exchange(route, request).await {
            Ok(response) => {
                self.metrics.forwarded(Forwarded::Relayed);
                response
            }
            Err(error) => {
                tracing::debug!(outcome = ?error.label(), "not relayed");
                self.metrics.forwarded(error.label());
                error.response()
            }
        }
    }

    async fn exchange(
        &self,
        Route { gateway, mixer }: &Route,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ForwardError> {
        let content = content_of(request)?;
        let Some(mixer) = mixer else {
            return deliver(gateway, content, self.max_response_bytes, &self.clock).await;
        };
        // What the relay refuses itself is not held: nothing of it goes to the gateway.
        gateway.may_ask(self.clock.now())?;
        mixer.pass(&content).await
    }

    async fn serve(&self, gateway: &Gateway, document: &Document) -> Response<Bytes> {
        match document.serve(&gateway.upstream, &self.clock).await {
            Ok((response, served)) => {
                self.metrics.served(served);
                response
            }
            Err(Unavailable) => {
                self.metrics.served(Served::Unavailable);
                problem(StatusCode::BAD_GATEWAY, "the gateway does not give a copy")
            }
        }
    }
}

/// RFC 9110 §15.5.6.
fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}
