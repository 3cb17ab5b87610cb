//! X-Wing, receiving: draft-connolly-cfrg-xwing-kem §5, ML-KEM-768 and X25519 over aws-lc.
//!
//! The private key is a seed of 32 bytes. What it expands to costs more than a decapsulation, so it is
//! expanded once; aws-lc erases what it frees.

use super::receiving::{Decapsulate, SECRET_LEN};
use super::x25519::POINT_LEN;
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest::{Context, SHA3_256};
use aws_lc_rs::kem::{DecapsulationKey, ML_KEM_768};
use hpke::kem::XWing;
#[expect(deprecated, reason = "see `ml_kem_of`")]
use ml_kem::{ExpandedKeyEncoding, ml_kem_768};
use shake::digest::{ExtendableOutput, Update, XofReader};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an ML-KEM-768 ciphertext (FIPS 203, table 3); an X25519 point follows it.
const ML_KEM_CIPHERTEXT: usize = 1088;
/// Bytes of ML-KEM's seed, d and z (FIPS 203, algorithm 16).
const ML_KEM_SEED: usize = 64;
/// `XWingLabel`, §5.3.
const LABEL: &[u8; 6] = br"\.//^\";

/// Both private keys, and the X25519 public key that goes into every shared secret.
pub(crate) struct Secret {
    ml_kem: DecapsulationKey,
    x25519: PrivateKey,
    public: [u8; POINT_LEN],
}

impl Decapsulate for Secret {
    type Kem = XWing;

    /// `expandDecapsulationKey`, §5.2.
    fn expand(private: &[u8; SECRET_LEN], public: &[u8]) -> Option<Self> {
        let mut expanded = Zeroizing::new([0; ML_KEM_SEED + POINT_LEN]);
        let mut shake = shake::Shake256::default();
        shake.update(private);
        shake.finalize_xof().read(&mut *expanded);
        let (seed, x25519) = expanded.split_first_chunk::<ML_KEM_SEED>()?;
        Some(Self {
            ml_kem: ml_kem_of(seed)?,
            x25519: PrivateKey::from_private_key(&X25519, x25519).ok()?,
            public: *public.last_chunk()?,
        })
    }

    /// `Decapsulate`, §5.5. ML-KEM refuses nothing (FIPS 203, algorithm 18: what was not sealed to the key
    /// gives a secret that nobody has), X25519 the points of small order.
    fn decapsulate(&self, enc: &[u8]) -> Option<Zeroizing<[u8; SECRET_LEN]>> {
        let (ciphertext, point) = enc.split_at_checked(ML_KEM_CIPHERTEXT)?;
        let first = self.ml_kem.decapsulate(ciphertext.into()).ok()?;
        agree(&self.x25519, UnparsedPublicKey::new(&X25519, point), (), |second| {
            combine([first.as_ref(), second, point, &self.public]).ok_or(())
        })
        .ok()
    }
}

/// `Combiner`, §5.3: SHA3-256 of both secrets, the point, the public key and the label.
fn combine(parts: [&[u8]; 4]) -> Option<Zeroizing<[u8; SECRET_LEN]>> {
    let mut hash = Context::new(&SHA3_256);
    for part in parts {
        hash.update(part);
    }
    hash.update(LABEL);
    Some(Zeroizing::new(hash.finish().as_ref().try_into().ok()?))
}

/// aws-lc takes no seed; crate `ml-kem` expands it into the bytes that aws-lc takes (FIPS 203, algorithm 16).
#[expect(deprecated, reason = "seeds are the better thing to store; here nothing is stored")]
fn ml_kem_of(seed: &[u8; ML_KEM_SEED]) -> Option<DecapsulationKey> {
    let mut expanded = ml_kem_768::DecapsulationKey::from_seed((*seed).into()).to_expanded_bytes();
    let key = DecapsulationKey::new(&ML_KEM_768, &expanded);
    expanded.as_mut_slice().zeroize();
    key.ok()
}
