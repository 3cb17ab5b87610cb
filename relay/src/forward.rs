//! Passing one encapsulated request on, and its answer back (RFC 9458 §5).
//!
//! Both messages are built anew from an allow-list: content type and content. Everything else,
//! the query and trailers included, ends here (RFC 9458 §6.2). Nothing is sent twice without proof that
//! nothing was processed (§6.5): what proves it is said in `discreet_serve::upstream` and in `redirect`.

use bytes::Bytes;
use discreet_serve::{Clock, PROBLEM_JSON, UpstreamError, problem};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

use crate::{
    gateways::Gateway,
    media::{self, OHTTP_REQ, OHTTP_RES},
    metrics::Forwarded,
    redirect::TargetError,
};

/// Where every gateway takes encapsulated requests (RFC 9540 §4).
pub(crate) const GATEWAY_RESOURCE: &str = "/.well-known/ohttp-gateway";
/// The type of the problem that a gateway has with a key (RFC 9458 §5.3).
const OHTTP_KEY_PROBLEM: &[u8] = b"https://iana.org/assignments/http-problem-types#ohttp-key";

/// Why an encapsulated request was not answered by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardError {
    /// The client sent something else than a plain `message/ohttp-req`.
    NotEncapsulated,
    /// The client sent no content.
    Empty,
    /// The gateway has asked to be left alone, for so many seconds yet.
    Paused(u64),
    /// The gateway gave no answer, or only redirects.
    Target(TargetError),
    /// The gateway's answer is none that an oblivious gateway gives.
    BadAnswer,
}

impl ForwardError {
    /// What the client is told: the same for every client.
    pub(crate) fn response(self) -> Response<Bytes> {
        let mut response = problem(self.status(), self.title());
        if let Self::Paused(secs) = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotEncapsulated => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Empty => StatusCode::BAD_REQUEST,
            Self::Paused(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target(TargetError::Upstream(UpstreamError::Timeout)) => StatusCode::GATEWAY_TIMEOUT,
            Self::Target(_) | Self::BadAnswer => StatusCode::BAD_GATEWAY,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NotEncapsulated => "the content must be message/ohttp-req, not encoded further",
            Self::Empty => "the content is empty",
            Self::Paused(_) => "the gateway asks everybody to come back later",
            Self::Target(TargetError::Upstream(UpstreamError::Connect)) => "the gateway cannot be reached",
            Self::Target(TargetError::Upstream(UpstreamError::Tls)) => "the gateway cannot be trusted",
            Self::Target(TargetError::Upstream(UpstreamError::Timeout)) => "the gateway took too long",
            Self::Target(TargetError::Upstream(UpstreamError::TooLarge | UpstreamError::Protocol))
            | Self::BadAnswer => "the gateway's answer cannot be passed on",
            Self::Target(_) => "the gateway redirects to where this relay does not follow",
        }
    }

    pub(crate) fn label(self) -> Forwarded {
        match self {
            Self::NotEncapsulated | Self::Empty => Forwarded::Refused,
            Self::Paused(_) => Forwarded::GatewayPaused,
            Self::Target(TargetError::Upstream(UpstreamError::Connect)) => Forwarded::GatewayUnreachable,
            Self::Target(TargetError::Upstream(UpstreamError::Tls)) => Forwarded::GatewayUntrusted,
            Self::Target(TargetError::Upstream(UpstreamError::Timeout)) => Forwarded::GatewayTimeout,
            Self::Target(TargetError::Upstream(UpstreamError::TooLarge | UpstreamError::Protocol))
            | Self::BadAnswer => Forwarded::BadAnswer,
            Self::Target(_) => Forwarded::RedirectRefused,
        }
    }
}

/// What is to be passed on of `request`.
pub(crate) fn content_of(request: Request<Bytes>) -> Result<Bytes, ForwardError> {
    if !media::is(request.headers(), OHTTP_REQ) {
        return Err(ForwardError::NotEncapsulated);
    }
    if request.body().is_empty() {
        return Err(ForwardError::Empty);
    }
    Ok(request.into_body())
}

/// Passes `content` to the gateway, unless it has asked to be left alone.
pub(crate) async fn deliver(
    gateway: &Gateway,
    content: Bytes,
    max_response_bytes: usize,
    clock: &Clock,
) -> Result<Response<Bytes>, ForwardError> {
    let now = clock.now();
    gateway.may_ask(now)?;
    let mut outgoing = Request::new(content);
    *outgoing.method_mut() = Method::POST;
    outgoing.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OHTTP_REQ));
    let answer = gateway.requests.send(&gateway.upstream, outgoing, max_response_bytes, now).await;
    let answer = answer.map_err(ForwardError::Target)?;
    let now = clock.now();
    if let Some(secs) = gateway.pause.heed(&answer, now) {
        return Err(ForwardError::Paused(secs));
    }
    if is_key_trouble(&answer) {
        gateway.note_key_trouble(now);
    }
    pass_back(answer)
}

/// Whether the gateway does not know a key. The problem is not parsed: taken for one, another answer
/// would only make the copies expire early, once a minute at most.
fn is_key_trouble(answer: &Response<Bytes>) -> bool {
    answer.status() == StatusCode::BAD_REQUEST
        && media::is(answer.headers(), PROBLEM_JSON)
        && answer.body().windows(OHTTP_KEY_PROBLEM.len()).any(|part| part == OHTTP_KEY_PROBLEM)
}

/// Whether a status speaks of the hop it is sent on. Passed back it would be the relay's own word ("your token
/// is refused"), and some make a client send again (RFC 9110 §15.5.8, §15.5.9, §15.5.20; RFC 8470 §5.2).
fn is_of_this_hop(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 407 | 408 | 421 | 425)
}

/// An encapsulated response, or a problem from before decapsulation (RFC 9458 §5.2, §5.3); no page of
/// a balancer, no redirect.
fn pass_back(answer: Response<Bytes>) -> Result<Response<Bytes>, ForwardError> {
    let status = answer.status();
    let failed = (status.is_client_error() || status.is_server_error()) && !is_of_this_hop(status);
    let content_type = if status == StatusCode::OK && media::is(answer.headers(), OHTTP_RES) {
        OHTTP_RES
    } else if failed && media::is(answer.headers(), PROBLEM_JSON) {
        PROBLEM_JSON
    } else {
        return Err(ForwardError::BadAnswer);
    };
    let mut response = Response::new(answer.into_body());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
