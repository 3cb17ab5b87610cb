//! From answer to message: whether the key a service presents is the one the holder named.
//!
//! A reach may carry the SHA-256 thumbprint (RFC 9679) of a COSE_Key. Services hand out their
//! users' keys as COSE_Key (RFC 9052 §7) or JWK (RFC 7517, RFC 8037); both are read here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::key::{Thumbprint, thumbprint};
use serde::Deserialize;

/// Most bytes of a key file: a JWK may carry certificates.
pub const MAX_KEY: usize = 16_384;

/// Why a key is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMismatch {
    /// The holder named another key.
    #[error("the key is not the one the holder named; do not use it, and ask the holder by other means")]
    Other,
    /// The holder named no key, so there is nothing to compare with.
    #[error("the holder named no key for this service, so no key can be checked")]
    NotNamed,
    /// What the service presents is no key that could have been named.
    #[error(transparent)]
    Unreadable(#[from] KeyFormatError),
}

/// Why bytes are no key that a thumbprint can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no COSE_Key and no JWK of kind OKP Ed25519 or EC P-256; \
     give a COSE_Key (binary, hex or base64url) or a JWK (JSON)"
)]
pub struct KeyFormatError;

/// An encoded COSE_Key, from a COSE_Key in binary, hex or base64url, or from a JWK.
///
/// # Errors
///
/// When it is none of them. A private key counts by its public part.
pub fn cose_key(bytes: &[u8]) -> Result<Vec<u8>, KeyFormatError> {
    let is_key = |bytes: &Vec<u8>| thumbprint(bytes).is_ok();
    if bytes.len() > MAX_KEY {
        return Err(KeyFormatError);
    }
    // A COSE_Key is a CBOR map, whose first byte is no character of the other forms.
    if let Some(binary) = Some(bytes.to_vec()).filter(is_key) {
        return Ok(binary);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFormatError)?.trim();
    if text.starts_with('{') {
        return jwk(text);
    }
    let hexadecimal = hex::decode(text).ok().filter(is_key);
    let decoded = || URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(is_key);
    hexadecimal.or_else(decoded).ok_or(KeyFormatError)
}

/// Compares a key with what was named.
pub(crate) fn check(cose_key: &[u8], named: Option<&Thumbprint>) -> Result<(), KeyMismatch> {
    let named = named.ok_or(KeyMismatch::NotNamed)?;
    let presented = thumbprint(cose_key).map_err(|_| KeyFormatError)?;
    if presented == *named { Ok(()) } else { Err(KeyMismatch::Other) }
}

/// The members of a JWK that its thumbprint counts; others, such as `kid`, make no difference.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    y: Option<&'a str>,
}

/// Both kinds have coordinates of 32 bytes: RFC 8037 §2, RFC 7518 §6.2.1. The COSE_Key is written as
/// RFC 9053 §7 has it, in deterministic encoding.
fn jwk(text: &str) -> Result<Vec<u8>, KeyFormatError> {
    let key: Jwk<'_> = serde_json::from_str(text).map_err(|_| KeyFormatError)?;
    let x = coordinate(key.x)?;
    match (key.kty, key.crv, key.y) {
        // {1: 1 (OKP), -1: 6 (Ed25519), -2: x}
        ("OKP", "Ed25519", None) => Ok([b"\xa3\x01\x01\x20\x06\x21\x58\x20", x.as_slice()].concat()),
        // {1: 2 (EC2), -1: 1 (P-256), -2: x, -3: y}
        ("EC", "P-256", Some(y)) => Ok([
            b"\xa4\x01\x02\x20\x01\x21\x58\x20",
            x.as_slice(),
            b"\x22\x58\x20",
            coordinate(y)?.as_slice(),
        ]
        .concat()),
        _ => Err(KeyFormatError),
    }
}

fn coordinate(text: &str) -> Result<[u8; 32], KeyFormatError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFormatError)?;
    bytes.try_into().map_err(|_| KeyFormatError)
}

#[cfg(test)]
mod tests;
