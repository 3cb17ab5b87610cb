//! One test per way in which the target of a request is wrong.

use super::*;

fn target_error(bytes: impl AsRef<[u8]>) -> TargetError {
    match decode_request(bytes.as_ref()) {
        Err(DecodeError::Target(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn authority_error(authority: &str) -> TargetError {
    target_error(control(0, "GET", "https", authority, "/"))
}

fn path_error(path: &str) -> TargetError {
    target_error(control(0, "GET", "https", "a.example", path))
}

#[test]
fn c46_rejects_connect() {
    assert_eq!(target_error(control(0, "CONNECT", "", "a.example:443", "")), TargetError::Connect);
}

#[test]
fn rejects_method_that_is_no_token() {
    for method in ["", "GET /", "G\0T", "GET\r\n"] {
        let message = control(0, method, "https", "a.example", "/");
        assert_eq!(target_error(message), TargetError::Method);
    }
}

#[test]
fn rejects_scheme_other_than_http_and_https() {
    for scheme in ["", "ftp", "file", "https:", "http\0"] {
        let message = control(0, "GET", scheme, "a.example", "/");
        assert_eq!(target_error(message), TargetError::Scheme);
    }
}

#[test]
fn c46_rejects_missing_authority() {
    assert_eq!(authority_error(""), TargetError::NoAuthority);
}

#[test]
fn c31_rejects_userinfo() {
    for authority in ["user@a.example", "u:p@a.example", "@a.example", "a.example@"] {
        assert_eq!(authority_error(authority), TargetError::UserInfo);
    }
}

#[test]
fn rejects_malformed_authority() {
    let names = ["a example", "a.example/x", "a.example?", "a.example#", "a%20b", "a\\b", "a\r\n"];
    let ports = ["a.example:", "a.example:x", "a.example:65536", "a.example:1:2", ":443", "a:-1"];
    let literals = ["[::1", "::1]", "[]", "[::g]", "[::1]x", "a[::1]", "[v1.x]", "[::1%25eth0]"];
    for authority in names.iter().chain(&ports).chain(&literals) {
        assert_eq!(authority_error(authority), TargetError::Authority, "{authority}");
    }
}

#[test]
fn c46_rejects_host_conflict() {
    for host in [&b"b.example"[..], b"a.example:443", b"a.example."] {
        assert_eq!(target_error(request_with(&[("host", host)])), TargetError::HostConflict);
    }
}

#[test]
fn rejects_malformed_host() {
    let empty = control(0, "GET", "https", "", "/");
    for host in ["", "a b", "a.example/", "[::1"] {
        let section = prefixed(&lines(&[("host", host.as_bytes())]));
        assert_eq!(target_error([&empty[..], &section].concat()), TargetError::Authority);
    }
}

#[test]
fn c46_rejects_two_hosts() {
    let message = request_with(&[("host", b"a.example"), ("Host", b"a.example")]);
    assert_eq!(target_error(message), TargetError::HostConflict);
}

#[test]
fn rejects_malformed_path() {
    for path in ["", "x", "*", "?q", "https://a.example/", "/a b", "/a#b", "/\0", "/\u{e9}", "/\n"] {
        assert_eq!(path_error(path), TargetError::Path, "{path}");
    }
}
