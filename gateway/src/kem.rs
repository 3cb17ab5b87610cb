//! The receiving half of each key encapsulation mechanism, under the key schedule of crate `hpke`
//! (RFC 9180).
//!
//! The crate's suites are types, a request's suite is a number: this module is the dispatch. The KEMs
//! are ours, in [`x25519`] and [`x_wing`], because the agreement is what a provider pays for: they hold
//! keys expanded, and aws-lc does the arithmetic, as it does the AEADs'. Nothing here encapsulates, and
//! nothing here invents: key schedule, nonces and export stay the crate's.

use self::aead::{Aes128Gcm, ChaCha20Poly1305};
use discreet_envelope::keys::{Aead, Kem};
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable, Kem as HpkeKem, OpModeR, Serializable};
use receiving::Receiving;
use zeroize::Zeroizing;

mod aead;
mod receiving;
mod x25519;
mod x_wing;

/// DHKEM(X25519, HKDF-SHA256).
pub(crate) type X25519 = Receiving<x25519::Secret>;
/// X-Wing.
pub(crate) type XWing = Receiving<x_wing::Secret>;

/// A private key, with its KEM.
pub(crate) enum PrivateKey {
    X25519(<X25519 as HpkeKem>::PrivateKey),
    XWing(<XWing as HpkeKem>::PrivateKey),
}

/// A request opened, and the secret its response is sealed from.
pub(crate) struct Opened {
    pub(crate) message: Vec<u8>,
    pub(crate) exported: Zeroizing<Vec<u8>>,
}

/// Parts of an encapsulated request (RFC 9458 §4.3).
pub(crate) struct Sealed<'a> {
    pub(crate) info: &'a [u8],
    pub(crate) enc: &'a [u8],
    pub(crate) ciphertext: &'a [u8],
    /// What the response's secret is exported under, and its length in bytes.
    pub(crate) export: (&'a [u8], usize),
}

/// Derives a key pair from `seed` (RFC 9180 §7.1.3).
pub(crate) fn derive(kem: Kem, seed: &[u8]) -> (PrivateKey, Vec<u8>) {
    match kem {
        Kem::X25519 => {
            let (private, public) = X25519::derive_keypair(seed);
            (PrivateKey::X25519(private), public.to_bytes().to_vec())
        }
        Kem::XWing => {
            let (private, public) = XWing::derive_keypair(seed);
            (PrivateKey::XWing(private), public.to_bytes().to_vec())
        }
    }
}

impl PrivateKey {
    /// Opens a request; `None` whatever the reason, so that nobody learns it.
    pub(crate) fn open(&self, aead: Aead, sealed: &Sealed<'_>) -> Option<Opened> {
        match (self, aead) {
            (Self::X25519(key), Aead::Aes128Gcm) => open::<X25519, Aes128Gcm>(key, sealed),
            (Self::X25519(key), Aead::ChaCha20Poly1305) => open::<X25519, ChaCha20Poly1305>(key, sealed),
            (Self::XWing(key), Aead::Aes128Gcm) => open::<XWing, Aes128Gcm>(key, sealed),
            (Self::XWing(key), Aead::ChaCha20Poly1305) => open::<XWing, ChaCha20Poly1305>(key, sealed),
        }
    }
}

fn open<K: HpkeKem, A: hpke::aead::Aead>(key: &K::PrivateKey, sealed: &Sealed<'_>) -> Option<Opened> {
    let enc = K::EncappedKey::from_bytes(sealed.enc).ok()?;
    let mode = OpModeR::Base;
    let mut context = hpke::setup_receiver::<A, HkdfSha256, K>(&mode, key, &enc, sealed.info).ok()?;
    let message = context.open(sealed.ciphertext, b"").ok()?;
    let mut exported = Zeroizing::new(vec![0; sealed.export.1]);
    context.export(sealed.export.0, &mut exported).ok()?;
    Some(Opened { message, exported })
}

#[cfg(test)]
mod tests;
