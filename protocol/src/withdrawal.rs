//! What a recipient says to be found no more: "what I published before is void".

use crate::identifier::{Csi, Domain};
use crate::mapping::{MAX_AUDIENCE, Tag};
use crate::statement::{Claims, Fields, cbor::map};
use ciborium::Value;
use std::fmt;

// The keys of a mapping's claims, where the meaning is the same.
const CSI: i64 = 1;
const AUDIENCE: i64 = 2;
const TAG: i64 = 3;
const SERIAL: i64 = 4;
const CREDENTIAL: i64 = 9;

/// "My mappings with a lower serial are void", by the holder of a CSI.
///
/// It needs no status: a withdrawal must work while the authority is silent.
#[derive(Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The identifier.
    pub csi: Csi,
    /// The discovery domains it is meant for.
    pub audience: Vec<Domain>,
    /// The tag whose mappings are void; `None`: those of every tag.
    pub tag: Option<Tag>,
    /// Mappings of the same key with a lower serial are void.
    pub serial: u64,
    /// The credential of the key that signs this, whole.
    pub credential: Vec<u8>,
}

impl Claims for Withdrawal {
    const CONTENT_TYPE: &'static str = "application/discreet-withdrawal+cbor";

    fn to_cbor(&self) -> Value {
        let audience = self.audience.iter().map(|domain| domain.as_str().into());
        let mut entries = vec![(CSI, self.csi.uri().into()), (AUDIENCE, Value::Array(audience.collect()))];
        entries.extend(self.tag.as_ref().map(|tag| (TAG, tag.as_str().into())));
        entries.push((SERIAL, self.serial.into()));
        entries.push((CREDENTIAL, Value::Bytes(self.credential.clone())));
        map(entries)
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let audience = fields.list(AUDIENCE, MAX_AUDIENCE)?.into_iter();
        let tag = match fields.take(TAG) {
            Some(tag) => Some(Tag::new(tag.as_text()?).ok()?),
            None => None,
        };
        Some(Self {
            csi: Csi::from_uri(&fields.text(CSI)?).ok()?,
            audience: audience.map(|name| Domain::new(name.as_text()?).ok()).collect::<Option<_>>()?,
            tag,
            serial: fields.unsigned(SERIAL)?,
            credential: fields.bytes(CREDENTIAL)?,
        })
    }
}

/// The credential's bytes would spell the identifier.
impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Withdrawal(…)")
    }
}
