//! Anonymous lookup tokens as they travel: Privacy Pass (RFC 9576), publicly verifiable, blind RSA (RFC 9578
//! §6). Nothing here signs, blinds or verifies: issuer, wallet and resolver bring the RSA.
//!
//! The challenge is fixed by the policy: an issuer, the empty redemption context, the discovery domain as
//! origin. No answer ever carries one, so that no gateway can single a client out by it.

use crate::identifier::Domain;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256};
use std::fmt;

/// Token type 0x0002: blind RSA, 2048 bits (RFC 9578 §8.2.2).
pub const TOKEN_TYPE: u16 = 0x0002;
/// Bytes of an RSA modulus, a blinded message and an authenticator: `Nk` of RFC 9578 §8.2.2.
pub const NK: usize = 256;
/// Bytes of a token: type, nonce, challenge digest, key id, authenticator (RFC 9577 §2.2).
pub const TOKEN_BYTES: usize = INPUT_BYTES + NK;
/// Bytes of a token request (RFC 9578 §6.1).
pub const REQUEST_BYTES: usize = 2 + 1 + NK;
/// Most tokens that one operation costs.
pub const MAX_PRICE: u8 = 4;

/// The media type of a token request (RFC 9578 §8.3.1).
pub const TOKEN_REQUEST_TYPE: &str = "application/private-token-request";
/// The media type of a token response (RFC 9578 §8.3.2).
pub const TOKEN_RESPONSE_TYPE: &str = "application/private-token-response";
/// Where an issuer publishes its keys and its request URL (RFC 9578 §4).
pub const ISSUER_DIRECTORY_PATH: &str = "/.well-known/private-token-issuer-directory";
/// The media type of an issuer's directory (RFC 9578 §8.3.3).
pub const ISSUER_DIRECTORY_TYPE: &str = "application/private-token-issuer-directory";

/// What of a token is signed: all but the authenticator.
const INPUT_BYTES: usize = 2 + 32 + 32 + 32;
/// What a token is preceded by in an `authorization` field (RFC 9577 §2.2).
const FIELD_HEAD: &str = "PrivateToken token=\"";
/// What follows it.
const FIELD_TAIL: &str = "\"";

/// A `SubjectPublicKeyInfo` up to the modulus: RSASSA-PSS with SHA-384, MGF1 with SHA-384, a salt of 48
/// bytes (RFC 9578 §6.5), 2048 bits.
const SPKI_HEAD: [u8; 81] = [
    0x30, 0x82, 0x01, 0x52, 0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
    0x30, 0x30, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
    0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0b,
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0xa2, 0x03, 0x02, 0x01, 0x30, 0x03,
    0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
];
/// An `RSAPublicKey` up to the modulus: how [`SPKI_HEAD`] ends.
const RSA_HEAD: [u8; 9] = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
/// The rest of it: the exponent, 65537.
const SPKI_TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// What tokens name an issuer's key by: SHA-256 of its `SubjectPublicKeyInfo` (RFC 9578 §6.5).
pub type KeyId = [u8; 32];

/// An issuer's public key: RSA, 2048 bits, exponent 65537, for RSASSA-PSS with SHA-384.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    modulus: Box<[u8; NK]>,
    id: KeyId,
}

/// Bytes that are no issuer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is no RSASSA-PSS key of 2048 bits in the form of RFC 9578 §6.5")]
pub struct TokenKeyError;

impl TokenKey {
    /// Reads a `SubjectPublicKeyInfo` in DER; each key has one.
    ///
    /// # Errors
    ///
    /// When it is of another algorithm, size, exponent or encoding.
    pub fn from_spki(der: &[u8]) -> Result<Self, TokenKeyError> {
        let modulus = der.strip_prefix(&SPKI_HEAD).and_then(|rest| rest.strip_suffix(&SPKI_TAIL));
        match modulus.map(<[u8; NK]>::try_from) {
            // 2048 bits have the top one set, and the product of two primes is odd.
            Some(Ok(modulus @ [first, .., last])) if first >= 0x80 && last % 2 == 1 => {
                Ok(Self { modulus: Box::new(modulus), id: Sha256::digest(der).into() })
            }
            _ => Err(TokenKeyError),
        }
    }

    /// The key as `SubjectPublicKeyInfo` in DER.
    pub fn to_spki(&self) -> Vec<u8> {
        [&SPKI_HEAD[..], &self.modulus[..], &SPKI_TAIL].concat()
    }

    /// The key as `RSAPublicKey` in DER (RFC 8017 §A.1.1), for libraries that want it bare.
    pub fn to_rsa_public_key(&self) -> Vec<u8> {
        [&RSA_HEAD[..], &self.modulus[..], &SPKI_TAIL].concat()
    }

    /// The modulus, big-endian. The exponent is 65537.
    pub fn modulus(&self) -> &[u8; NK] {
        &self.modulus
    }

    /// What tokens name it by.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// What token requests name it by: the last byte of its id. Live keys of one issuer differ in it.
    pub fn truncated_id(&self) -> u8 {
        let [.., last] = self.id;
        last
    }
}

/// The challenge of `issuer` for `origin` (RFC 9577 §2.1.1), with an empty redemption context: tokens
/// can be fetched beforehand, and no two clients ever see different ones.
pub fn challenge(issuer: &Domain, origin: &Domain) -> Vec<u8> {
    let mut bytes = TOKEN_TYPE.to_be_bytes().to_vec();
    push_name(&mut bytes, issuer);
    // `redemption_context<0..32>`: a length of one byte, nothing.
    bytes.push(0);
    push_name(&mut bytes, origin);
    bytes
}

/// SHA-256 of [`challenge`], which all tokens of `issuer` for `origin` carry.
pub fn challenge_digest(issuer: &Domain, origin: &Domain) -> [u8; 32] {
    Sha256::digest(challenge(issuer, origin)).into()
}

fn push_name(bytes: &mut Vec<u8>, name: &Domain) {
    let name = name.as_str().as_bytes();
    // Never cut short: a domain has at most 253 bytes.
    bytes.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(name);
}

/// A token, ready to be spent. Whoever has it can spend it, so that `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    nonce: [u8; 32],
    challenge_digest: [u8; 32],
    key_id: KeyId,
    authenticator: Box<[u8; NK]>,
}

/// Bytes or a field that are no token of type 0x0002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of type 0x0002 (RFC 9578 §6)")]
pub struct TokenError;

impl Token {
    /// A token of its parts.
    pub fn new(input: &TokenInput, authenticator: [u8; NK]) -> Self {
        let TokenInput { nonce, challenge_digest, key_id } = *input;
        Self { nonce, challenge_digest, key_id, authenticator: Box::new(authenticator) }
    }

    /// Reads the [`TOKEN_BYTES`] of a token.
    ///
    /// # Errors
    ///
    /// When it is of another type or length.
    pub fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        let (kind, rest) = bytes.split_first_chunk().ok_or(TokenError)?;
        if u16::from_be_bytes(*kind) != TOKEN_TYPE {
            return Err(TokenError);
        }
        let (nonce, rest) = rest.split_first_chunk().ok_or(TokenError)?;
        let (challenge_digest, rest) = rest.split_first_chunk().ok_or(TokenError)?;
        let (key_id, authenticator) = rest.split_first_chunk().ok_or(TokenError)?;
        let authenticator = authenticator.try_into().map_err(|_| TokenError)?;
        let input = TokenInput { nonce: *nonce, challenge_digest: *challenge_digest, key_id: *key_id };
        Ok(Self::new(&input, authenticator))
    }

    /// The token's bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&self.input().encode(), &self.authenticator[..]].concat()
    }

    /// Reads an `authorization` field of RFC 9577 §2.2: base64url with padding, in quotes.
    ///
    /// # Errors
    ///
    /// When it is of another scheme, has other parameters, or holds no token.
    pub fn from_field(value: &[u8]) -> Result<Self, TokenError> {
        let text = value.strip_prefix(FIELD_HEAD.as_bytes());
        let text = text.and_then(|rest| rest.strip_suffix(FIELD_TAIL.as_bytes())).ok_or(TokenError)?;
        Self::decode(&URL_SAFE.decode(text).map_err(|_| TokenError)?)
    }

    /// The value of an `authorization` field that spends it.
    pub fn to_field(&self) -> String {
        format!("{FIELD_HEAD}{}{FIELD_TAIL}", URL_SAFE.encode(self.encode()))
    }

    /// What the authenticator signs.
    pub fn input(&self) -> TokenInput {
        let Self { nonce, challenge_digest, key_id, .. } = *self;
        TokenInput { nonce, challenge_digest, key_id }
    }

    /// The issuer's signature over [`Token::input`]: RSASSA-PSS, SHA-384, a salt of 48 bytes.
    pub fn authenticator(&self) -> &[u8; NK] {
        &self.authenticator
    }
}

/// What an issuer signs without seeing it (RFC 9578 §6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenInput {
    /// Random, chosen by the client.
    pub nonce: [u8; 32],
    /// For which issuer and origin: [`challenge_digest`].
    pub challenge_digest: [u8; 32],
    /// The issuer's key.
    pub key_id: KeyId,
}

impl TokenInput {
    /// Its bytes, as they are signed.
    pub fn encode(&self) -> Vec<u8> {
        [&TOKEN_TYPE.to_be_bytes()[..], &self.nonce, &self.challenge_digest, &self.key_id].concat()
    }
}

/// What a client asks an issuer to sign (RFC 9578 §6.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Which key: [`TokenKey::truncated_id`].
    pub truncated_key_id: u8,
    /// The token's input, blinded.
    pub blinded: Box<[u8; NK]>,
}

impl TokenRequest {
    /// Reads the [`REQUEST_BYTES`] of a request.
    ///
    /// # Errors
    ///
    /// When it is of another type or length.
    pub fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        let (kind, rest) = bytes.split_first_chunk().ok_or(TokenError)?;
        let (truncated_key_id, blinded) = rest.split_first().ok_or(TokenError)?;
        if u16::from_be_bytes(*kind) != TOKEN_TYPE {
            return Err(TokenError);
        }
        let blinded: [u8; NK] = blinded.try_into().map_err(|_| TokenError)?;
        Ok(Self { truncated_key_id: *truncated_key_id, blinded: Box::new(blinded) })
    }

    /// The request's bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&TOKEN_TYPE.to_be_bytes()[..], &[self.truncated_key_id], &self.blinded[..]].concat()
    }
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

silent_debug!(TokenKey, Token, TokenInput, TokenRequest);

#[cfg(test)]
mod tests;
