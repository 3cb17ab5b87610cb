//! What becomes of an opened request: the resolver's answer, embedded or remote, or an error. All of
//! it goes back sealed (RFC 9458 §5.2), and all of it has one size.

use crate::date;
use crate::metrics::Outcome;
use bytes::Bytes;
use discreet_envelope::message;
use discreet_envelope::padding::RESPONSE_CONTENT;
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::Timestamp;
use discreet_resolver::Resolver;
use discreet_serve::{Upstream, UpstreamError, problem};
use http::{Request, Response, StatusCode, header, uri::Scheme};
use std::sync::Arc;

/// Most bytes of a resolver's answer: what fits into a response, before it is framed.
const MAX_ANSWER: usize = RESPONSE_CONTENT;

/// The one target this gateway opens requests for: closed by default, there is no list to open.
pub(crate) struct Target {
    pub(crate) domain: Domain,
    pub(crate) resolver: Answering,
}

/// Who answers.
pub(crate) enum Answering {
    /// In this process.
    Embedded(Arc<Resolver>),
    /// Another process, over mutually authenticated TLS.
    Remote(Arc<Upstream>),
}

/// What goes back, sealed, and what it is counted as.
pub(crate) type Answer = (Response<Bytes>, Outcome);

impl Target {
    /// The request for the resolver in the Binary HTTP message of an opened request, or what is said instead.
    pub(crate) fn admit(&self, message: &[u8], now: Timestamp) -> Result<Request<Bytes>, Box<Answer>> {
        let Ok(request) = message::decode_request(message) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the message is not valid Binary HTTP"));
        };
        // RFC 9458 §5.1: there is nobody to send an interim response to.
        if request.headers().contains_key(header::EXPECT) {
            return Err(refuse(StatusCode::EXPECTATION_FAILED, "expectations cannot be met here"));
        }
        if let Some(refusal) = date::refusal(request.headers(), now) {
            return Err(Box::new((refusal, Outcome::Refused)));
        }
        if !is_target(&request, &self.domain) {
            return Err(refuse(StatusCode::FORBIDDEN, "this gateway has no such target"));
        }
        Ok(request)
    }
}

/// Passes a request on to a remote resolver: method, path, content and what it is paid with, nothing else.
pub(crate) async fn ask(upstream: &Upstream, request: Request<Bytes>) -> Answer {
    let mut onwards = Request::new(request.body().clone());
    *onwards.method_mut() = request.method().clone();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // Never: a path that was parsed once parses again.
    *onwards.uri_mut() = path.parse().unwrap_or_default();
    for tokens in request.headers().get_all(header::AUTHORIZATION) {
        onwards.headers_mut().append(header::AUTHORIZATION, tokens.clone());
    }
    match upstream.send(onwards, MAX_ANSWER).await {
        Ok(answer) => (content_of(answer), Outcome::Answered),
        Err(UpstreamError::Timeout) => failed(StatusCode::GATEWAY_TIMEOUT, "the directory took too long"),
        Err(_) => failed(StatusCode::BAD_GATEWAY, "the directory cannot be reached; try again later"),
    }
}

/// Status, content and its type: the fields that the embedded resolver answers with.
fn content_of(answer: Response<Bytes>) -> Response<Bytes> {
    let (head, content) = answer.into_parts();
    let mut response = Response::new(content);
    *response.status_mut() = head.status;
    for name in [header::CONTENT_TYPE, header::ALLOW, header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn failed(status: StatusCode, title: &'static str) -> Answer {
    (problem(status, title), Outcome::Failed)
}

/// Whether the request is for the discovery domain, over https and on its own port.
fn is_target(request: &Request<Bytes>, domain: &Domain) -> bool {
    let uri = request.uri();
    let port = uri.port_u16().unwrap_or(443);
    uri.scheme() == Some(&Scheme::HTTPS)
        && port == 443
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.host().is_some_and(|host| host.eq_ignore_ascii_case(domain.as_str()))
}

fn refuse(status: StatusCode, title: &'static str) -> Box<Answer> {
    Box::new((problem(status, title), Outcome::Refused))
}
