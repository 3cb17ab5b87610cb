//! One key configuration. RFC 9458 §3.1

use super::algorithms::{Kem, Suite};
use super::error::KeysError;

/// Bytes of one suite.
const SUITE: usize = 4;

/// A key we could use: its KEM is known, and so is at least one of its suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConfig {
    id: u8,
    kem: Kem,
    public_key: Vec<u8>,
    suites: Vec<Suite>,
    encoded: Vec<u8>,
}

impl KeyConfig {
    /// A configuration of our own.
    pub fn new(
        id: u8,
        kem: Kem,
        public_key: impl Into<Vec<u8>>,
        suites: impl Into<Vec<Suite>>,
    ) -> Result<Self, KeysError> {
        let (public_key, suites) = (public_key.into(), suites.into());
        if public_key.len() != kem.public_key_len() {
            return Err(KeysError::PublicKeyLength);
        }
        if suites.is_empty() || suites.len() > usize::from(u16::MAX) / SUITE {
            return Err(KeysError::SuiteCount);
        }
        let encoded = encode(id, kem, &public_key, &suites);
        Ok(Self { id, kem, public_key, suites, encoded })
    }

    /// Reads the bytes of exactly one configuration; `None` if we could not use it.
    pub(super) fn decode(encoded: &[u8]) -> Result<Option<Self>, KeysError> {
        let (&[id, kem_high, kem_low], rest) = encoded.split_first_chunk().ok_or(KeysError::ShortConfig)?;
        let Some(kem) = Kem::from_id(u16::from_be_bytes([kem_high, kem_low])) else {
            return check_unknown(rest).map(|()| None);
        };
        let (public_key, rest) = rest.split_at_checked(kem.public_key_len()).ok_or(KeysError::ShortConfig)?;
        let suites = decode_suites(rest)?;
        if suites.is_empty() {
            return Ok(None);
        }
        let (public_key, encoded) = (public_key.to_vec(), encoded.to_vec());
        Ok(Some(Self { id, kem, public_key, suites, encoded }))
    }

    /// The key id.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The KEM of the key.
    #[must_use]
    pub fn kem(&self) -> Kem {
        self.kem
    }

    /// The public key, as long as its KEM says.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The suites we know, in the server's order; at least one.
    #[must_use]
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// The bytes as they were read, without the length that precedes them in a collection: unknown
    /// suites included, so that equal bytes mean the same configuration in two collections.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// This key with one suite only, without a length in front: what crate `ohttp` can be handed. It panics
    /// when it knows no suite and drops the key when one is unknown. `suite` should be one of ours.
    #[must_use]
    pub fn to_single(&self, suite: Suite) -> Vec<u8> {
        encode(self.id, self.kem, &self.public_key, &[suite])
    }
}

fn encode(id: u8, kem: Kem, public_key: &[u8], suites: &[Suite]) -> Vec<u8> {
    // Never truncates: callers bound the number of suites.
    let suites_len = (suites.len() * SUITE) as u16;
    let mut bytes = vec![id];
    bytes.extend_from_slice(&kem.id().to_be_bytes());
    bytes.extend_from_slice(public_key);
    bytes.extend_from_slice(&suites_len.to_be_bytes());
    for suite in suites {
        bytes.extend_from_slice(&suite.kdf.id().to_be_bytes());
        bytes.extend_from_slice(&suite.aead.id().to_be_bytes());
    }
    bytes
}

/// Reads the length of the suites and the suites, which end the configuration; keeps those we know.
fn decode_suites(bytes: &[u8]) -> Result<Vec<Suite>, KeysError> {
    let (len, rest) = bytes.split_first_chunk().ok_or(KeysError::ShortConfig)?;
    let len = usize::from(u16::from_be_bytes(*len));
    if len == 0 || !len.is_multiple_of(SUITE) {
        return Err(KeysError::SuitesLength);
    }
    let (suites, trailing) = rest.split_at_checked(len).ok_or(KeysError::ShortConfig)?;
    if !trailing.is_empty() {
        return Err(KeysError::TrailingBytes);
    }
    let (suites, _) = suites.as_chunks();
    let known = suites.iter().filter_map(|&[kdf_high, kdf_low, aead_high, aead_low]| {
        let kdf = u16::from_be_bytes([kdf_high, kdf_low]);
        Suite::from_ids(kdf, u16::from_be_bytes([aead_high, aead_low]))
    });
    Ok(known.collect())
}

/// Of an unknown KEM's configuration, checks what can be checked without the length of its keys: that some
/// length leaves room for at least one byte of key and puts the right length before the suites.
fn check_unknown(after_kem: &[u8]) -> Result<(), KeysError> {
    let tail_fits = |tail: &[u8]| {
        tail.split_first_chunk().is_some_and(|(len, suites)| {
            let len = usize::from(u16::from_be_bytes(*len));
            len == suites.len() && len > 0 && len.is_multiple_of(SUITE)
        })
    };
    let mut tails = (1..after_kem.len()).filter_map(|key_len| after_kem.get(key_len..));
    if tails.any(tail_fits) { Ok(()) } else { Err(KeysError::MalformedUnknown) }
}
