//! The issuer's two resources: its directory, and where tokens are asked for (RFC 9578 §4, §6).

use super::answer::{content_of, not_allowed};
use crate::issuer::key::KeyUseError;
use crate::issuer::keys::SignError;
use crate::issuer::pace::leaves_after;
use crate::issuer::{IssueError, Issuer};
use crate::metrics::{Issued, Metrics};
use bytes::Bytes;
use discreet_protocol::token::{ISSUER_DIRECTORY_TYPE, TOKEN_RESPONSE_TYPE};
use discreet_serve::problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::sync::Arc;
use tokio::time::Instant;

/// For how long the directory may be kept. The next key stands in it a week before it begins.
const DIRECTORY_CACHE: &str = "public, max-age=3600";

/// The directory, the same for everybody.
pub(super) fn directory(issuer: &Issuer, method: &Method) -> Response<Bytes> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let Ok(json) = issuer.directory() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
    };
    let mut response = Response::new(Bytes::from(json));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(ISSUER_DIRECTORY_TYPE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(DIRECTORY_CACHE));
    response
}

/// A token, or why there is none; both leave at whole steps of time.
pub(super) async fn tokens(
    issuer: &Arc<Issuer>,
    metrics: &Metrics,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if *request.method() != Method::POST {
        return not_allowed("POST");
    }
    let came = Instant::now();
    let (label, response) = match issuer.issue(request).await {
        Ok(signature) => (Issued::Signed, content_of(TOKEN_RESPONSE_TYPE, signature.to_vec())),
        Err(error) => (error.label(), refusal(&error)),
    };
    metrics.count_issued(label);
    tokio::time::sleep_until(came + leaves_after(came.elapsed())).await;
    response
}

fn refusal(error: &IssueError) -> Response<Bytes> {
    match error {
        // Their texts name files and what the system said of them, nobody's account.
        IssueError::Database(error) => tracing::error!(%error, "a token could not be counted"),
        IssueError::Sign(error @ SignError::Use(KeyUseError::Fault)) => {
            tracing::error!(%error, "a token could not be signed");
        }
        _ => {}
    }
    let mut response = problem(error.status(), error.sentence());
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.status() == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2, RFC 6750 §3.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
