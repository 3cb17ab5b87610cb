//! The little CBOR that claims need: maps with integer keys, read field by field.

use ciborium::Value;
use coset::AsCborValue;

/// The fields of a map that have not been taken yet.
pub struct Fields(Vec<(i64, Value)>);

impl Fields {
    /// Reads a map with integer keys and nothing after it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let value: Value = ciborium::from_reader(&mut rest).ok()?;
        if rest.is_empty() { Self::of(value) } else { None }
    }

    /// The fields of `value`, if it is a map with integer keys.
    pub fn of(value: Value) -> Option<Self> {
        let entries = value.into_map().ok()?.into_iter();
        let keyed = entries.map(|(key, value)| Some((key.into_integer().ok()?.try_into().ok()?, value)));
        keyed.collect::<Option<_>>().map(Self)
    }

    /// Whether all fields have been taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the field `key`.
    pub fn take(&mut self, key: i64) -> Option<Value> {
        let at = self.0.iter().position(|(k, _)| *k == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a text.
    pub fn text(&mut self, key: i64) -> Option<String> {
        self.take(key)?.into_text().ok()
    }

    /// Takes a byte string.
    pub fn bytes(&mut self, key: i64) -> Option<Vec<u8>> {
        self.take(key)?.into_bytes().ok()
    }

    /// Takes a byte string of `N` bytes.
    pub fn array_of<const N: usize>(&mut self, key: i64) -> Option<[u8; N]> {
        self.bytes(key)?.try_into().ok()
    }

    /// Takes an unsigned integer.
    pub fn unsigned(&mut self, key: i64) -> Option<u64> {
        self.take(key)?.into_integer().ok()?.try_into().ok()
    }

    /// Takes an array of at most `most` elements.
    pub fn list(&mut self, key: i64, most: usize) -> Option<Vec<Value>> {
        self.take(key)?.into_array().ok().filter(|list| list.len() <= most)
    }

    /// Takes an array of at most `most` elements that is left out when it is empty.
    pub fn optional_list(&mut self, key: i64, most: usize) -> Option<Vec<Value>> {
        match self.take(key) {
            Some(list) => list.into_array().ok().filter(|list| (1..=most).contains(&list.len())),
            None => Some(Vec::new()),
        }
    }
}

/// A map with the given integer keys, which the caller has put in deterministic order.
pub(crate) fn map(entries: Vec<(i64, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

/// Deterministic encoding, given maps in deterministic order: `ciborium` writes shortest integers
/// and definite lengths (the tests of each statement hold it to that).
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Never: writing a value into memory has no failing case.
    let _ = ciborium::into_writer(value, &mut out);
    out
}

pub(super) fn encode_header(header: coset::Header) -> Vec<u8> {
    // Never: a header built by us has a CBOR form.
    header.to_cbor_value().map(|value| encode(&value)).unwrap_or_default()
}
