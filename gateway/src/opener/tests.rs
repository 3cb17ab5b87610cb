//! RFC 9458 Appendix A, the client's crate, and requests bent in every way.

use super::*;
use crate::kem::PrivateKey;
use crate::keyring::Key;
use crate::ratchet::Ratchet;
use crate::replay::Replays;
use discreet_envelope::keys::{Kdf, KeyCollection};
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::Secret32;
use hpke::Deserializable;
use serde_json::Value;
use std::sync::Arc;

fn appendix_a(field: &str) -> Vec<u8> {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/rfc9458-appendix-a.json")).unwrap();
    hex::decode(file[field].as_str().unwrap()).unwrap()
}

/// The key ring of RFC 9458, Appendix A.
fn appendix_a_ring() -> Keyring {
    let config = appendix_a("key_config");
    let length = u16::try_from(config.len()).unwrap().to_be_bytes();
    let collection = KeyCollection::decode(&[length.as_slice(), &config].concat()).unwrap();
    let config = collection.configs()[0].clone();
    let private = Deserializable::from_bytes(&appendix_a("skR")).unwrap();
    let replays = Replays::default();
    let key = Key { config, private: PrivateKey::X25519(private), replays, epoch: 0 };
    Keyring::of(vec![Arc::new(key)], 0, Timestamp::from_unix(u64::MAX)).unwrap()
}

fn ring() -> Keyring {
    let start = Timestamp::from_unix(1_795_305_600);
    Keyring::at(&Ratchet::new(Secret32::new([1; 32]), 0, start, 7), start).unwrap()
}

/// The client's half, by the crate that the client uses.
fn encapsulate(kem: Kem, aead: Aead, message: &[u8]) -> (Vec<u8>, ohttp::ClientResponse) {
    let collection = KeyCollection::decode(ring().collection()).unwrap();
    let config = collection.configs().iter().find(|config| config.kem() == kem).unwrap();
    let single = config.to_single(Suite { kdf: Kdf::HkdfSha256, aead });
    ohttp::ClientRequest::from_encoded_config(&single).unwrap().encapsulate(message).unwrap()
}

fn suites() -> impl Iterator<Item = (Kem, Aead)> {
    let kems = [Kem::XWing, Kem::X25519].into_iter();
    kems.flat_map(|kem| [Aead::Aes128Gcm, Aead::ChaCha20Poly1305].map(|aead| (kem, aead)))
}

#[test]
fn c09_rfc9458_appendix_a_opens_and_answers() {
    let opened = appendix_a_ring().open(&appendix_a("encapsulated_request")).unwrap();
    assert_eq!(opened.message, appendix_a("request_bhttp"));
    assert_eq!(opened.sealer.exported.as_slice(), appendix_a("exported_secret"));
    let response = appendix_a("encapsulated_response");
    let nonce = response[..16].to_vec();
    assert_eq!(opened.sealer.seal_with(nonce, &appendix_a("response_bhttp")).unwrap(), response);
}

#[test]
fn every_suite_opens_and_answers_the_clients_crate() {
    for (kem, aead) in suites() {
        let (request, response) = encapsulate(kem, aead, b"a message");
        let opened = ring().open(&request).unwrap();
        assert_eq!(opened.message, b"a message");
        let sealed = opened.sealer.seal(b"an answer".to_vec()).unwrap();
        assert_eq!(response.decapsulate(&sealed).unwrap(), b"an answer");
    }
}

#[test]
fn c11_rejects_every_truncation() {
    for (kem, aead) in suites() {
        let (request, _) = encapsulate(kem, aead, b"");
        for end in 0..request.len() {
            let error = ring().open(&request[..end]).err().unwrap();
            assert_eq!(error, OpenError::Truncated, "{kem:?} {end}");
        }
    }
}

#[test]
fn c10_rejects_unknown_key_id_without_trying_others() {
    let (mut request, _) = encapsulate(Kem::X25519, Aead::Aes128Gcm, b"a message");
    request[0] = 77;
    assert_eq!(ring().open(&request).err(), Some(OpenError::Key));
}

#[test]
fn c10_rejects_kem_of_another_key() {
    let (mut request, _) = encapsulate(Kem::X25519, Aead::Aes128Gcm, b"a message");
    request[1..3].copy_from_slice(&Kem::XWing.id().to_be_bytes());
    assert_eq!(ring().open(&request).err(), Some(OpenError::Key));
}

#[test]
fn c10_rejects_suites_not_offered() {
    // AES-256-GCM, export-only, HKDF-SHA512, SHAKE128.
    for (kdf, aead) in [(1u16, 2u16), (1, 0xffff), (3, 1), (0x10, 1)] {
        let (mut request, _) = encapsulate(Kem::X25519, Aead::Aes128Gcm, b"a message");
        request[3..5].copy_from_slice(&kdf.to_be_bytes());
        request[5..7].copy_from_slice(&aead.to_be_bytes());
        assert_eq!(ring().open(&request).err(), Some(OpenError::Key));
    }
}

#[test]
fn c76_rejects_every_flipped_bit_as_key_trouble() {
    for (kem, aead) in suites() {
        let (request, _) = encapsulate(kem, aead, b"a message");
        let ring = ring();
        for at in (0..request.len()).step_by(37).chain(0..7) {
            let mut flipped = request.clone();
            flipped[at] ^= 0x80;
            assert_eq!(ring.open(&flipped).err(), Some(OpenError::Key), "{kem:?} byte {at}");
        }
        // RFC 9458 §6.5: what did not open is not remembered, or a forger could have honest requests refused.
        assert!(ring.open(&request).unwrap().is_new, "{kem:?}");
    }
}

#[test]
fn rejects_low_order_points() {
    let (mut request, _) = encapsulate(Kem::X25519, Aead::Aes128Gcm, b"a message");
    request[7..39].fill(0);
    assert_eq!(ring().open(&request).err(), Some(OpenError::Key));
}

#[test]
fn c12_response_nonce_is_fresh_and_as_long_as_the_rfc_says() {
    for (aead, length) in [(Aead::Aes128Gcm, 16), (Aead::ChaCha20Poly1305, 32)] {
        let (request, _) = encapsulate(Kem::X25519, aead, b"");
        let seal = || ring().open(&request).unwrap().sealer.seal(Vec::new()).unwrap();
        let (one, other) = (seal(), seal());
        assert_eq!(one.len(), length + 16);
        assert_ne!(one[..length], other[..length]);
    }
}
