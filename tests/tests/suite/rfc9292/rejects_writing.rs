//! One test per message that we refuse to write.

use bytes::Bytes;
use http::{Request, Response};

use super::*;

fn encode(method: &str, uri: &str, fields: &[(&str, &str)]) -> EncodeError {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    encode_request(&request.body(Bytes::new()).unwrap()).unwrap_err()
}

#[test]
fn rejects_writing_relative_uri() {
    assert_eq!(encode("GET", "/path", &[]), EncodeError::RelativeUri);
    assert_eq!(encode("GET", "a.example", &[]), EncodeError::RelativeUri);
    assert_eq!(encode("OPTIONS", "*", &[]), EncodeError::RelativeUri);
}

#[test]
fn rejects_writing_refused_target() {
    let target = |error| EncodeError::Target(error);
    let uri = "https://a.example/";
    assert_eq!(encode("CONNECT", uri, &[]), target(TargetError::Connect));
    assert_eq!(encode("GET", "ftp://a.example/", &[]), target(TargetError::Scheme));
    assert_eq!(encode("GET", "https://u@a.example/", &[]), target(TargetError::UserInfo));
    assert_eq!(encode("GET", uri, &[("host", "b")]), target(TargetError::HostConflict));
}

#[test]
fn rejects_writing_status_that_is_not_final() {
    for status in [100, 101, 199, 600, 999] {
        let response = Response::builder().status(status).body(Bytes::new()).unwrap();
        assert_eq!(encode_response(&response), Err(EncodeError::Status));
    }
}

#[test]
fn rejects_writing_too_many_fields() {
    let fields = [("a", "b"); 65];
    assert_eq!(encode("GET", "https://a.example/", &fields), EncodeError::TooManyFields);
}

#[test]
fn rejects_writing_beyond_bound() {
    for len in [65_530, 65_537] {
        let response = Response::new(Bytes::from(vec![0; len]));
        assert_eq!(encode_response(&response), Err(EncodeError::TooLarge));
    }
}

#[test]
fn rejects_writing_content_length_that_lies() {
    let fields = [("content-length", "1")];
    assert_eq!(encode("GET", "https://a.example/", &fields), EncodeError::ContentLength);
}
