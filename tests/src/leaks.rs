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
