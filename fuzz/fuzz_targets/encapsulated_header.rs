//! The head of an encapsulated request, as the gateway takes it apart before any cryptography
//! (RFC 9458 §4.3). What it accepts names one of the published keys and is complete; the cryptography
//! is in `encapsulated_request`, which runs a hundred times slower.
#![no_main]

use discreet_envelope::keys::{Aead, Kem, KeyCollection};
use discreet_gateway::{Keyring, OpenError};
use fuzz::RING;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Key id, KEM, KDF and AEAD.
const HEAD: usize = 7;
const TAG: usize = 16;
/// The shortest request of all: for an X25519 key, empty.
const SHORTEST: usize = HEAD + 32 + TAG;

static PUBLISHED: LazyLock<KeyCollection> =
    LazyLock::new(|| KeyCollection::decode(Keyring::collection(&RING)).unwrap());

fuzz_target!(|bytes: &[u8]| {
    match RING.address(bytes) {
        Ok(addressed) => {
            let config = addressed.config();
            assert!(PUBLISHED.configs().contains(config));
            let (kem, enc_len) = match config.kem() {
                Kem::X25519 => ([0x00, 0x20], 32),
                Kem::XWing => ([0x64, 0x7a], 1120),
            };
            let aead = match addressed.aead() {
                Aead::Aes128Gcm => [0, 1],
                Aead::ChaCha20Poly1305 => [0, 3],
            };
            let (enc, ciphertext) = addressed.parts();
            assert!(enc.len() == enc_len && ciphertext.len() >= TAG);
            let head = [&[config.id()][..], &kem, &[0, 1], &aead].concat();
            assert_eq!([&head, enc, ciphertext].concat(), bytes);
        }
        // Only X-Wing requests may be longer and still too short.
        Err(OpenError::Truncated) => assert!(bytes.len() < SHORTEST || bytes[1..3] == [0x64, 0x7a]),
        Err(OpenError::Key) => assert!(bytes.len() >= HEAD),
    }
});
