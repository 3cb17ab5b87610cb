//! Host names as they are compared byte by byte: lower-case A-labels (RFC 5890), no trailing dot.

use super::IdentifierError;
use std::fmt;

/// A canonical domain name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// Checks `text`: at most 253 bytes, labels of 1 to 63 letters, digits and inner hyphens.
    pub fn new(text: &str) -> Result<Self, IdentifierError> {
        if text.len() > 253 || !text.split('.').all(is_label) {
            return Err(IdentifierError::Domain);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let ldh = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(ldh)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
