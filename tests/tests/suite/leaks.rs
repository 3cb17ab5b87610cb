//! The search for what no role may write down finds each form of it, and lets pass what roles do write.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::Write;
// By this name, because the relay's tests have it by this name, too.
pub(crate) use tests::leaks::Searched;
use tests::leaks::{Kind, in_log, in_text};

const STAMP: &str = "2026-11-23T04:38:44.123456Z DEBUG discreet_relay::handler: not relayed";

/// What is found in a line that holds `planted` among what may stand there.
#[track_caller]
fn caught(kind: Kind, planted: &str) {
    for line in [
        format!("{STAMP} outcome={planted}"),
        format!("{STAMP} outcome={planted}, and so on"),
        format!("{STAMP} ({planted})"),
        format!(r#"{{"level":"DEBUG","message":"not relayed","outcome":"{planted}"}}"#),
    ] {
        let leaks = in_log(&line);
        assert!(leaks.iter().any(|leak| leak.kind == kind), "{line}: {leaks:?}");
        assert!(!in_text(planted).is_empty(), "{planted}");
    }
}

#[test]
fn lines_that_may_be_written_pass() {
    for line in [
        STAMP,
        "2026-11-23T04:38:44.123456Z  INFO discreet_relay: listening address=127.0.0.1:40123 admin=Some(127.0.0.1:9101) gateways=1",
        "2026-11-23T04:38:44.123456Z  INFO discreet_gateway: listening address=[::1]:40123 admin=None",
        "2026-11-23T04:38:44.123456Z  INFO discreet_gateway: listening address=[::1]:40123 admin=127.0.0.1:9101",
        r#"{"timestamp":"2026-11-23T04:38:44.123456Z","level":"INFO","message":"listening","address":"127.0.0.1:1","admin":"Some(127.0.0.1:2)","target":"discreet_relay"}"#,
        "2026-11-23T04:38:44.123456Z DEBUG discreet_relay::handler: not relayed outcome=GatewayUnreachable",
        "2026-11-23T04:38:44.123456Z  INFO discreet_resolver::feeds: feed read authority=one.authority.example renewed=0 revoked=12",
        "2026-11-23T04:38:44.123456Z ERROR discreet_gateway: the OHTTP keys stay as they were error=the keys' file /tmp/.tmpAbC123/ohttp.keys is missing",
        "2026-11-23T04:38:44.123456Z  WARN discreet_serve::shell: cut off at the drain deadline connections=3",
        "2026-11-23T04:38:44.123456Z  INFO discreet_provider::upkeep: statuses are up to date signed=100000 forgotten=0",
    ] {
        assert_eq!(in_log(line), [], "{line}");
    }
}

#[test]
fn catches_addresses() {
    for planted in [
        "192.0.2.7",
        "192.0.2.7:443",
        "http://192.0.2.7/",
        "[2001:db8::7]:443",
        "2001:db8::7",
        "fe80::1%eth0",
        "::1",
        "::ffff:192.0.2.7",
        "2001:db8:0:1:2:3:4:5",
        "V4(192.0.2.7:443)",
    ] {
        caught(Kind::Address, planted);
    }
}

#[test]
fn catches_addresses_beside_the_roles_own() {
    for line in [
        "INFO discreet_relay: listening address=127.0.0.1:1 admin=None upstream=192.0.2.7:443",
        "INFO discreet_relay: listening address=127.0.0.1:1 admin=Some(127.0.0.1:2) 192.0.2.7",
        "INFO discreet_relay: listening address=127.0.0.1:1,192.0.2.7 admin=None",
        "INFO discreet_relay: stopped address=127.0.0.1:1 admin=None",
    ] {
        assert!(in_log(line).iter().any(|leak| leak.kind == Kind::Address), "{line}");
    }
}

#[test]
fn catches_phone_numbers() {
    for planted in
        ["+14155550123", "14155550123", "tel:+14155550123", "4155550123", "5550123", "tel%3A%2B1415"]
    {
        caught(Kind::Identifier, planted);
    }
}

#[test]
fn catches_mail_addresses_and_uris_of_people() {
    for planted in [
        "alice@a.example",
        "mailto:alice@a.example",
        "MAILTO:alice",
        "alice%40a.example",
        "mimi://b.example/u/alice",
        "handle:alice",
    ] {
        caught(Kind::Identifier, planted);
    }
}

#[test]
fn catches_header_fields_and_requests() {
    for planted in [
        "Authorization: Bearer abc",
        "proxy-authorization",
        "Proxy-Authenticate",
        "cookie=a",
        "Set-Cookie",
        "User-Agent: curl",
        "x-forwarded-for",
        "Host: relay.example",
        "Mozilla/5.0",
        "GET / HTTP/1.1",
        "/v1/identifierQuery/dp.example",
        "message/ohttp-req",
        "application/json",
    ] {
        caught(Kind::Field, planted);
    }
}

#[test]
fn catches_keys_labels_and_tokens() {
    for planted in [
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "D75A980182B10AB7",
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "cZ2Yk0fUuq9Hn4T8q1S3Ww==",
        "[215, 90, 152, 1, 130, 177, 10, 183]",
        "b\\xd7Z\\x98",
        "0x647a",
        "key_id=129",
        "KeyId: 129",
        "kid=7",
        "tag=Work",
    ] {
        caught(Kind::Secret, planted);
    }
    assert!(in_log(r#"{"message":"opened","key_id":129}"#).iter().any(|leak| leak.kind == Kind::Secret));
}

#[test]
fn catches_backtraces_and_panics() {
    for planted in [
        "stack backtrace:",
        "panicked at 'it'",
        "panic at src/handler:7",
        "at src/handler.rs:7",
        "RUST_BACKTRACE=1",
    ] {
        caught(Kind::Trace, planted);
    }
}

#[test]
#[should_panic(expected = "wrote down what it must not")]
fn a_searched_log_fails_its_test() {
    let log = Searched::default();
    log.clone().write_all(b"INFO discreet_relay: hello peer=192.0.2.7\n").unwrap();
}

#[test]
fn a_searched_log_of_a_test_that_fails_already_is_silent() {
    let failed = std::panic::catch_unwind(|| {
        let log = Searched::default();
        log.clone().write_all(b"192.0.2.7\n").unwrap();
        std::panic::resume_unwind(Box::new("the test's own"));
    });
    assert_eq!(*failed.unwrap_err().downcast::<&str>().unwrap(), "the test's own");
}
