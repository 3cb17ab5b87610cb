//! Lines 40 to 50 of the conformance list, as far as they are about messages and not about who sends them.

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::*;

fn values<'a>(headers: &'a http::HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(|value| value.as_bytes()).collect()
}

fn decoded_host(authority: &str, host: &str) -> String {
    let start = control(0, "GET", "https", authority, "/");
    let section = prefixed(&lines(&[("host", host.as_bytes())]));
    let request = decode_request(&[start, section].concat()).unwrap();
    assert!(!request.headers().contains_key("host"));
    request.uri().to_string()
}

#[test]
fn c40_all_four_framings_are_read() {
    let known = [prefixed(&lines(&[("a", b"b")])), prefixed(b"content")].concat();
    let section = [&lines(&[("a", b"b")])[..], &[0]].concat();
    let unknown = [&section[..], &prefixed(b"con"), &prefixed(b"tent"), &[0]].concat();
    for (framing, rest) in [(0, &known), (2, &unknown)] {
        let request = decode_request(&[&request_start(framing)[..], rest].concat()).unwrap();
        assert_eq!(request.headers()["a"], "b");
        assert_eq!(request.body(), "content");
    }
    for (framing, rest) in [(1, &known), (3, &unknown)] {
        let response = decode_response(&[&[framing, 0x40, 200][..], rest].concat()).unwrap();
        assert_eq!(response.headers()["a"], "b");
        assert_eq!(response.body(), "content");
    }
}

#[test]
fn c41_missing_sections_are_empty_sections() {
    for framing in [0, 2] {
        let whole = [request_start(framing), vec![0, 0, 0]].concat();
        for cut in 0..=3 {
            let request = decode_request(&whole[..whole.len() - cut]).unwrap();
            assert!(request.headers().is_empty() && request.body().is_empty());
        }
    }
    for framing in [1, 3] {
        for len in 3..=6 {
            let response = decode_response(&[framing, 0x40, 200, 0, 0, 0][..len]).unwrap();
            assert_eq!(response.status(), 200);
        }
    }
}

#[test]
fn c41_truncation_anywhere_else_is_invalid() {
    let fields: Lines<'_> = &[("name", b"value")];
    let section = prefixed(&lines(fields));
    let known = [request_start(0), section.clone(), prefixed(b"content"), section].concat();
    let section = [&lines(fields)[..], &[0]].concat();
    let chunk = prefixed(b"content");
    let unknown = [&request_start(2)[..], &section, &chunk, &[0], &section].concat();
    let start = request_start(0).len();
    // Section and content have lengths 11 and 7 in one framing, terminators in the other.
    let allowed = [start, start + 12, start + 12 + 8];
    let allowed_unknown = [start, start + 12, start + 12 + 9];
    for (message, allowed) in [(known, allowed), (unknown, allowed_unknown)] {
        for len in 0..=message.len() {
            let ok = allowed.contains(&len) || len == message.len();
            assert_eq!(decode_request(&message[..len]).is_ok(), ok, "{len}");
        }
    }
}

#[test]
fn c42_padding_is_accepted_zero_or_not() {
    let response = [response_with(&[("a", b"b")], b"content"), vec![0]].concat();
    for padding in [[0; 20], [0xa5; 20]] {
        let padded = decode_response(&[&response[..], &padding].concat()).unwrap();
        assert_eq!(padded.body(), "content");
    }
}

#[test]
fn c43_names_are_tokens_and_lower_case() {
    let tokens = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for byte in 0..=255_u8 {
        let line = [prefixed(&[byte]), prefixed(b"v")].concat();
        let message = [request_start(0), prefixed(&line)].concat();
        let token = tokens.as_bytes().contains(&byte);
        assert_eq!(decode_request(&message).is_ok(), token, "{byte}");
    }
    let request = decode_request(&request_with(&[("X-Upper", b"v")])).unwrap();
    assert_eq!(values(request.headers(), "x-upper"), [b"v"]);
    let written = encode_request(&request).unwrap();
    assert!(written.windows(7).any(|window| window == b"x-upper"));
}

#[test]
fn c43_values_may_have_tabs_inside_and_bytes_beyond_ascii() {
    for value in [&b""[..], b"a\tb", b"a b", b"\xe9", b"\x80\xff"] {
        let request = decode_request(&request_with(&[("x", value)])).unwrap();
        assert_eq!(values(request.headers(), "x"), [value]);
    }
}

#[test]
fn c44_connection_fields_are_not_written() {
    let request = Request::get("https://a.example/")
        .header("connection", "close, X-Hop ,keep-alive")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "close")
        .header("te", "trailers")
        .header("trailer", "x")
        .header("transfer-encoding", "chunked")
        .header("upgrade", "h2c")
        .header("x-end", "1")
        .body(Bytes::new())
        .unwrap();
    let expected = [request_start(0), prefixed(&lines(&[("x-end", b"1")])), vec![0, 0]].concat();
    assert_eq!(encode_request(&request).unwrap(), expected);
}

#[test]
fn c44_connection_fields_are_neither_refused_nor_acted_on() {
    let message = request_with(&[
        ("connection", b"authorization, upgrade"),
        ("upgrade", b"websocket"),
        ("transfer-encoding", b"chunked"),
        ("authorization", b"secret"),
    ]);
    let request = decode_request(&message).unwrap();
    assert_eq!(request.headers().len(), 1);
    assert_eq!(request.headers()["authorization"], "secret");
}

#[test]
fn c45_cookies_are_joined_on_reading() {
    let fields: Lines<'_> = &[("cookie", b"a=1"), ("x", b"y"), ("Cookie", b"b=2; c=3"), ("cookie", b"")];
    let request = decode_request(&request_with(fields)).unwrap();
    assert_eq!(values(request.headers(), "cookie"), [b"a=1; b=2; c=3"]);
}

#[test]
fn c45_cookies_are_joined_on_writing() {
    let request = Request::get("https://a.example/")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Bytes::new())
        .unwrap();
    let section = prefixed(&lines(&[("cookie", b"a=1; b=2")]));
    let expected = [request_start(0), section, vec![0, 0]].concat();
    assert_eq!(encode_request(&request).unwrap(), expected);
}

#[test]
fn c46_host_takes_the_place_of_an_empty_authority() {
    assert_eq!(decoded_host("", "a.example:8443"), "https://a.example:8443/");
    assert_eq!(decoded_host("", "[2001:db8::1]:8443"), "https://[2001:db8::1]:8443/");
}

#[test]
fn c46_host_may_repeat_the_authority_in_another_case() {
    assert_eq!(decoded_host("a.example", "A.Example"), "https://a.example/");
}

#[test]
fn c46_path_and_query_are_kept_as_they_are() {
    let message = control(0, "POST", "HTTPS", "a.example", "//x/../%2e?q=1&r=/?");
    let request = decode_request(&message).unwrap();
    assert_eq!(request.uri().to_string(), "https://a.example//x/../%2e?q=1&r=/?");
    assert_eq!(request.method(), "POST");
}

#[test]
fn c47_informational_responses_are_dropped() {
    let section = prefixed(&lines(&[("link", b"</x>")]));
    let early = [&[0x40, 103][..], &section].concat();
    let message = [&[1][..], &early, &early, &[0x40, 204]].concat();
    let response = decode_response(&message).unwrap();
    assert_eq!(response.status(), 204);
    assert!(response.headers().is_empty());
}

#[test]
fn c47_final_status_is_200_to_599() {
    for status in 0_u16..1000 {
        let [high, low] = (status | 0x4000).to_be_bytes();
        let valid = (200..600).contains(&status);
        assert_eq!(decode_response(&[1, high, low]).is_ok(), valid, "{status}");
    }
}

#[test]
fn c48_lengths_need_not_be_minimal() {
    let start = [vec![0xc0, 0, 0, 0, 0, 0, 0, 0], request_start(0)[1..].to_vec()].concat();
    let name = [&[0x80, 0, 0, 1][..], b"a", &[0x40, 1], b"b"].concat();
    let section = [vec![0x40, name.len() as u8], name].concat();
    let content = [&[0xc0, 0, 0, 0, 0, 0, 0, 2][..], b"ok"].concat();
    let request = decode_request(&[start, section, content].concat()).unwrap();
    assert_eq!(request.headers()["a"], "b");
    assert_eq!(request.body(), "ok");
}

#[test]
fn c48_absurd_lengths_are_refused_before_allocation() {
    // 2^62 - 1 bytes could not be allocated.
    for start in [vec![0], request_start(0), [request_start(0), vec![0]].concat(), vec![2]] {
        let message = [start, vec![0xff; 8], vec![0; 100]].concat();
        assert_eq!(decode_request(&message).unwrap_err(), DecodeError::LengthBeyondEnd);
    }
    let message = [vec![3, 0x40, 200, 0], vec![0xbf, 0xff, 0xff, 0xff], vec![0; 100]].concat();
    assert_eq!(decode_response(&message).unwrap_err(), DecodeError::LengthBeyondEnd);
}

#[test]
fn c49_a_fault_at_the_end_invalidates_all_of_the_message() {
    let good = [request_with(&[("a", b"b")]), prefixed(b"content")].concat();
    assert!(decode_request(&good).is_ok());
    let trailers = prefixed(&lines(&[("x", b"y\0")]));
    assert_eq!(decode_request(&[good, trailers].concat()).unwrap_err(), DecodeError::FieldValue);
}

#[test]
fn c50_multi_valued_fields_survive_both_ways() {
    let response = Response::builder()
        .header("set-cookie", "a=1")
        .header("www-authenticate", "Basic")
        .header("set-cookie", "b=2")
        .header("www-authenticate", "Bearer")
        .body(Bytes::new())
        .unwrap();
    let read = decode_response(&encode_response(&response).unwrap()).unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    assert_eq!(values(read.headers(), "set-cookie"), [b"a=1", b"b=2"]);
    assert_eq!(values(read.headers(), "www-authenticate"), [&b"Basic"[..], b"Bearer"]);
}
