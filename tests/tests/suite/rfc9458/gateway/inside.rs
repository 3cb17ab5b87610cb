//! What happens once a request is open: always an outer 200 of one size, errors inside.

use super::start;
use crate::wire::{BOTH_VERSIONS, Http, SUITES, binary, lookup, lookup_of, seal};
use http::Version;

const PATH: &str = "/v1/identifierQuery/dp.example";

/// A lookup for a number that nobody has, as literal bytes (design §5).
const QUERY: &[u8] = b"\x0e\x04\x0c+12125551212\x00";

#[tokio::test]
async fn c23_the_outer_answer_tells_nothing() {
    let net = start().await;
    for version in BOTH_VERSIONS {
        let http = Http::new(&net, version);
        let keys = http.keys().await;
        for (kem, aead) in SUITES {
            for message in [lookup("+14155550123", None), lookup("+12125551212", None), b"\xff".to_vec()] {
                let (sealed, opener) = seal(&keys, kem, aead, message);
                let answer = http.post_gateway(sealed).await;
                assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 8192));
                let mut fields: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
                fields.sort_unstable();
                assert_eq!(fields, ["cache-control", "content-length", "content-type"]);
                assert_eq!(answer.headers()["cache-control"], "no-store");
                assert!(opener.decapsulate(answer.body()).is_ok());
            }
        }
    }
}

#[tokio::test]
async fn the_inner_answer_is_that_of_the_draft() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let not_found = http.inside(&keys, lookup_of(QUERY.to_vec())).await;
    assert_eq!(not_found.status(), 200);
    assert_eq!(not_found.body().as_ref(), [1, 0, 0, 0]);
    // nick(2): not an exact identifier.
    let unsupported = http.inside(&keys, lookup_of(b"\x05\x02\x03bob\x00".to_vec())).await;
    assert_eq!((unsupported.status().as_u16(), unsupported.body().as_ref()), (200, &[4, 0, 0, 0][..]));
}

#[tokio::test]
async fn c24_rejects_bad_binary_http_inside() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let good = lookup("+12125551212", None);
    for (what, message) in [
        ("nothing but padding", vec![]),
        ("a response", vec![1, 0x40, 200, 0, 0, 0]),
        ("unknown framing", vec![4, 0, 0, 0]),
        ("a length beyond the end", b"\x00\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("random bytes", vec![0xa5; 200]),
        ("a bad field name", binary("POST", "https", "dp.example", PATH, &[("a b", "c")], QUERY)),
        ("a pseudo-field", binary("POST", "https", "dp.example", PATH, &[(":path", "/")], QUERY)),
        ("a line feed in a value", binary("POST", "https", "dp.example", PATH, &[("a", "b\nc")], QUERY)),
        ("a bad method", binary("PO ST", "https", "dp.example", PATH, &[], QUERY)),
        ("CONNECT", binary("CONNECT", "https", "dp.example", PATH, &[], QUERY)),
        ("CONNECT as RFC 9113 has it", binary("CONNECT", "", "dp.example:443", "", &[], b"")),
        ("another content-length", {
            binary("POST", "https", "dp.example", PATH, &[("content-length", "7")], QUERY)
        }),
    ] {
        assert_eq!(http.inside(&keys, message).await.status(), 400, "{what}");
    }
    assert_eq!(http.inside(&keys, good).await.status(), 200);
}

#[tokio::test]
async fn c37_a_date_far_off_is_refused_inside_with_ours() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let dated = |date: &str| binary("POST", "https", "dp.example", PATH, &[("date", date)], QUERY);
    // The network's clock stands at 1800000000.
    let near = http.inside(&keys, dated("Fri, 15 Jan 2027 08:05:00 GMT")).await;
    assert_eq!(near.status(), 200);
    let far = http.inside(&keys, dated("Fri, 15 Jan 2027 09:00:00 GMT")).await;
    assert_eq!(far.status(), 400);
    assert_eq!(far.headers()["content-type"], "application/problem+json");
    assert_eq!(far.headers()["date"], "Fri, 15 Jan 2027 08:00:00 GMT");
    let body = String::from_utf8(far.body().to_vec()).unwrap();
    assert!(body.contains("https://iana.org/assignments/http-problem-types#date"), "{body}");
}

#[tokio::test]
async fn c31_rejects_every_other_target() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    for (scheme, authority, path) in [
        ("https", "other.example", PATH),
        ("https", "dp.example.other.example", PATH),
        ("https", "other.dp.example", PATH),
        ("https", "dp.example.", PATH),
        ("https", "localhost", PATH),
        ("https", "127.0.0.1", PATH),
        ("https", "127.1", PATH),
        ("https", "2130706433", PATH),
        ("https", "0x7f000001", PATH),
        ("https", "0177.0.0.1", PATH),
        ("https", "[::1]", PATH),
        ("https", "[::ffff:127.0.0.1]", PATH),
        ("https", "169.254.169.254", "/latest/meta-data/"),
        ("https", "dp.example:8443", PATH),
        ("https", "dp.example:80", PATH),
        ("http", "dp.example", PATH),
        ("http", "dp.example:443", PATH),
    ] {
        let message = binary("POST", scheme, authority, path, &[], QUERY);
        assert_eq!(http.inside(&keys, message).await.status(), 403, "{scheme}://{authority}");
    }
}

#[tokio::test]
async fn c31_rejects_malformed_targets() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    for (what, message) in [
        ("userinfo", binary("POST", "https", "user@dp.example", PATH, &[], QUERY)),
        ("userinfo before another", binary("POST", "https", "dp.example@127.0.0.1", PATH, &[], QUERY)),
        ("another host", binary("POST", "https", "dp.example", PATH, &[("host", "127.0.0.1")], QUERY)),
        ("no authority at all", binary("POST", "https", "", PATH, &[], QUERY)),
        ("absolute form", binary("POST", "https", "dp.example", "https://127.0.0.1/", &[], QUERY)),
        ("no path", binary("POST", "https", "dp.example", "", &[], QUERY)),
        ("an asterisk", binary("OPTIONS", "https", "dp.example", "*", &[], b"")),
        ("a file", binary("POST", "file", "", "/etc/passwd", &[], QUERY)),
        ("a space in the path", binary("POST", "https", "dp.example", "/a b", &[], QUERY)),
        ("a line break in the authority", binary("POST", "https", "dp.example\r\nx: y", PATH, &[], QUERY)),
    ] {
        assert_eq!(http.inside(&keys, message).await.status(), 400, "{what}");
    }
    // A path that begins like a network reference stays a path of the same host (RFC 3986 §4.2).
    let message = binary("POST", "https", "dp.example", "//127.0.0.1/", &[], QUERY);
    let status = http.inside(&keys, message).await.status().as_u16();
    assert!([400, 404].contains(&status), "{status}");
}

#[tokio::test]
async fn c46_a_host_field_may_stand_for_the_authority() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let message = binary("POST", "https", "", PATH, &[("host", "dp.example")], QUERY);
    assert_eq!(http.inside(&keys, message).await.status(), 200);
    let message = binary("POST", "https", "", PATH, &[("host", "127.0.0.1")], QUERY);
    assert_eq!(http.inside(&keys, message).await.status(), 403);
}

#[tokio::test]
async fn c28_rejects_expect() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let expect = [("expect", "100-continue")];
    let message = binary("POST", "https", "dp.example", PATH, &expect, QUERY);
    assert_eq!(http.inside(&keys, message).await.status(), 417);
}

#[tokio::test]
async fn c24_the_resolvers_errors_stay_inside() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let post = |path: &str| binary("POST", "https", "dp.example", path, &[], QUERY);
    for path in
        ["/", "/v1/identifierQuery/", "/v1/identifierQuery/other.example", "/v2/identifierQuery/dp.example"]
    {
        assert_eq!(http.inside(&keys, post(path)).await.status(), 404, "{path}");
    }
    let answer = http.inside(&keys, binary("GET", "https", "dp.example", PATH, &[], b"")).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].as_bytes()), (405, &b"POST"[..]));
    for (what, query) in [
        ("nothing", &b""[..]),
        ("no element", b"\x00\x00"),
        ("a truncated query", b"\x0e\x04\x0c+1212555"),
        ("bytes after the query", b"\x0e\x04\x0c+12125551212\x00\x00"),
        ("a number that is not canonical", b"\x0d\x04\x0b12125551212\x00"),
        ("a letter", b"\x0e\x04\x0c+1212555121x\x00"),
        ("16 digits", b"\x13\x04\x11+1212555121212345\x00"),
        ("a random blob", &[0x7f; 100]),
    ] {
        let answer = http.inside(&keys, lookup_of(query.to_vec())).await;
        assert_eq!(answer.status(), 400, "{what}");
        assert!(!String::from_utf8_lossy(answer.body()).contains("1212"), "{what}");
    }
}
