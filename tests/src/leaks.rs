//! Finds what no role may write down: addresses, identifiers, header fields, keys and what follows from
//! them, backtraces. It knows no test's secrets: it knows their forms, so every test's log can be searched.
//!
//! Two more test binaries include this file by its path, because their crates may not depend on `tests`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;

use discreet_serve::log::LogBuffer;

/// Digits in a row that could be a phone number.
const NUMBER: usize = 7;
/// Hex digits in a row that could be part of a key or a label: eight bytes.
const HEX: usize = 16;
/// Characters in a row that could be base64 of 16 bytes, mixed as no word is.
const BASE64: usize = 20;
/// Bytes in a row, as `Debug` prints a slice.
const BYTES: usize = 8;

/// The forms in which identifiers and services are written.
const SCHEMES: [&str; 9] =
    ["tel:", "mailto:", "mimi:", "handle:", "tel%3a", "mailto%3a", "mimi%3a", "handle%3a", "%40"];
/// Fields of HTTP that a client sends or is sent, and the beginnings of values.
const FIELDS: [&str; 34] = [
    "authorization",
    "cookie",
    "user-agent",
    "x-forwarded",
    "x-real-ip",
    "forwarded:",
    "referer",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "accept-language",
    "accept-encoding",
    "incremental",
    "if-none-match",
    "if-modified-since",
    "cache-control",
    "authenticate",
    "sec-fetch",
    "sec-ch-ua",
    "x-request-id",
    "traceparent",
    "early-data",
    "host:",
    "via:",
    "bearer",
    "mozilla/",
    "http/1",
    "http/2",
    "identifierquery",
    "/v1/",
    "message/ohttp",
    "message/bhttp",
    "application/",
];
/// Names under which a key, its number or a person could be logged.
const NAMES: [&str; 24] = [
    "key_id",
    "keyid",
    "key id",
    "kid",
    "kem",
    "enc",
    "nonce",
    "seed",
    "pepper",
    "token",
    "ticket",
    "cti",
    "csi",
    "sii",
    "ssi",
    "tag",
    "thumbprint",
    "holder",
    "account",
    "user",
    "peer",
    "client",
    "sender",
    "uri",
];
/// What a panic or a captured error leaves behind.
const TRACES: [&str; 4] = ["panic", "backtrace", ".rs:", "rust_"];

/// What is written down and must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IP address, with or without a port.
    Address,
    /// A phone number, an e-mail address, or the URI of a person or an account.
    Identifier,
    /// A field of HTTP, a request line, or a media type.
    Field,
    /// A key, a label, a token, or the name of such a thing.
    Secret,
    /// Part of a backtrace, or a panic.
    Trace,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What was found.
    pub kind: Kind,
    /// By what.
    pub what: String,
    /// In which line.
    pub line: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} `{}` in: {}", self.kind, self.what, self.line)
    }
}

/// Everything in `log` that a role may not write down. The line that says where a role listens may
/// name these addresses, as values of `address` and `admin`, and no others.
pub fn in_log(log: &str) -> Vec<Leak> {
    log.lines().flat_map(|line| in_line(line, &without_own_addresses(line))).collect()
}

/// Everything in `text` that no text of a role may hold: for what is no log, such as a label.
pub fn in_text(text: &str) -> Vec<Leak> {
    text.lines().flat_map(|line| in_line(line, line)).collect()
}

/// Fails if `log` holds anything that a role may not write down.
///
/// # Panics
///
/// Then, naming each line; unless a panic is under way, which tells enough.
#[track_caller]
pub fn refuse(who: &str, log: &str) {
    let leaks = in_log(log);
    if !leaks.is_empty() && !std::thread::panicking() {
        let told: Vec<_> = leaks.iter().map(ToString::to_string).collect();
        panic!("{who} wrote down what it must not:\n{}", told.join("\n"));
    }
}

/// A log that is searched when it is dropped, and fails the test that caused what is found.
#[derive(Debug, Default)]
pub struct Searched(LogBuffer);

impl Deref for Searched {
    type Target = LogBuffer;

    fn deref(&self) -> &LogBuffer {
        &self.0
    }
}

impl Drop for Searched {
    fn drop(&mut self) {
        refuse("a role", &self.0.text());
    }
}

/// The line less the role's own addresses, if it is the one that says where it listens.
fn without_own_addresses(line: &str) -> String {
    let mut rest = line.to_owned();
    if line.contains(" listening ") || line.contains("\"message\":\"listening\"") {
        for (before, after) in [
            (" address=", ' '),
            (" admin=Some(", ')'),
            (" admin=", ' '),
            ("\"address\":\"", '"'),
            ("\"admin\":\"Some(", ')'),
            ("\"admin\":\"", '"'),
        ] {
            let Some((head, value)) = rest.split_once(before) else { continue };
            let own = value.split(after).next().unwrap_or_default();
            if own.parse::<SocketAddr>().is_ok() {
                rest = format!("{head}{before}{}", value.strip_prefix(own).unwrap_or_default());
            }
        }
    }
    rest
}

/// `text` is what of `line` is to be searched.
fn in_line(line: &str, text: &str) -> Vec<Leak> {
    let lower = text.to_lowercase();
    let found = |kind| move |what: &str| Leak { kind, what: what.to_owned(), line: line.to_owned() };
    let mut leaks: Vec<_> = addresses(text).map(found(Kind::Address)).collect();
    leaks.extend(identifiers(text, &lower).map(found(Kind::Identifier)));
    leaks.extend(FIELDS.into_iter().filter(|field| lower.contains(field)).map(found(Kind::Field)));
    leaks.extend(secrets(text, &lower).map(found(Kind::Secret)));
    leaks.extend(TRACES.into_iter().filter(|trace| lower.contains(trace)).map(found(Kind::Trace)));
    leaks
}

fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let words = runs(text, |c| c.is_alphanumeric() || matches!(c, ':' | '.' | '_'));
    words.filter(|word| is_v6(word) || runs(word, |c| c.is_ascii_digit() || c == '.').any(is_v4))
}

fn is_v4(digits: &str) -> bool {
    digits.trim_matches('.').parse::<Ipv4Addr>().is_ok()
}

/// Also with a full stop, a colon or a port behind it. `::` alone stands in every path of Rust.
fn is_v6(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    let parses = |word: &str| word.len() > 2 && word.parse::<Ipv6Addr>().is_ok();
    parses(word) || word.strip_suffix(':').is_some_and(parses)
}

fn identifiers<'a>(text: &'a str, lower: &'a str) -> impl Iterator<Item = &'a str> {
    let schemes = SCHEMES.into_iter().filter(move |scheme| {
        // Behind it stands somebody: `handle: …` of a sentence does not count.
        lower
            .split(scheme)
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || "+/%".contains(c)))
    });
    // The time in front of a line has a fraction of six digits.
    let numbers = runs(text, |c| c.is_ascii_digit()).filter(|digits| digits.len() >= NUMBER);
    let mail = runs(text, |c| c.is_alphanumeric() || "@.+-_".contains(c))
        .filter(|word| word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()));
    schemes.chain(numbers).chain(mail)
}

fn secrets<'a>(text: &'a str, lower: &'a str) -> impl Iterator<Item = &'a str> {
    let hex = runs(text, |c| c.is_ascii_hexdigit()).filter(|digits| digits.len() >= HEX);
    let base64 = runs(text, |c| c.is_ascii_alphanumeric() || "+-_=".contains(c)).filter(|word| {
        let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
        word.len() >= BASE64
            && has(char::is_ascii_digit)
            && has(char::is_ascii_uppercase)
            && has(char::is_ascii_lowercase)
    });
    let bytes = runs(text, |c| c.is_ascii_digit() || ", ".contains(c)).filter(|list| {
        let numbers = list.split(',').map(|number| number.trim().parse::<u8>());
        list.split(',').count() >= BYTES && numbers.filter(Result::is_ok).count() >= BYTES
    });
    let escaped = ["\\x", "0x"].into_iter().filter(|mark| text.contains(mark));
    let names = NAMES.into_iter().filter(|name| names(lower, name));
    hex.chain(base64).chain(bytes).chain(escaped).chain(names)
}

/// Whether something is logged under `name`, as text (`name=`) or as JSON (`"name":`).
fn names(lower: &str, name: &str) -> bool {
    lower.match_indices(name).any(|(at, _)| {
        let before = lower.get(..at).and_then(|head| head.chars().next_back());
        let after = lower.get(at + name.len()..).unwrap_or_default();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && ["=", "\":", ": "].iter().any(|mark| after.starts_with(mark))
    })
}

/// The longest runs of characters that `belongs` takes.
fn runs(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !belongs(c)).filter(|run| !run.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        use std::io::Write;
        let log = Searched::default();
        log.clone().write_all(b"INFO discreet_relay: hello peer=192.0.2.7\n").unwrap();
    }

    #[test]
    fn a_searched_log_of_a_test_that_fails_already_is_silent() {
        use std::io::Write;
        let failed = std::panic::catch_unwind(|| {
            let log = Searched::default();
            log.clone().write_all(b"192.0.2.7\n").unwrap();
            std::panic::resume_unwind(Box::new("the test's own"));
        });
        assert_eq!(*failed.unwrap_err().downcast::<&str>().unwrap(), "the test's own");
    }
}
