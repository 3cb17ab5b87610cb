//! What goes back over HTTP.

use crate::authority::AuthorityError;
use bytes::Bytes;
use discreet_serve::problem;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Why a request is not served.
pub(super) enum Refusal {
    /// What the authority says.
    Authority(AuthorityError),
    /// Not the expected JSON.
    Json,
    /// Not the expected content type.
    MediaType,
    /// No number after `after=`.
    After,
    /// No credential has this number.
    NoCredential,
    /// An operator's resource, and not the operator.
    Unauthorized,
    /// The process is ending, or a bug.
    Internal,
}

impl<E: Into<AuthorityError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Authority(error.into())
    }
}

impl Refusal {
    pub(super) fn into_response(self) -> Response<Bytes> {
        match self {
            Self::Authority(error) => {
                if error.status().is_server_error() {
                    // Its text names files and what the system said of them, nobody's data.
                    tracing::error!(%error, "a request failed");
                }
                problem(error.status(), error.sentence())
            }
            Self::Json => problem(StatusCode::BAD_REQUEST, "the content is not the expected JSON object"),
            Self::MediaType => problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content must be application/cose; cose-type=cose-sign1",
            ),
            Self::After => {
                problem(StatusCode::BAD_REQUEST, "the query must be after= and a number, or nothing")
            }
            Self::NoCredential => {
                problem(StatusCode::NOT_FOUND, "no credential with this number stands or was revoked")
            }
            Self::Unauthorized => unauthorized(),
            Self::Internal => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        }
    }
}

/// JSON that nobody may keep: tickets, codes and credentials are in it.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Bytes>, Refusal> {
    let content = serde_json::to_vec(value).map_err(|_| Refusal::Internal)?;
    let mut response = content_of("application/json", content);
    *response.status_mut() = status;
    Ok(response)
}

/// Content of one type, not to be stored.
pub(super) fn content_of(media_type: &'static str, content: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// RFC 9110 §15.5.6.
pub(super) fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// RFC 9110 §15.5.2.
fn unauthorized() -> Response<Bytes> {
    let mut response = problem(StatusCode::UNAUTHORIZED, "this needs the operator's token");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
