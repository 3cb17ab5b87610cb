//! Whom a query asks about, and where they can be reached.
//!
//! Everything here is *canonical*: two spellings of one identifier never both parse. What people
//! type is brought into this form by the client; servers check the form and nothing else (no
//! numbering plans, no DNS). `Debug` names the kind only, since identifiers must not reach logs.

use std::fmt;

mod domain;
mod uri;

pub use domain::Domain;
pub use uri::MimiUri;

/// Fewest digits of an E.164 number accepted on the wire, country code included.
pub const MIN_DIGITS: usize = 7;
/// Most digits of an E.164 number (ITU-T E.164 §6.1).
pub const MAX_DIGITS: usize = 15;
/// Most bytes of an e-mail address (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const MAX_EMAIL: usize = 254;
/// Most bytes of a handle.
pub const MAX_HANDLE: usize = 64;

/// A cross-service identifier: whom a sender looks up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Csi {
    /// A telephone number: `+` and 7 to 15 digits.
    Phone(Phone),
    /// An e-mail address: dot-atom local part, domain as lower-case A-labels.
    Email(Email),
    /// A handle: 1 to 64 lower-case letters, digits, `.`, `_` or `-`.
    Handle(Handle),
}

/// A canonical telephone number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// A canonical e-mail address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// A canonical handle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

/// Why a text is not a canonical identifier. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not `+` followed by digits.
    #[error("a phone number is written as + and digits only, like +14155550123")]
    PhoneSyntax,
    /// Fewer than 7 or more than 15 digits.
    #[error("a phone number has 7 to 15 digits after the +, country code included")]
    PhoneLength,
    /// The country code would begin with 0.
    #[error("no country code begins with 0")]
    PhoneZero,
    /// Not `local@domain`, or characters outside dot-atom.
    #[error("an e-mail address is written as name@domain, unquoted")]
    EmailSyntax,
    /// More than 254 bytes, or more than 64 before the `@`.
    #[error("an e-mail address has at most 64 characters before the @ and 254 in all")]
    EmailLength,
    /// Not a lower-case host name in A-label form.
    #[error("a domain is written in lower case, as A-labels (xn--…), like a.example")]
    Domain,
    /// Not 1 to 64 of the allowed characters.
    #[error("a handle has 1 to 64 lower-case letters, digits, dots, underscores or hyphens")]
    Handle,
    /// The URI scheme is none of `tel:`, `mailto:`, `handle:`, or its form is not canonical.
    #[error("an identifier URI begins with tel:, mailto: or handle:, in canonical form")]
    Uri,
    /// Not a canonical `mimi:` URI.
    #[error("a MIMI URI is mimi://domain, mimi://domain/u/user or mimi://domain/d/device")]
    MimiUri,
}

impl Csi {
    /// A canonical telephone number.
    pub fn phone(text: &str) -> Result<Self, IdentifierError> {
        let digits = text.strip_prefix('+').ok_or(IdentifierError::PhoneSyntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdentifierError::PhoneSyntax);
        }
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()) {
            return Err(IdentifierError::PhoneLength);
        }
        if digits.starts_with('0') {
            return Err(IdentifierError::PhoneZero);
        }
        Ok(Self::Phone(Phone(text.to_owned())))
    }

    /// A canonical e-mail address. The local part keeps its case: RFC 5321 leaves its meaning to
    /// the receiving host.
    pub fn email(text: &str) -> Result<Self, IdentifierError> {
        let (local, domain) = text.rsplit_once('@').ok_or(IdentifierError::EmailSyntax)?;
        if local.len() > 64 || text.len() > MAX_EMAIL {
            return Err(IdentifierError::EmailLength);
        }
        if !local.split('.').all(is_atom) {
            return Err(IdentifierError::EmailSyntax);
        }
        Domain::new(domain)?;
        Ok(Self::Email(Email(text.to_owned())))
    }

    /// A canonical handle.
    pub fn handle(text: &str) -> Result<Self, IdentifierError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > MAX_HANDLE || !text.bytes().all(allowed) {
            return Err(IdentifierError::Handle);
        }
        Ok(Self::Handle(Handle(text.to_owned())))
    }

    /// Reads the URI form that statements carry: `tel:` (RFC 3966), `mailto:` (RFC 6068), `handle:`.
    pub fn from_uri(uri: &str) -> Result<Self, IdentifierError> {
        let (scheme, rest) = uri.split_once(':').ok_or(IdentifierError::Uri)?;
        let csi = match scheme {
            "tel" => Self::phone(rest)?,
            "mailto" => Self::email(&uri::percent_decode(rest).ok_or(IdentifierError::Uri)?)?,
            "handle" => Self::handle(rest)?,
            _ => return Err(IdentifierError::Uri),
        };
        // Percent-encoding has many spellings; one of them is canonical.
        if csi.uri() == uri { Ok(csi) } else { Err(IdentifierError::Uri) }
    }

    /// The URI form that statements carry.
    pub fn uri(&self) -> String {
        match self {
            Self::Phone(Phone(number)) => format!("tel:{number}"),
            Self::Email(Email(address)) => format!("mailto:{}", uri::percent_encode(address)),
            Self::Handle(Handle(handle)) => format!("handle:{handle}"),
        }
    }

    /// The value as a query carries it: the number, the address or the handle by itself.
    pub fn value(&self) -> &str {
        match self {
            Self::Phone(Phone(text)) | Self::Email(Email(text)) | Self::Handle(Handle(text)) => text,
        }
    }

    /// The domain of an e-mail address.
    pub fn mail_domain(&self) -> Option<&str> {
        match self {
            Self::Email(Email(address)) => address.rsplit_once('@').map(|(_, domain)| domain),
            Self::Phone(_) | Self::Handle(_) => None,
        }
    }
}

/// RFC 5322 §3.2.3 `atext`, at least one.
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

impl fmt::Debug for Csi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phone(_) => "Phone(…)",
            Self::Email(_) => "Email(…)",
            Self::Handle(_) => "Handle(…)",
        })
    }
}

#[cfg(test)]
mod tests;
