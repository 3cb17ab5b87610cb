//! MIMI URIs, and the percent-encoding that `mailto:` needs.

use super::{Domain, IdentifierError};
use std::fmt;

/// Most bytes of a MIMI URI: long enough for a domain and a user, short enough for the frame.
const MAX_URI: usize = 255;

/// Where a recipient is reached: a service `mimi://b.example`, one of its users
/// `mimi://b.example/u/alice`, or a user's device `mimi://b.example/d/…`.
///
/// The characters are those of RFC 3986 path segments, so printing one cannot drive a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MimiUri(String);

impl MimiUri {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, IdentifierError> {
        let rest = text.strip_prefix("mimi://").ok_or(IdentifierError::MimiUri)?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        if text.len() > MAX_URI || Domain::new(authority).is_err() || !path.is_none_or(is_path) {
            return Err(IdentifierError::MimiUri);
        }
        Ok(Self(text.to_owned()))
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The messaging service provider alone: `b.example`.
    pub fn provider(&self) -> &str {
        let rest = self.0.strip_prefix("mimi://").unwrap_or(&self.0);
        rest.split_once('/').map_or(rest, |(authority, _)| authority)
    }
}

impl fmt::Display for MimiUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MimiUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MimiUri(…)")
    }
}

/// `u/` or `d/` and one or more segments of RFC 3986 §3.3 `pchar` without percent-encoding.
fn is_path(path: &str) -> bool {
    let segment = |text: &str| {
        !text.is_empty()
            && text != "."
            && text != ".."
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte))
    };
    let mut segments = path.split('/');
    matches!(segments.next(), Some("u" | "d")) && segments.clone().count() > 0 && segments.all(segment)
}

/// Encodes all but the characters RFC 6068 §2 allows as they are, with upper-case digits.
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$'*+@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (pair, tail) = rest.split_first_chunk::<2>()?;
            out.extend(hex::decode(pair).ok()?);
            rest = tail;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
