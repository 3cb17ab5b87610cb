//! What a recipient says: this CSI is reachable at these services, in this order.

use crate::identifier::{Csi, Domain, MimiUri};
use crate::key::Thumbprint;
use crate::statement::{Claims, Fields, cbor::map};
use crate::time::Timestamp;
use ciborium::Value;
use std::fmt;

const CSI: i64 = 1;
const AUDIENCE: i64 = 2;
const TAG: i64 = 3;
const SERIAL: i64 = 4;
const NOT_BEFORE: i64 = 5;
const NOT_AFTER: i64 = 6;
const REFRESH_AFTER: i64 = 7;
const REACHES: i64 = 8;
const CREDENTIAL: i64 = 9;
const SERVE_AS_NOT_FOUND: i64 = 10;

/// Most discovery domains one mapping may be addressed to.
pub const MAX_AUDIENCE: usize = 8;
/// Most services one mapping may list.
pub const MAX_REACHES: usize = 16;
/// How long an answer may be cached when the recipient does not say: 7 days, in seconds.
pub const DEFAULT_REFRESH_AFTER: u64 = 7 * crate::time::DAY;
/// Most bytes of a tag.
const MAX_TAG: usize = 32;

/// The purpose a mapping is meant for: a hint from the recipient, not access control.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A text that is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag has 1 to 32 letters, digits or hyphens")]
pub struct TagError;

impl Tag {
    /// A tag: 1 to 32 ASCII letters, digits or hyphens; case matters.
    pub fn new(text: &str) -> Result<Self, TagError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || text.len() > MAX_TAG || !text.bytes().all(allowed) {
            return Err(TagError);
        }
        Ok(Self(text.to_owned()))
    }

    /// `Default`: what a sender gets who asked for no tag, or for one the recipient does not have.
    pub fn default_tag() -> Self {
        Self("Default".to_owned())
    }

    /// Whether this is `Default`.
    pub fn is_default(&self) -> bool {
        self.0 == "Default"
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tag a sender asks for stays out of logs, as the identifier does.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(…)")
    }
}

/// One place a recipient is reachable at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The service, or the account or device there.
    pub uri: MimiUri,
    /// SHA-256 thumbprint of the key the service should present for it (RFC 9679).
    pub thumbprint: Option<Thumbprint>,
    /// The service's own word for it, an [`crate::endorsement::Endorsement`] statement.
    pub endorsement: Option<Vec<u8>>,
}

/// "This CSI is reachable there", by its holder.
#[derive(Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The identifier.
    pub csi: Csi,
    /// The discovery domains it may be served in; anywhere else it is void.
    pub audience: Vec<Domain>,
    /// The purpose.
    pub tag: Tag,
    /// Counts up per key and tag; starts at random.
    pub serial: u64,
    /// Valid from this day on.
    pub not_before: Timestamp,
    /// Void from this day on; never later than the credential's expiry.
    pub not_after: Timestamp,
    /// For how many seconds an answer may be cached.
    pub refresh_after: u64,
    /// Where, most preferred first. Empty: the recipient exists and lists nobody.
    pub reaches: Vec<Reach>,
    /// The credential of the key that signs this, whole.
    pub credential: Vec<u8>,
    /// The recipient wants to look absent, in this tag.
    pub serve_as_not_found: bool,
}

/// The credential's bytes would spell the identifier.
impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mapping(…)")
    }
}

impl Claims for Mapping {
    const CONTENT_TYPE: &'static str = "application/discreet-mapping+cbor";

    fn to_cbor(&self) -> Value {
        let audience = self.audience.iter().map(|domain| domain.as_str().into());
        let mut entries = vec![
            (CSI, self.csi.uri().into()),
            (AUDIENCE, Value::Array(audience.collect())),
            (TAG, self.tag.as_str().into()),
            (SERIAL, self.serial.into()),
            (NOT_BEFORE, self.not_before.unix().into()),
            (NOT_AFTER, self.not_after.unix().into()),
            (REFRESH_AFTER, self.refresh_after.into()),
            (REACHES, Value::Array(self.reaches.iter().map(Reach::to_cbor).collect())),
            (CREDENTIAL, Value::Bytes(self.credential.clone())),
        ];
        if self.serve_as_not_found {
            entries.push((SERVE_AS_NOT_FOUND, true.into()));
        }
        map(entries)
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let audience = fields.list(AUDIENCE, MAX_AUDIENCE)?.into_iter();
        let reaches = fields.list(REACHES, MAX_REACHES)?.into_iter();
        let hidden = fields.take(SERVE_AS_NOT_FOUND);
        Some(Self {
            csi: Csi::from_uri(&fields.text(CSI)?).ok()?,
            audience: audience.map(|name| Domain::new(name.as_text()?).ok()).collect::<Option<_>>()?,
            tag: Tag::new(&fields.text(TAG)?).ok()?,
            serial: fields.unsigned(SERIAL)?,
            not_before: Timestamp::from_unix(fields.unsigned(NOT_BEFORE)?),
            not_after: Timestamp::from_unix(fields.unsigned(NOT_AFTER)?),
            refresh_after: fields.unsigned(REFRESH_AFTER)?,
            reaches: reaches.map(Reach::from_cbor).collect::<Option<_>>()?,
            credential: fields.bytes(CREDENTIAL)?,
            serve_as_not_found: hidden.map_or(Some(false), |value| value.into_bool().ok())?,
        })
    }
}

impl Reach {
    /// A reach without thumbprint and endorsement.
    pub fn to(uri: MimiUri) -> Self {
        Self { uri, thumbprint: None, endorsement: None }
    }

    /// `[uri]`, `[uri, thumbprint]` or `[uri, thumbprint or null, endorsement]`.
    fn to_cbor(&self) -> Value {
        let thumbprint = self.thumbprint.map(|thumbprint| Value::Bytes(thumbprint.to_vec()));
        let mut entry = vec![self.uri.as_str().into()];
        match &self.endorsement {
            Some(endorsement) => {
                entry.push(thumbprint.unwrap_or(Value::Null));
                entry.push(Value::Bytes(endorsement.clone()));
            }
            None => entry.extend(thumbprint),
        }
        Value::Array(entry)
    }

    fn from_cbor(value: Value) -> Option<Self> {
        let mut entry = value.into_array().ok()?.into_iter();
        let uri = MimiUri::new(entry.next()?.as_text()?).ok()?;
        let thumbprint = match entry.next() {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.into_bytes().ok()?.try_into().ok()?),
        };
        let endorsement = match entry.next() {
            Some(value) => Some(value.into_bytes().ok()?),
            None => None,
        };
        entry.next().is_none().then_some(Self { uri, thumbprint, endorsement })
    }
}
