//! The one envelope of all signed statements: COSE_Sign1 (RFC 9052 §4.2), untagged, Ed25519
//! (alg −19, RFC 9864), deterministic CBOR (RFC 8949 §4.2.1).
//!
//! Each type of statement has a content type in the protected header, so that a signature over
//! one type never counts for another. The protected header holds the algorithm and that content
//! type and nothing else; the unprotected header is empty; a statement has exactly one encoding.
//! What is read but not yet verified is an [`Unverified`]; the only way out of it is a key.

use ciborium::Value;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

pub(crate) mod cbor;

pub use cbor::Fields;

/// No statement is longer (the signed policy with its key collection is the longest).
pub const MAX_STATEMENT: usize = 16_384;

/// What a statement says, without the signature.
pub trait Claims: Sized {
    /// The content type in the protected header.
    const CONTENT_TYPE: &'static str;

    /// The claims as a CBOR map whose keys are in deterministic order.
    fn to_cbor(&self) -> Value;

    /// Reads the claims back. [`Fields`] takes what it knows; whatever is left over makes the
    /// statement unreadable, because a rule that is not understood must not be ignored.
    fn from_cbor(fields: &mut Fields) -> Option<Self>;
}

/// Why bytes are not a statement of the expected type, or not one by the expected key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Longer than [`MAX_STATEMENT`].
    #[error("the statement is longer than any statement may be")]
    TooLong,
    /// Not a COSE_Sign1 structure.
    #[error("the statement is not a COSE_Sign1 structure")]
    NotCose,
    /// The protected header differs from the one this type of statement has.
    #[error("the statement is of another type, or names another algorithm than Ed25519")]
    WrongType,
    /// The claims are missing, of the wrong form, or more than this version knows.
    #[error("the statement's claims cannot be read")]
    Claims,
    /// Well-formed, but not in the one deterministic encoding.
    #[error("the statement is not in deterministic encoding")]
    NotDeterministic,
    /// The signature is not the expected key's.
    #[error("the signature does not verify under the expected key")]
    Signature,
}

/// Signs `claims`; the result is the whole statement.
pub fn sign<C: Claims>(claims: &C, key: &SigningKey) -> Vec<u8> {
    let statement = CoseSign1Builder::new()
        .protected(protected::<C>())
        .payload(cbor::encode(&claims.to_cbor()))
        .create_signature(b"", |message| key.sign(message).to_bytes().to_vec())
        .build();
    // Never: encoding a value built here into memory has no failing case.
    statement.to_vec().unwrap_or_default()
}

/// As [`sign`], with a signature from elsewhere, such as a key that lives offline: `signer` gets the
/// bytes to be signed (RFC 9052 §4.4).
///
/// # Errors
///
/// The signer's.
pub fn sign_with<C: Claims, E>(
    claims: &C,
    signer: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<Vec<u8>, E> {
    let statement = CoseSign1Builder::new()
        .protected(protected::<C>())
        .payload(cbor::encode(&claims.to_cbor()))
        .try_create_signature(b"", |message| signer(message).map(|signature| signature.to_vec()))?
        .build();
    // Never: encoding a value built here into memory has no failing case.
    Ok(statement.to_vec().unwrap_or_default())
}

/// A statement that was read, but whose signature nobody has checked yet.
pub struct Unverified<C> {
    claims: C,
    message: Vec<u8>,
    signature: Signature,
}

impl<C: Claims> Unverified<C> {
    /// Reads a statement of type `C` and checks its form, down to the last byte.
    pub fn read(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::TooLong);
        }
        let statement = CoseSign1::from_slice(bytes).map_err(|_| StatementError::NotCose)?;
        let expected = cbor::encode_header(protected::<C>());
        if statement.protected.original_data.as_deref() != Some(&expected)
            || !statement.unprotected.is_empty()
        {
            return Err(StatementError::WrongType);
        }
        let payload = statement.payload.as_deref().ok_or(StatementError::Claims)?;
        let mut fields = Fields::read(payload).ok_or(StatementError::Claims)?;
        let claims = C::from_cbor(&mut fields).filter(|_| fields.is_empty());
        let claims = claims.ok_or(StatementError::Claims)?;
        let signature = Signature::from_slice(&statement.signature);
        let signature = signature.map_err(|_| StatementError::Signature)?;
        let message = statement.tbs_data(b"");
        if cbor::encode(&claims.to_cbor()) != payload
            || !statement.to_vec().is_ok_and(|encoded| encoded == bytes)
        {
            return Err(StatementError::NotDeterministic);
        }
        Ok(Self { claims, message, signature })
    }

    /// What the statement claims, for choosing the key to check it with. Nothing else may rely on
    /// it.
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The claims, unverified: for statements that whoever keeps them has verified before.
    pub fn into_claims(self) -> C {
        self.claims
    }

    /// Checks the signature, strictly (no small-order keys, no malleable signatures).
    pub fn verify(self, key: &VerifyingKey) -> Result<C, StatementError> {
        key.verify_strict(&self.message, &self.signature).map_err(|_| StatementError::Signature)?;
        Ok(self.claims)
    }
}

/// Reads and verifies in one step, where the key is known beforehand.
pub fn open<C: Claims>(bytes: &[u8], key: &VerifyingKey) -> Result<C, StatementError> {
    Unverified::<C>::read(bytes)?.verify(key)
}

fn protected<C: Claims>() -> coset::Header {
    HeaderBuilder::new().algorithm(iana::Algorithm::Ed25519).content_type(C::CONTENT_TYPE.to_owned()).build()
}

#[cfg(test)]
mod tests;
