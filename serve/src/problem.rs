//! Errors as `application/problem+json` (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// The media type of a problem (RFC 9457 §6.1).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error answer with a short title and nothing else. The title is ours, never the peer's words.
pub fn problem(status: StatusCode, title: &'static str) -> Response<Bytes> {
    respond(status, format!(r#"{{"status":{},"title":"{title}"}}"#, status.as_u16()))
}

/// An error answer with a registered problem type (RFC 9457 §3.1.1).
pub fn problem_of_type(status: StatusCode, type_uri: &'static str, title: &'static str) -> Response<Bytes> {
    respond(status, format!(r#"{{"type":"{type_uri}","status":{},"title":"{title}"}}"#, status.as_u16()))
}

fn respond(status: StatusCode, json: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_status_and_title() {
        let response = problem(StatusCode::NOT_FOUND, "no such resource");
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.body().as_ref(), br#"{"status":404,"title":"no such resource"}"#);
    }

    #[test]
    fn a_problem_can_name_its_type() {
        let response = problem_of_type(StatusCode::BAD_REQUEST, "https://a.example/p#t", "bad");
        assert_eq!(
            response.body().as_ref(),
            br#"{"type":"https://a.example/p#t","status":400,"title":"bad"}"#
        );
    }
}
