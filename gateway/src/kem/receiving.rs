//! What crate `hpke` asks of a KEM, around the one step that is ours: decapsulation.
//!
//! Keys and encapsulated keys are read and written by the crate's own KEM; it also derives key pairs
//! (RFC 9180 §7.1.3). Nobody encapsulates with these types, nor authenticates a sender with them.

use hpke::hybrid_array::sizes::U32;
use hpke::kem::SharedSecret;
use hpke::rand_core::CryptoRng;
use hpke::{Deserializable, HpkeError, Kem, Serializable};
use std::marker::PhantomData;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a private key as stored and derived, and of a shared secret, in both our KEMs.
pub(crate) const SECRET_LEN: usize = 32;

/// A private key expanded once, so that each decapsulation is the agreement and little else.
pub(crate) trait Decapsulate: Sized {
    /// The crate's KEM whose receiving half this is.
    type Kem: Kem;

    /// From the private key's bytes and the public key's.
    fn expand(private: &[u8; SECRET_LEN], public: &[u8]) -> Option<Self>;

    /// The shared secret in `enc`. `None` if there is none, as for a point of small order, whose
    /// agreement is all zeros for every private key.
    fn decapsulate(&self, enc: &[u8]) -> Option<Zeroizing<[u8; SECRET_LEN]>>;
}

/// The KEM that decapsulates with `S`.
pub(crate) struct Receiving<S>(PhantomData<S>);

/// A private key of [`Receiving`]. Clones share the one expanded key, which is erased with the last.
pub(crate) struct PrivateKey<S: Decapsulate>(Arc<Held<S>>);

struct Held<S: Decapsulate> {
    bytes: Zeroizing<[u8; SECRET_LEN]>,
    /// Kept: computing it again would cost an agreement for each request.
    public: <S::Kem as Kem>::PublicKey,
    expanded: S,
}

impl<S: Decapsulate> Kem for Receiving<S> {
    type PublicKey = <S::Kem as Kem>::PublicKey;
    type PrivateKey = PrivateKey<S>;
    type EncappedKey = <S::Kem as Kem>::EncappedKey;
    type NSecret = U32;
    const KEM_ID: u16 = <S::Kem as Kem>::KEM_ID;

    fn sk_to_pk(key: &Self::PrivateKey) -> Self::PublicKey {
        key.0.public.clone()
    }

    fn derive_keypair(ikm: &[u8]) -> (Self::PrivateKey, Self::PublicKey) {
        let (theirs, public) = S::Kem::derive_keypair(ikm);
        let mut bytes = theirs.to_bytes();
        // Never: these are the bytes of a key just derived.
        #[expect(clippy::expect_used, reason = "the trait leaves no room for an error")]
        let key = Self::PrivateKey::from_bytes(&bytes).expect("a derived key is a key");
        bytes.as_mut_slice().zeroize();
        (key, public)
    }

    fn decap(
        key: &Self::PrivateKey,
        sender: Option<&Self::PublicKey>,
        enc: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let secret = key.0.expanded.decapsulate(&enc.to_bytes()).ok_or(HpkeError::DecapError)?;
        Ok(SharedSecret((*secret).into()))
    }

    fn encap_with_rng(
        _: &Self::PublicKey,
        _: Option<(&Self::PrivateKey, &Self::PublicKey)>,
        _: &mut impl CryptoRng,
    ) -> Result<(SharedSecret<Self>, Self::EncappedKey), HpkeError> {
        Err(HpkeError::EncapError)
    }
}

impl<S: Decapsulate> Clone for PrivateKey<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Decapsulate> ConstantTimeEq for PrivateKey<S> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.bytes.ct_eq(&*other.0.bytes)
    }
}

impl<S: Decapsulate> Serializable for PrivateKey<S> {
    type OutputSize = U32;

    fn write_exact(&self, buffer: &mut [u8]) {
        // The trait says that the lengths agree.
        buffer.copy_from_slice(&*self.0.bytes);
    }
}

impl<S: Decapsulate> Deserializable for PrivateKey<S> {
    fn from_bytes(encoded: &[u8]) -> Result<Self, HpkeError> {
        let wrong_length = HpkeError::IncorrectInputLength(SECRET_LEN, encoded.len());
        let bytes = Zeroizing::new(<[u8; SECRET_LEN]>::try_from(encoded).map_err(|_| wrong_length)?);
        let theirs = <S::Kem as Kem>::PrivateKey::from_bytes(encoded)?;
        let public = S::Kem::sk_to_pk(&theirs);
        let expanded = S::expand(&bytes, &public.to_bytes()).ok_or(HpkeError::ValidationError)?;
        Ok(Self(Arc::new(Held { bytes, public, expanded })))
    }
}
