//! The gateway's OHTTP keys at one moment: those of the current, the next and the draining epoch,
//! derived from the ratchet, so that replicas with the same file publish the same bytes.

use crate::kem::{PrivateKey, derive};
use crate::ratchet::Ratchet;
use crate::replay::Replays;
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, KeyConfig, KeysError, Suite};
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::Secret32;
use hkdf::Hkdf;
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What we offer with every key; clients take the first they support (design §4).
const SUITES: [Suite; 2] = [
    Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm },
    Suite { kdf: Kdf::HkdfSha256, aead: Aead::ChaCha20Poly1305 },
];

/// Our KEMs in the order published, post-quantum first.
const KEMS: [Kem; 2] = [Kem::XWing, Kem::X25519];
/// Key ids repeat after so many epochs; three are alive at a time.
const ID_CYCLE: u64 = 127;

/// A key that requests can be opened with.
pub(crate) struct Key {
    pub(crate) config: KeyConfig,
    pub(crate) private: PrivateKey,
    /// What was opened with it. It dies with the key.
    pub(crate) replays: Replays,
    pub(crate) epoch: u64,
}

/// Why there is no key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The collection's reader would refuse it.
    #[error("the OHTTP keys cannot be published: {0}")]
    Keys(#[from] KeysError),
    /// An epoch is alive whose seed cannot be had.
    #[error("the keys' file is too old; run `discreet-gateway keys drop` to begin anew")]
    NoSeed,
}

/// The keys a gateway opens requests with.
pub struct Keyring {
    keys: Vec<Arc<Key>>,
    collection: Vec<u8>,
    epoch: u64,
    until: Timestamp,
}

impl Keyring {
    /// The keys alive at `now`.
    ///
    /// # Errors
    ///
    /// When the ratchet has no seed for an epoch that is alive: its file is damaged.
    pub fn at(ratchet: &Ratchet, now: Timestamp) -> Result<Self, RingError> {
        Self::after(ratchet, now, &[])
    }

    /// As [`Keyring::at`]; keys that are among those `before` go on with what they remember.
    pub(crate) fn after(ratchet: &Ratchet, now: Timestamp, before: &[Arc<Key>]) -> Result<Self, RingError> {
        let mut keys = Vec::new();
        for epoch in ratchet.alive(now) {
            let seed = ratchet.seed_of(epoch).ok_or(RingError::NoSeed)?;
            for (place, kem) in KEMS.into_iter().enumerate() {
                let key = key(&seed, epoch, place, kem)?;
                let known = before.iter().find(|known| known.config == key.config);
                keys.push(known.map_or_else(|| Arc::new(key), Arc::clone));
            }
        }
        let epoch = ratchet.current(now);
        Ok(Self::of(keys, epoch, ratchet.begin_of(epoch + 1))?)
    }

    pub(crate) fn of(keys: Vec<Arc<Key>>, epoch: u64, until: Timestamp) -> Result<Self, KeysError> {
        let configs = keys.iter().map(|key| key.config.clone()).collect();
        let collection = KeyCollection::new(configs)?.encode();
        Ok(Self { keys, collection, epoch, until })
    }

    /// The key collection as published: `application/ohttp-keys`, RFC 9458 §3.2. Current keys come
    /// first: clients take the first they support.
    pub fn collection(&self) -> &[u8] {
        &self.collection
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When the next epoch begins.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    pub(crate) fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// The key a request names. An unknown id is nobody's: no other key is tried (RFC 9458 §7).
    pub(crate) fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.config.id() == id).map(AsRef::as_ref)
    }
}

fn key(seed: &Secret32, epoch: u64, place: usize, kem: Kem) -> Result<Key, KeysError> {
    let (private, public) = derive(kem, key_seed(seed, kem).as_slice());
    let id = (epoch % ID_CYCLE) * KEMS.len() as u64 + place as u64 + 1;
    // Never: at most 254.
    let id = u8::try_from(id).unwrap_or(u8::MAX);
    Ok(Key { config: KeyConfig::new(id, kem, public, SUITES)?, private, replays: Replays::default(), epoch })
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
mod tests;
