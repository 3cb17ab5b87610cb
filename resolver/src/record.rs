//! What a row holds once opened: all mappings of one identifier, or the status of one credential.

use ciborium::Value;
use discreet_protocol::credential::Credential;
use discreet_protocol::mapping::Mapping;
use discreet_protocol::statement::{StatementError, Unverified};
use std::fmt;

/// Bytes of a sealed record. All have this one size, so that a row does not tell how much it holds;
/// seven mappings with one service each fit.
pub const RECORD_SIZE: usize = 4096;
/// Bytes of a sealed status.
pub const STATUS_SIZE: usize = 256;
/// Most mappings in one record; the size is usually the tighter bound.
const MAX_ENTRIES: usize = 32;

/// A mapping as it lies in a record, with what it says at hand.
#[derive(Clone)]
pub struct Entry {
    /// The statement, whole.
    pub bytes: Vec<u8>,
    /// What it says.
    pub mapping: Mapping,
    /// What the credential inside it says.
    pub credential: Credential,
}

/// The statement's bytes would spell the identifier.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(…)")
    }
}

impl Entry {
    /// Reads a mapping without verifying it: for rows, whose seal vouches for them, and for
    /// mappings that a [`discreet_protocol::verify::Verifier`] has passed.
    pub fn read(bytes: Vec<u8>) -> Result<Self, StatementError> {
        let mapping = Unverified::<Mapping>::read(&bytes)?.into_claims();
        let credential = Unverified::<Credential>::read(&mapping.credential)?.into_claims();
        Ok(Self { bytes, mapping, credential })
    }
}

/// All mappings of one identifier.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// In the order they were admitted.
    pub entries: Vec<Entry>,
}

impl Record {
    /// The record's bytes, without padding.
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries.iter().map(|entry| Value::Bytes(entry.bytes.clone()));
        let mut out = Vec::new();
        // Never: writing a value into memory has no failing case.
        let _ = ciborium::into_writer(&Value::Array(entries.collect()), &mut out);
        out
    }

    /// Reads what [`Record::encode`] wrote, with zeros behind it.
    pub fn decode(padded: &[u8]) -> Option<Self> {
        let entries = padded_value(padded)?.into_array().ok()?;
        if entries.len() > MAX_ENTRIES {
            return None;
        }
        let entries = entries.into_iter().map(|entry| Entry::read(entry.into_bytes().ok()?).ok());
        Some(Self { entries: entries.collect::<Option<_>>()? })
    }
}

/// A status statement as a row holds it.
pub fn encode_status(status: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // Never: writing a value into memory has no failing case.
    let _ = ciborium::into_writer(&Value::Bytes(status.to_vec()), &mut out);
    out
}

/// Reads what [`encode_status`] wrote, with zeros behind it.
pub fn decode_status(padded: &[u8]) -> Option<Vec<u8>> {
    padded_value(padded)?.into_bytes().ok()
}

fn padded_value(padded: &[u8]) -> Option<Value> {
    let mut rest = padded;
    let value = ciborium::from_reader(&mut rest).ok()?;
    rest.iter().all(|byte| *byte == 0).then_some(value)
}
