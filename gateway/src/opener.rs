//! Opening encapsulated requests and sealing their responses (RFC 9458 §4.3, §4.4).
//!
//! Written here, on HPKE, and not taken from the crate the client uses: two implementations keep
//! each other honest.

use crate::kem::Sealed;
use crate::keyring::{Key, Keyring};
use aws_lc_rs::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use discreet_envelope::keys::{Aead, Kem, KeyConfig, Suite};
use discreet_envelope::padding::REQUEST_HEADER;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const REQUEST_LABEL: &[u8] = b"message/bhttp request";
const RESPONSE_LABEL: &[u8] = b"message/bhttp response";

/// Why a request was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be an encapsulated request at all.
    #[error("the request is too short to be an encapsulated request")]
    Truncated,
    /// Anything about keys: unknown id, other KEM or suite than the key has, or a ciphertext that
    /// does not open. One answer for all of them, so that there is no oracle (RFC 9458 §5.2).
    #[error("the request does not fit a key of this gateway")]
    Key,
}

/// A request for one of our keys, taken apart and not yet opened.
pub struct Addressed<'a> {
    key: &'a Key,
    head: &'a [u8; REQUEST_HEADER],
    aead: Aead,
    enc: &'a [u8],
    ciphertext: &'a [u8],
}

/// A request opened.
pub struct Opened {
    /// The Binary HTTP message, padding included.
    pub message: Vec<u8>,
    /// Whether it is the first of its kind; a copy must not be processed (RFC 9458 §6.5).
    pub is_new: bool,
    /// What seals its response; used up by it.
    pub sealer: ResponseSealer,
}

/// Seals the one response to one request.
pub struct ResponseSealer {
    aead: Aead,
    enc: Vec<u8>,
    exported: Zeroizing<Vec<u8>>,
}

/// The fixed fields in front of every request.
struct Header {
    key_id: u8,
    kem_id: u16,
    kdf_id: u16,
    aead_id: u16,
}

impl Keyring {
    /// Opens an encapsulated request.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was processed then.
    pub fn open(&self, encapsulated: &[u8]) -> Result<Opened, OpenError> {
        self.address(encapsulated)?.open()
    }

    /// Reads whom a request is for and takes it apart, without any cryptography.
    ///
    /// # Errors
    ///
    /// [`OpenError`], as [`Keyring::open`].
    pub fn address<'a>(&'a self, encapsulated: &'a [u8]) -> Result<Addressed<'a>, OpenError> {
        let (head, rest) = encapsulated.split_first_chunk::<REQUEST_HEADER>().ok_or(OpenError::Truncated)?;
        let header = Header::read(head);
        let key = self.key(header.key_id).ok_or(OpenError::Key)?;
        let kem = Kem::from_id(header.kem_id).filter(|kem| *kem == key.config.kem());
        let kem = kem.ok_or(OpenError::Key)?;
        let suite = Suite::from_ids(header.kdf_id, header.aead_id);
        let suite = suite.filter(|suite| key.config.suites().contains(suite)).ok_or(OpenError::Key)?;
        let (enc, ciphertext) = rest.split_at_checked(kem.enc_len()).ok_or(OpenError::Truncated)?;
        if ciphertext.len() < Aead::TAG_LEN {
            return Err(OpenError::Truncated);
        }
        Ok(Addressed { key, head, aead: suite.aead, enc, ciphertext })
    }
}

impl Addressed<'_> {
    /// The key it names.
    pub fn config(&self) -> &KeyConfig {
        &self.key.config
    }

    /// The AEAD it names.
    pub fn aead(&self) -> Aead {
        self.aead
    }

    /// The encapsulated key and the sealed message.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        (self.enc, self.ciphertext)
    }

    fn open(self) -> Result<Opened, OpenError> {
        let Self { key, head, aead, enc, ciphertext } = self;
        let info = [REQUEST_LABEL, &[0], head].concat();
        let export = (RESPONSE_LABEL, aead.response_nonce_len());
        let sealed = Sealed { info: &info, enc, ciphertext, export };
        let opened = key.private.open(aead, &sealed).ok_or(OpenError::Key)?;
        // Only what opens is remembered: nobody fills the cache without a key's help.
        let is_new = key.replays.is_new(enc);
        let sealer = ResponseSealer { aead, enc: enc.to_vec(), exported: opened.exported };
        Ok(Opened { message: opened.message, is_new, sealer })
    }
}

impl Header {
    fn read(head: &[u8; REQUEST_HEADER]) -> Self {
        let [key_id, kem_1, kem_2, kdf_1, kdf_2, aead_1, aead_2] = *head;
        Self {
            key_id,
            kem_id: u16::from_be_bytes([kem_1, kem_2]),
            kdf_id: u16::from_be_bytes([kdf_1, kdf_2]),
            aead_id: u16::from_be_bytes([aead_1, aead_2]),
        }
    }
}

impl ResponseSealer {
    /// The AEAD, which decides how long the response's framing is.
    pub fn aead(&self) -> Aead {
        self.aead
    }

    /// Seals `message` under a fresh nonce. `None` only if the system has no randomness.
    pub fn seal(self, message: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = vec![0; self.aead.response_nonce_len()];
        getrandom::fill(&mut nonce).ok()?;
        self.seal_with(nonce, &message)
    }

    /// RFC 9458 §4.4, with the response nonce given.
    fn seal_with(self, response_nonce: Vec<u8>, message: &[u8]) -> Option<Vec<u8>> {
        let salt = [self.enc.as_slice(), &response_nonce].concat();
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), &self.exported);
        let mut key = Zeroizing::new(vec![0; self.aead.key_len()]);
        let mut nonce = [0; 12];
        hkdf.expand(b"key", &mut key).ok()?;
        hkdf.expand(b"nonce", &mut nonce).ok()?;
        let algorithm = match self.aead {
            Aead::Aes128Gcm => &AES_128_GCM,
            Aead::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).ok()?);
        let nonce = Nonce::assume_unique_for_key(nonce);
        // One buffer, and the text is copied once.
        let mut sealed = Vec::with_capacity(response_nonce.len() + message.len() + Aead::TAG_LEN);
        sealed.extend_from_slice(&response_nonce);
        sealed.extend_from_slice(message);
        let (_, text) = sealed.split_at_mut_checked(response_nonce.len())?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), text).ok()?;
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }
}

#[cfg(test)]
mod tests;
