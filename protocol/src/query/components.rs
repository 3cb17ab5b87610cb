//! The extensions dictionary (`AppDataDictionary` of draft-ietf-mls-extensions §4.6), and the one
//! table of the component ids this project uses, all from the private-use range.

use super::QueryError;
use super::opaque::Opaque;
use crate::mapping::Tag;
use tls_codec::{DeserializeBytes, SerializeBytes, TlsDeserializeBytes, TlsSerializeBytes, TlsSize};

/// In a response: `VerifiableMapping mappings<V>`.
pub const MAPPINGS: u16 = 0x8D01;
/// In a request: `opaque tag<V>`, the purpose the sender asks for.
pub const REQUESTED_TAG: u16 = 0x8D02;

#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
struct Component {
    id: u16,
    data: Opaque,
}

/// Component id → bytes, ids ascending.
#[derive(Clone, Default, PartialEq, Eq, TlsSize, TlsSerializeBytes, TlsDeserializeBytes)]
pub struct Components {
    entries: Vec<Component>,
}

impl Components {
    /// Adds or replaces a component.
    pub fn insert(&mut self, id: u16, data: Vec<u8>) {
        self.entries.retain(|entry| entry.id != id);
        let at = self.entries.partition_point(|entry| entry.id < id);
        self.entries.insert(at, Component { id, data: data.into() });
    }

    /// The bytes of a component.
    pub fn get(&self, id: u16) -> Option<&[u8]> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| entry.data.as_slice())
    }

    /// Whether ids ascend without repeating.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        let ascending = self.entries.is_sorted_by(|one, next| one.id < next.id);
        if ascending { Ok(()) } else { Err(QueryError::Components) }
    }
}

pub(super) fn encode_tag(tag: &Tag) -> Option<Vec<u8>> {
    Opaque::from(tag.as_str()).tls_serialize_bytes().ok()
}

pub(super) fn decode_tag(bytes: &[u8]) -> Result<Tag, QueryError> {
    let text = Opaque::tls_deserialize_exact_bytes(bytes).map_err(|_| QueryError::Component)?;
    text.as_str().and_then(|text| Tag::new(text).ok()).ok_or(QueryError::Component)
}
