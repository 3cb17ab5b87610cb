//! The gateway's OHTTP keys: derived from one seed, so that replicas with the same seed publish
//! the same bytes.
//!
//! The ring is a list by key id. Today it holds one epoch's keys; rotation adds the next and the
//! draining epoch's beside them.

use crate::kem::{PrivateKey, derive};
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, KeyConfig, KeysError, Suite};
use discreet_serve::secret::Secret32;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What we offer with every key; clients take the first they support (design §4).
const SUITES: [Suite; 2] = [
    Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm },
    Suite { kdf: Kdf::HkdfSha256, aead: Aead::ChaCha20Poly1305 },
];

/// Our KEMs in the order published, post-quantum first, each with its key id in the first epoch.
const KEMS: [(u8, Kem); 2] = [(1, Kem::XWing), (2, Kem::X25519)];

/// A key that requests can be opened with.
pub(crate) struct Key {
    pub(crate) config: KeyConfig,
    pub(crate) private: PrivateKey,
}

/// The keys a gateway opens requests with.
pub struct Keyring {
    keys: Vec<Key>,
    collection: Vec<u8>,
}

impl Keyring {
    /// The keys of `seed`.
    ///
    /// # Errors
    ///
    /// Never for the keys offered here; the collection's reader is the judge of that.
    pub fn derive(seed: &Secret32) -> Result<Self, KeysError> {
        let keys = KEMS.into_iter().map(|(id, kem)| {
            let (private, public) = derive(kem, key_seed(seed, kem).as_slice());
            Ok(Key { config: KeyConfig::new(id, kem, public, SUITES)?, private })
        });
        Self::of(keys.collect::<Result<_, _>>()?)
    }

    pub(crate) fn of(keys: Vec<Key>) -> Result<Self, KeysError> {
        let configs = keys.iter().map(|key| key.config.clone()).collect();
        let collection = KeyCollection::new(configs)?.encode();
        Ok(Self { keys, collection })
    }

    /// The key collection as published: `application/ohttp-keys`, RFC 9458 §3.2.
    pub fn collection(&self) -> &[u8] {
        &self.collection
    }

    /// The key a request names. An unknown id is nobody's: no other key is tried (RFC 9458 §7).
    pub(crate) fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.config.id() == id)
    }
}

/// A seed of its own for each KEM and for this use only (RFC 9458 §6.4).
fn key_seed(seed: &Secret32, kem: Kem) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [b"discreet ohttp key ".as_slice(), &kem.id().to_be_bytes()];
    // Never: 32 bytes are within HKDF's limit.
    let _ = Hkdf::<Sha256>::new(None, seed.as_bytes()).expand_multi_info(&info, out.as_mut_slice());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c08_one_seed_publishes_the_same_bytes() {
        let collection = || Keyring::derive(&Secret32::new([1; 32])).unwrap().collection().to_vec();
        assert_eq!(collection(), collection());
        let other = Keyring::derive(&Secret32::new([2; 32])).unwrap();
        assert_ne!(other.collection(), collection());
    }

    #[test]
    fn c75_x_wing_is_published_first() {
        let ring = Keyring::derive(&Secret32::new([1; 32])).unwrap();
        let published = KeyCollection::decode(ring.collection()).unwrap();
        let kems: Vec<_> = published.configs().iter().map(KeyConfig::kem).collect();
        assert_eq!(kems, [Kem::XWing, Kem::X25519]);
        let (first, suite) = published.first_supported().unwrap();
        assert_eq!((first.kem(), suite.aead), (Kem::XWing, Aead::Aes128Gcm));
    }
}
