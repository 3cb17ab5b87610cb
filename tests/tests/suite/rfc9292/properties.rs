//! Round trips, agreement with crate `bhttp`, and no panic whatever comes.

use std::io::Cursor;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// End-to-end fields that mean nothing to us, some repeated.
fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![Just("set-cookie".to_owned()), "x-[a-z0-9]{1,12}"];
    let value = "([!-~\u{80}-\u{ff}]([\t -~\u{80}-\u{ff}]{0,90}[!-~])?)?";
    vec((name, value), 0..20).prop_map(|fields| {
        let field = |(name, value): (String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        fields.into_iter().map(field).collect()
    })
}

fn content() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..2000).prop_map(Bytes::from)
}

fn request() -> impl Strategy<Value = Request<Bytes>> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("X-OTHER")];
    let uri = "https?://([a-z0-9-]{1,20}(\\.example)?|\\[2001:db8::[1-9]\\])(:[1-9][0-9]{0,3})?\
               /[a-zA-Z0-9/._~%-]{0,80}(\\?[a-z0-9=&/?]{0,40})?";
    (method, uri, headers(), content()).prop_map(|(method, uri, headers, content)| {
        let mut request = Request::builder().method(method).uri(uri).body(content).unwrap();
        *request.headers_mut() = headers;
        request
    })
}

fn response() -> impl Strategy<Value = Response<Bytes>> {
    (200_u16..600, headers(), content()).prop_map(|(status, headers, content)| {
        let mut response = Response::new(content);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = headers;
        response
    })
}

/// The same message, indeterminate-length, as crate `bhttp` writes it.
fn rewritten(known: &[u8]) -> Vec<u8> {
    let message = bhttp::Message::read_bhttp(&mut Cursor::new(known)).unwrap();
    let mut bytes = Vec::new();
    message.write_bhttp(bhttp::Mode::IndeterminateLength, &mut bytes).unwrap();
    bytes
}

/// Flips some bits, then cuts some bytes off.
fn mutate(mut bytes: Vec<u8>, flips: &[(prop::sample::Index, u8)], cut: usize) -> Vec<u8> {
    for (index, mask) in flips {
        let index = index.index(bytes.len());
        bytes[index] ^= mask;
    }
    bytes.truncate(bytes.len().saturating_sub(cut));
    bytes
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    vec(any::<(prop::sample::Index, u8)>(), 0..4)
}

fn same_request(read: &Request<Bytes>, written: &Request<Bytes>) -> bool {
    read.method() == written.method()
        && read.uri() == written.uri()
        && read.headers() == written.headers()
        && read.body() == written.body()
}

fn same_response(read: &Response<Bytes>, written: &Response<Bytes>) -> bool {
    read.status() == written.status() && read.headers() == written.headers() && read.body() == written.body()
}

/// Whatever is accepted can be written, and reads the same again.
fn check_any(bytes: &[u8]) {
    if let Ok(request) = decode_request(bytes) {
        let again = decode_request(&encode_request(&request).unwrap()).unwrap();
        assert!(same_request(&again, &request));
    }
    if let Ok(response) = decode_response(bytes) {
        let again = decode_response(&encode_response(&response).unwrap()).unwrap();
        assert!(same_response(&again, &response));
    }
}

proptest! {
    #[test]
    fn requests_survive_both_framings(request in request(), padding in 0_usize..100) {
        let mut known = encode_request(&request).unwrap();
        let mut indeterminate = rewritten(&known);
        known.resize(known.len() + padding, 0);
        indeterminate.resize(indeterminate.len() + padding, 0);
        prop_assert!(same_request(&decode_request(&known).unwrap(), &request));
        prop_assert!(same_request(&decode_request(&indeterminate).unwrap(), &request));
    }

    #[test]
    fn responses_survive_both_framings(response in response(), padding in 0_usize..100) {
        let mut known = encode_response(&response).unwrap();
        let mut indeterminate = rewritten(&known);
        known.resize(known.len() + padding, 0);
        indeterminate.resize(indeterminate.len() + padding, 0);
        prop_assert!(same_response(&decode_response(&known).unwrap(), &response));
        prop_assert!(same_response(&decode_response(&indeterminate).unwrap(), &response));
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in vec(any::<u8>(), 1..400), framing in 0_u8..5) {
        check_any(&bytes);
        bytes[0] = framing;
        check_any(&bytes);
    }

    #[test]
    fn mutated_requests_never_panic(request in request(), flips in flips(), cut in 0_usize..20) {
        let known = encode_request(&request).unwrap();
        check_any(&mutate(rewritten(&known), &flips, cut));
        check_any(&mutate(known, &flips, cut));
    }

    #[test]
    fn mutated_responses_never_panic(response in response(), flips in flips(), cut in 0_usize..20) {
        let known = encode_response(&response).unwrap();
        check_any(&mutate(rewritten(&known), &flips, cut));
        check_any(&mutate(known, &flips, cut));
    }

    /// In known-length framing `bhttp` accepts all that we accept, and reads the same.
    #[test]
    fn bhttp_reads_what_we_read(request in request(), flips in flips()) {
        let mut bytes = mutate(encode_request(&request).unwrap(), &flips, 0);
        bytes[0] = 0;
        if let Ok(ours) = decode_request(&bytes) {
            let theirs = bhttp::Message::read_bhttp(&mut Cursor::new(&bytes)).unwrap();
            prop_assert_eq!(theirs.control().method().unwrap(), ours.method().as_str().as_bytes());
            prop_assert_eq!(theirs.content(), &ours.body()[..]);
        }
    }
}
