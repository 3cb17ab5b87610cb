//! DHKEM(X25519, HKDF-SHA256), receiving: RFC 9180 §4.1 over aws-lc.

use super::receiving::{Decapsulate, SECRET_LEN};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use hpke::kem::X25519HkdfSha256;
use zeroize::Zeroizing;

/// Bytes of an X25519 key, private or public (RFC 7748 §5).
pub(super) const POINT_LEN: usize = 32;

/// "HPKE-v1", then `suite_id`: "KEM" and the KEM's id (RFC 9180 §4, §4.1).
const VERSION_AND_SUITE: &[u8] = b"HPKE-v1KEM\x00\x20";

/// An X25519 private key, and the public key that goes into every shared secret.
pub(crate) struct Secret {
    private: PrivateKey,
    public: [u8; POINT_LEN],
}

impl Decapsulate for Secret {
    type Kem = X25519HkdfSha256;

    fn expand(private: &[u8; SECRET_LEN], public: &[u8]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&X25519, private).ok()?;
        Some(Self { private, public: public.try_into().ok()? })
    }

    fn decapsulate(&self, enc: &[u8]) -> Option<Zeroizing<[u8; SECRET_LEN]>> {
        // RFC 9180 §7.1.4: an agreement of zeros is refused, by aws-lc and in constant time.
        agree(&self.private, UnparsedPublicKey::new(&X25519, enc), (), |dh| {
            extract_and_expand(dh, enc, &self.public).ok_or(())
        })
        .ok()
    }
}

/// `ExtractAndExpand(dh, kem_context)`, where the context is `enc || public` (RFC 9180 §4.1).
fn extract_and_expand(dh: &[u8], enc: &[u8], public: &[u8]) -> Option<Zeroizing<[u8; SECRET_LEN]>> {
    let ikm = Zeroizing::new([VERSION_AND_SUITE, b"eae_prk", dh].concat());
    let prk = Salt::none(HKDF_SHA256).extract(&ikm);
    let length = [0, SECRET_LEN as u8];
    let info = [&length, VERSION_AND_SUITE, b"shared_secret", enc, public];
    let mut secret = Zeroizing::new([0; SECRET_LEN]);
    // As long as the hash: 32 bytes.
    prk.expand(&info, HKDF_SHA256).ok()?.fill(&mut *secret).ok()?;
    Some(secret)
}
