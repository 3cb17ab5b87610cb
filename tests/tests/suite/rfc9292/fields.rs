//! What becomes of fields, and of a URI without a path, where no rejection and no conformance line is concerned.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::*;

#[test]
fn trailers_are_dropped() {
    let trailers = prefixed(&lines(&[("x", b"y")]));
    let message = [response_with(&[("a", b"b")], b"content"), trailers].concat();
    let response = decode_response(&message).unwrap();
    assert_eq!(response.headers().len(), 1);
}

#[test]
fn head_response_may_announce_content() {
    let response = decode_response(&response_with(&[("content-length", b"51")], b"")).unwrap();
    assert_eq!(response.headers()["content-length"], "51");
    assert!(encode_response(&response).is_ok());
}

#[test]
fn true_content_length_is_kept() {
    let message = response_with(&[("content-length", b"4")], b"four");
    assert_eq!(decode_response(&message).unwrap().headers()["content-length"], "4");
}

#[test]
fn outer_whitespace_is_not_written() {
    let value = HeaderValue::from_static("\t a b ");
    let response = Response::builder().header("x", value).body(Bytes::new()).unwrap();
    let expected = [response_with(&[("x", b"a b")], b""), vec![0]].concat();
    assert_eq!(encode_response(&response).unwrap(), expected);
}

#[test]
fn host_is_written_as_authority_only() {
    let request = Request::get("https://a.example").header("host", "a.example");
    let expected = [request_start(0), vec![0, 0, 0]].concat();
    assert_eq!(encode_request(&request.body(Bytes::new()).unwrap()).unwrap(), expected);
}

#[test]
fn path_is_never_written_empty() {
    let request = Request::get("https://a.example?q=1").body(Bytes::new()).unwrap();
    let expected = [control(0, "GET", "https", "a.example", "/?q=1"), vec![0, 0, 0]].concat();
    assert_eq!(encode_request(&request).unwrap(), expected);
}
