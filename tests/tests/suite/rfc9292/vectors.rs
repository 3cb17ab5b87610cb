//! Published messages: RFC 9292 §5 and RFC 9458 Appendix A.

use std::io::Cursor;

use super::*;

const RFC9292: &str = include_str!("../../../vectors/rfc9292-section-5.json");
const RFC9458: &str = include_str!("../../../vectors/rfc9458-appendix-a.json");

fn message(index: usize) -> Vec<u8> {
    let vectors: serde_json::Value = serde_json::from_str(RFC9292).unwrap();
    hex::decode(vectors["messages"][index].as_str().unwrap()).unwrap()
}

fn assert_is_the_request(bytes: &[u8]) {
    let request = decode_request(bytes).unwrap();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "https://www.example.com/hello.txt");
    assert_eq!(request.headers().len(), 2);
    let agent = "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3";
    assert_eq!(request.headers()["user-agent"], agent);
    assert_eq!(request.headers()["accept-language"], "en, mi");
    assert!(request.body().is_empty());
}

#[test]
fn rfc9292_known_length_request() {
    let bytes = message(0);
    // "the last two bytes … can each be removed"
    for len in bytes.len() - 2..=bytes.len() {
        assert_is_the_request(&bytes[..len]);
    }
}

#[test]
fn rfc9292_indeterminate_length_request() {
    let bytes = message(1);
    // "anything up to 12 bytes can be removed"
    for len in bytes.len() - 12..=bytes.len() {
        assert_is_the_request(&bytes[..len]);
    }
}

/// Why reading is not left to crate `bhttp`; when this fails, look again.
#[test]
fn bhttp_refuses_truncation_that_rfc9292_allows() {
    let bytes = message(1);
    assert!(bhttp::Message::read_bhttp(&mut Cursor::new(&bytes)).is_ok());
    let truncated = &bytes[..bytes.len() - 12];
    assert!(bhttp::Message::read_bhttp(&mut Cursor::new(truncated)).is_err());
}

#[test]
fn rfc9292_response_with_informational_responses() {
    let response = decode_response(&message(2)).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().len(), 8);
    assert_eq!(response.headers()["etag"], "\"34aa387-d-1568eb00\"");
    assert_eq!(response.headers()["content-length"], "51");
    assert_eq!(response.body(), "Hello World! My content includes a trailing CRLF.\r\n");
}

#[test]
fn rfc9292_known_length_response_with_trailers() {
    let response = decode_response(&message(3)).unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().is_empty());
    assert_eq!(response.body(), "This content contains CRLF.\r\n");
}

#[test]
fn rfc9458_messages_without_header_section() {
    let vector: serde_json::Value = serde_json::from_str(RFC9458).unwrap();
    let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
    let request = decode_request(&bytes("request_bhttp")).unwrap();
    assert_eq!(request.uri(), "https://example.com/");
    let response = decode_response(&bytes("response_bhttp")).unwrap();
    assert_eq!(response.status(), 200);
    // We write the same, and the three empty sections.
    let written = encode_request(&request).unwrap();
    assert_eq!(written, [bytes("request_bhttp"), vec![0, 0, 0]].concat());
}
