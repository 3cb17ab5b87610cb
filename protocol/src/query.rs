//! What travels inside the encapsulated request and response: `IdentifierRequest` and
//! `IdentifierResponse` of draft-ietf-mimi-protocol-06 §5.7, in TLS presentation language
//! (RFC 8446 §3) with the variable-length vectors of RFC 9420 §2.1.2.
//!
//! Readers are strict: the whole input is one message, lengths are minimal, component ids ascend.
//! What an input claims about its length is checked against what is there before anything is
//! allocated. `Debug` shows no values.

use crate::identifier::{Csi, Domain, IdentifierError, MimiUri};
use crate::mapping::Tag;
use std::fmt;
use tls_codec::{DeserializeBytes, SerializeBytes, TlsDeserializeBytes, TlsSerializeBytes, TlsSize};

mod components;
mod opaque;

pub use components::{Components, MAPPINGS, REQUESTED_TAG};
use opaque::Opaque;

/// Path of the lookup operation; the discovery domain follows.
pub const LOOKUP_PATH: &str = "/v1/identifierQuery/";

/// Path of publishing; the discovery domain follows. The content is a [`VerifiableMapping`].
pub const PUBLISH_PATH: &str = "/v1/mappings/";
/// Path of withdrawing; the discovery domain follows. The content is a
/// [`crate::withdrawal::Withdrawal`] statement.
pub const WITHDRAW_PATH: &str = "/v1/withdrawals/";

/// Why bytes are not a query message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Not the presentation-language structure, truncated, or followed by more bytes.
    #[error("the message does not have the form of draft-ietf-mimi-protocol §5.7")]
    Malformed,
    /// Component ids repeat or do not ascend.
    #[error("the extensions are not in ascending order of component id")]
    Components,
    /// An extension is there but cannot be read.
    #[error("an extension cannot be read")]
    Component,
    /// The response code is none this version knows.
    #[error("the response code is not known")]
    Code,
    /// A URI is not a canonical MIMI URI.
    #[error("a returned URI is not a canonical MIMI URI")]
    Uri,
}

/// One element of a query. Exact identifiers are answered; all others are `unsupportedField`.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
#[repr(u8)]
enum Element {
    #[tls_codec(discriminant = 1)]
    Handle(Opaque),
    #[tls_codec(discriminant = 2)]
    Nick(Opaque),
    #[tls_codec(discriminant = 3)]
    Email(Opaque),
    #[tls_codec(discriminant = 4)]
    Phone(Opaque),
    #[tls_codec(discriminant = 5)]
    PartialName(Opaque),
    #[tls_codec(discriminant = 6)]
    WholeProfile(Opaque),
    #[tls_codec(discriminant = 7)]
    OidcStdClaim(Opaque, Opaque),
    #[tls_codec(discriminant = 8)]
    VcardField(Opaque, Opaque),
}

#[derive(TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
struct RawRequest {
    elements: Vec<Element>,
    extensions: Components,
}

/// What a sender asks.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentifierRequest {
    /// Whom for.
    pub subject: Subject,
    /// For which purpose, if the sender says.
    pub tag: Option<Tag>,
}

/// Whom a request is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// One exact identifier.
    Exact(Csi),
    /// One exact identifier by type, but not in canonical form.
    NotCanonical(IdentifierError),
    /// Anything else: several elements, or a type that is no exact identifier.
    Unsupported,
}

impl IdentifierRequest {
    /// Encodes the request.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let Subject::Exact(csi) = &self.subject else {
            return None;
        };
        let value = Opaque::from(csi.value());
        let element = match csi {
            Csi::Phone(_) => Element::Phone(value),
            Csi::Email(_) => Element::Email(value),
            Csi::Handle(_) => Element::Handle(value),
        };
        let mut extensions = Components::default();
        if let Some(tag) = &self.tag {
            extensions.insert(REQUESTED_TAG, components::encode_tag(tag)?);
        }
        RawRequest { elements: vec![element], extensions }.tls_serialize_bytes().ok()
    }

    /// Reads a request. Extensions it does not know are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        let raw = RawRequest::tls_deserialize_exact_bytes(bytes).map_err(|_| QueryError::Malformed)?;
        raw.extensions.check()?;
        let tag = raw.extensions.get(REQUESTED_TAG).map(components::decode_tag).transpose()?;
        let subject = match raw.elements.as_slice() {
            [Element::Phone(value)] => exact(value, Csi::phone, IdentifierError::PhoneSyntax),
            [Element::Email(value)] => exact(value, Csi::email, IdentifierError::EmailSyntax),
            [Element::Handle(value)] => exact(value, Csi::handle, IdentifierError::Handle),
            [] => return Err(QueryError::Malformed),
            _ => Subject::Unsupported,
        };
        Ok(Self { subject, tag })
    }
}

fn exact(
    value: &Opaque,
    parse: fn(&str) -> Result<Csi, IdentifierError>,
    otherwise: IdentifierError,
) -> Subject {
    match value.as_str().ok_or(otherwise).and_then(parse) {
        Ok(csi) => Subject::Exact(csi),
        Err(error) => Subject::NotCanonical(error),
    }
}

/// The outcome of a query, as the response names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// At least one mapping.
    Success,
    /// No mapping, or one whose holder wants to look absent.
    NotFound,
    /// The query matches too much (never sent by us).
    Ambiguous,
    /// The query is not allowed.
    Forbidden,
    /// The query asks by something else than one exact identifier.
    UnsupportedField,
}

const CODES: [ResponseCode; 5] = [
    ResponseCode::Success,
    ResponseCode::NotFound,
    ResponseCode::Ambiguous,
    ResponseCode::Forbidden,
    ResponseCode::UnsupportedField,
];

#[derive(TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
struct RawProfile {
    stable_uri: Opaque,
    fields: Vec<RawField>,
}

#[derive(TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
struct RawField {
    source: u8,
    name: Opaque,
    value: Opaque,
}

#[derive(TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
struct RawResponse {
    code: u8,
    uris: Vec<Opaque>,
    found_profiles: Vec<RawProfile>,
    extensions: Components,
}

/// A mapping as it travels: the recipient's statement and its authority's latest status.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
pub struct VerifiableMapping {
    mapping: Opaque,
    status: Opaque,
}

impl VerifiableMapping {
    /// Both statements, whole.
    pub fn new(mapping: Vec<u8>, status: Vec<u8>) -> Self {
        Self { mapping: mapping.into(), status: status.into() }
    }

    /// The mapping, a [`crate::mapping::Mapping`] statement.
    pub fn mapping(&self) -> &[u8] {
        self.mapping.as_slice()
    }

    /// The status, a [`crate::credential::Status`] statement.
    pub fn status(&self) -> &[u8] {
        self.status.as_slice()
    }

    /// The content of a request to publish it.
    pub fn encode(&self) -> Option<Vec<u8>> {
        self.tls_serialize_bytes().ok()
    }

    /// Reads what [`VerifiableMapping::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        Self::tls_deserialize_exact_bytes(bytes).map_err(|_| QueryError::Malformed)
    }
}

/// What a resolver answers.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentifierResponse {
    /// The outcome.
    pub code: ResponseCode,
    /// The services of all mappings, in the recipient's order, for clients that cannot verify.
    pub uris: Vec<MimiUri>,
    /// The mappings themselves.
    pub mappings: Vec<VerifiableMapping>,
}

impl IdentifierResponse {
    /// An answer without mappings.
    pub fn empty(code: ResponseCode) -> Self {
        Self { code, uris: Vec::new(), mappings: Vec::new() }
    }

    /// Encodes the response; `None` only if it exceeds what the vectors can hold.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut extensions = Components::default();
        if !self.mappings.is_empty() {
            extensions.insert(MAPPINGS, self.mappings.tls_serialize_bytes().ok()?);
        }
        let uris = self.uris.iter().map(|uri| Opaque::from(uri.as_str()));
        let raw = RawResponse {
            code: CODES.iter().position(|code| *code == self.code)?.try_into().ok()?,
            uris: uris.collect(),
            found_profiles: Vec::new(),
            extensions,
        };
        raw.tls_serialize_bytes().ok()
    }

    /// Reads a response. Profiles and unknown extensions are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        let raw = RawResponse::tls_deserialize_exact_bytes(bytes).map_err(|_| QueryError::Malformed)?;
        raw.extensions.check()?;
        let uri = |uri: &Opaque| MimiUri::new(uri.as_str()?).ok();
        let mappings = match raw.extensions.get(MAPPINGS) {
            Some(bytes) => Vec::tls_deserialize_exact_bytes(bytes).map_err(|_| QueryError::Component)?,
            None => Vec::new(),
        };
        Ok(Self {
            code: *CODES.get(usize::from(raw.code)).ok_or(QueryError::Code)?,
            uris: raw.uris.iter().map(uri).collect::<Option<_>>().ok_or(QueryError::Uri)?,
            mappings,
        })
    }
}

/// The path of the lookup operation in `domain`.
pub fn lookup_path(domain: &Domain) -> String {
    format!("{LOOKUP_PATH}{domain}")
}

/// The path of publishing in `domain`.
pub fn publish_path(domain: &Domain) -> String {
    format!("{PUBLISH_PATH}{domain}")
}

/// The path of withdrawing in `domain`.
pub fn withdraw_path(domain: &Domain) -> String {
    format!("{WITHDRAW_PATH}{domain}")
}

macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

silent_debug!(IdentifierRequest, Subject, VerifiableMapping, IdentifierResponse);

#[cfg(test)]
mod tests;
