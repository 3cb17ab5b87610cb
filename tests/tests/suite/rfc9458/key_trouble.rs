//! Requests sealed to no key of the gateway's, or in no way that it offers: one answer to all of them.

use super::gateway::start;
use crate::wire::{Http, lookup, seal};
use bytes::Bytes;
use discreet_envelope::keys::{Aead, Kem, KeyCollection};
use discreet_gateway::Keyring;
use discreet_gateway::ratchet::Ratchet;
use discreet_serve::secret::Secret32;
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, OpModeS, Serializable, setup_sender};
use http::{Response, Version};

const PROBLEM: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

/// RFC 9458 §5.3.
fn assert_key_problem(what: &str, answer: &Response<Bytes>) {
    assert_eq!(answer.status(), 400, "{what}");
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
    let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(problem["type"], PROBLEM, "{what}");
}

#[tokio::test]
async fn c10_rejects_another_keys_id_without_trying_the_right_key() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    // Two epochs are alive, each with a key for X-Wing and one for X25519.
    let ids: Vec<_> = KeyCollection::decode(&keys).unwrap().configs().iter().map(|one| one.id()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    for (kem, id, next, other) in [(Kem::XWing, 1, 3, 2), (Kem::X25519, 2, 4, 1)] {
        let (sealed, _) = seal(&keys, kem, Aead::Aes128Gcm, lookup("+14155550123", None));
        assert_eq!(sealed[0], id);
        // The next epoch's key has the same KEM and suites; 77 is nobody's.
        for wrong in [next, other, 77] {
            let mut bent = sealed.clone();
            bent[0] = wrong;
            assert_key_problem(&format!("{kem:?} as {wrong}"), &http.post_gateway(bent).await);
        }
        assert_eq!(http.post_gateway(sealed).await.status(), 200);
    }
}

#[tokio::test]
async fn c10_rejects_suites_not_offered() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let (sealed, _) = seal(&http.keys().await, Kem::X25519, Aead::Aes128Gcm, lookup("+14155550123", None));
    // AES-256-GCM, export-only, HKDF-SHA512, SHAKE128.
    for (kdf, aead) in [(1u16, 2u16), (1, 0xffff), (3, 1), (0x10, 1)] {
        let mut bent = sealed.clone();
        bent[3..5].copy_from_slice(&kdf.to_be_bytes());
        bent[5..7].copy_from_slice(&aead.to_be_bytes());
        assert_key_problem(&format!("{kdf:#x} {aead:#x}"), &http.post_gateway(bent).await);
    }
}

/// RFC 9458 §6.4: the label keeps other protocols apart that might have the same key.
#[tokio::test]
async fn c07_a_key_opens_nothing_that_was_sealed_under_another_label() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let sealed = |label: &[u8]| {
        let collection = KeyCollection::decode(&keys).unwrap();
        let config = collection.configs().iter().find(|config| config.kem() == Kem::X25519).unwrap();
        let public = Deserializable::from_bytes(config.public_key()).unwrap();
        // X25519, HKDF-SHA256, AES-128-GCM.
        let head = [config.id(), 0, 0x20, 0, 1, 0, 1];
        let info = [label, &[0], &head].concat();
        let (enc, mut context) =
            setup_sender::<AesGcm128, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &public, &info).unwrap();
        let ciphertext = context.seal(&lookup("+14155550123", None), b"").unwrap();
        [head.as_slice(), &enc.to_bytes(), &ciphertext].concat()
    };
    for label in ["message/bhttp chunked request", "message/bhttp response", "message/bhttp", ""] {
        assert_key_problem(label, &http.post_gateway(sealed(label.as_bytes())).await);
    }
    // The right one, so that nothing else can have been wrong above.
    assert_eq!(http.post_gateway(sealed(b"message/bhttp request")).await.status(), 200);
}

/// X-Wing decapsulates whatever it is given (implicit rejection); the AEAD then does not open.
#[tokio::test]
async fn c76_a_wrong_x_wing_key_is_key_trouble_like_any_other() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let begins = net.world.now.start_of_day();
    let stranger = Keyring::at(&Ratchet::new(Secret32::new([99; 32]), 0, begins, 7), begins).unwrap();
    let mut answers = Vec::new();
    for kem in [Kem::XWing, Kem::X25519] {
        // The same id, another key.
        let message = lookup("+14155550123", None);
        let (sealed, _) = seal(stranger.collection(), kem, Aead::Aes128Gcm, message);
        let answer = http.post_gateway(sealed).await;
        assert_key_problem(&format!("{kem:?}"), &answer);
        answers.push(answer.into_body());
    }
    assert_eq!(answers[0], answers[1]);
}
