//! Passing one encapsulated request on, and its answer back (RFC 9458 §5).
//!
//! Both messages are built anew from an allow-list: content type and content. Everything else,
//! the query and trailers included, ends here (RFC 9458 §6.2). Nothing is sent twice (§6.5).

use bytes::Bytes;
use discreet_serve::{PROBLEM_JSON, Upstream, UpstreamError};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use crate::{
    media::{self, OHTTP_REQ, OHTTP_RES},
    metrics::Forwarded,
};

/// Where every gateway takes encapsulated requests (RFC 9540 §4).
pub(crate) const GATEWAY_RESOURCE: &str = "/.well-known/ohttp-gateway";

/// Why an encapsulated request was not answered by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardError {
    /// The client sent something else than a plain `message/ohttp-req`.
    NotEncapsulated,
    /// The client sent no content.
    Empty,
    /// The gateway gave no answer.
    Upstream(UpstreamError),
    /// The gateway's answer is none that an oblivious gateway gives.
    BadAnswer,
}

impl ForwardError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotEncapsulated => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Empty => StatusCode::BAD_REQUEST,
            Self::Upstream(UpstreamError::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(_) | Self::BadAnswer => StatusCode::BAD_GATEWAY,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NotEncapsulated => "the content must be message/ohttp-req, not encoded further",
            Self::Empty => "the content is empty",
            Self::Upstream(UpstreamError::Connect) => "the gateway cannot be reached",
            Self::Upstream(UpstreamError::Tls) => "the gateway cannot be trusted",
            Self::Upstream(UpstreamError::Timeout) => "the gateway took too long",
            Self::Upstream(UpstreamError::TooLarge | UpstreamError::Protocol) | Self::BadAnswer => {
                "the gateway's answer cannot be passed on"
            }
        }
    }

    pub(crate) fn label(self) -> Forwarded {
        match self {
            Self::NotEncapsulated | Self::Empty => Forwarded::Refused,
            Self::Upstream(UpstreamError::Connect) => Forwarded::GatewayUnreachable,
            Self::Upstream(UpstreamError::Tls) => Forwarded::GatewayUntrusted,
            Self::Upstream(UpstreamError::Timeout) => Forwarded::GatewayTimeout,
            Self::Upstream(UpstreamError::TooLarge | UpstreamError::Protocol) | Self::BadAnswer => {
                Forwarded::BadAnswer
            }
        }
    }
}

/// Passes the content of `request` to the gateway, once.
pub(crate) async fn forward(
    gateway: &Upstream,
    request: Request<Bytes>,
    max_response_bytes: usize,
) -> Result<Response<Bytes>, ForwardError> {
    if !media::is(request.headers(), OHTTP_REQ) {
        return Err(ForwardError::NotEncapsulated);
    }
    if request.body().is_empty() {
        return Err(ForwardError::Empty);
    }
    let mut outgoing = Request::new(request.into_body());
    *outgoing.method_mut() = Method::POST;
    *outgoing.uri_mut() = Uri::from_static(GATEWAY_RESOURCE);
    outgoing.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OHTTP_REQ));
    let answer = gateway.send(outgoing, max_response_bytes).await.map_err(ForwardError::Upstream)?;
    pass_back(answer)
}

/// An encapsulated response, or a problem from before decapsulation (RFC 9458 §5.2, §5.3); no page of
/// a balancer, no redirect.
fn pass_back(answer: Response<Bytes>) -> Result<Response<Bytes>, ForwardError> {
    let status = answer.status();
    let failed = status.is_client_error() || status.is_server_error();
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
