//! What an authority may speak for: number ranges by digit prefix, mail domains by exact name.

use crate::identifier::{Csi, Domain, MAX_DIGITS};
use std::fmt;
use std::str::FromStr;

/// A set of identifiers, written `tel:+1415`, `mailto:a.example` or `handle:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// All numbers that begin with these digits; none at all (`tel:+`) covers every number.
    Phone(String),
    /// All addresses of exactly this domain, not of its subdomains.
    Email(Domain),
    /// All handles.
    Handle,
}

/// A text that names no namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a namespace is a digit prefix like tel:+1415, a mail domain like mailto:a.example, or handle:")]
pub struct NamespaceError;

impl Namespace {
    /// How specifically this namespace covers `csi`, if it does: the length of the prefix.
    pub(super) fn covers(&self, csi: &Csi) -> Option<usize> {
        match (self, csi) {
            (Self::Phone(digits), Csi::Phone(_)) => {
                let number = csi.value().strip_prefix('+')?;
                number.starts_with(digits.as_str()).then_some(digits.len())
            }
            (Self::Email(domain), Csi::Email(_)) => (csi.mail_domain() == Some(domain.as_str())).then_some(0),
            (Self::Handle, Csi::Handle(_)) => Some(0),
            _ => None,
        }
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        if let Some(digits) = text.strip_prefix("tel:+") {
            let numeric = digits.bytes().all(|byte| byte.is_ascii_digit());
            if !numeric || digits.len() > MAX_DIGITS || digits.starts_with('0') {
                return Err(NamespaceError);
            }
            return Ok(Self::Phone(digits.to_owned()));
        }
        if let Some(domain) = text.strip_prefix("mailto:") {
            return Domain::new(domain).map(Self::Email).map_err(|_| NamespaceError);
        }
        if text == "handle:" { Ok(Self::Handle) } else { Err(NamespaceError) }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(digits) => write!(f, "tel:+{digits}"),
            Self::Email(domain) => write!(f, "mailto:{domain}"),
            Self::Handle => f.write_str("handle:"),
        }
    }
}
