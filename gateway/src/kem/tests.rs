//! Published vectors of HPKE and X-Wing (RFC 9180, draft-ietf-hpke-pq, draft-connolly-cfrg-xwing-kem).

use super::*;
use hpke::{HpkeError, setup_sender};
use serde_json::Value;

mod differential;
mod small_order;

const RFC9180: &str = include_str!("../../../tests/vectors/rfc9180-base-x25519.json");
const HPKE_PQ: &str = include_str!("../../../tests/vectors/hpke-pq-x-wing.json");
const X_WING: &str = include_str!("../../../tests/vectors/x-wing-draft.json");

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    hex::decode(vector[field].as_str().unwrap()).unwrap()
}

/// Every value of `vector` that a receiver comes by.
fn check<K: HpkeKem, A: hpke::aead::Aead>(kem: Kem, vector: &Value) {
    let (private, public) = K::derive_keypair(&bytes(vector, "ikmR"));
    // X25519 keys are kept clamped, so what is compared is the public key they have.
    let published = K::PrivateKey::from_bytes(&bytes(vector, "skRm")).unwrap();
    assert_eq!(K::sk_to_pk(&published).to_bytes().as_slice(), bytes(vector, "pkRm"));
    assert_eq!(public.to_bytes().as_slice(), bytes(vector, "pkRm"));
    assert_eq!(derive(kem, &bytes(vector, "ikmR")).1, bytes(vector, "pkRm"));

    let enc = K::EncappedKey::from_bytes(&bytes(vector, "enc")).unwrap();
    let secret = K::decap(&private, None, &enc).ok().unwrap();
    assert_eq!(secret.0.as_slice(), bytes(vector, "shared_secret"));
    let info = bytes(vector, "info");
    let mut context =
        hpke::setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &private, &enc, &info).unwrap();
    let mut opened = 0;
    for message in vector["encryptions"].as_array().unwrap() {
        let plain = context.open(&bytes(message, "ct"), &bytes(message, "aad")).unwrap();
        assert_eq!(plain, bytes(message, "pt"));
        opened += 1;
        // The published list skips sequence numbers after the third.
        if opened == 3 {
            break;
        }
    }
    for export in vector["exports"].as_array().unwrap() {
        let mut exported = vec![0; usize::try_from(export["L"].as_u64().unwrap()).unwrap()];
        context.export(&bytes(export, "exporter_context"), &mut exported).unwrap();
        assert_eq!(exported, bytes(export, "exported_value"));
    }
    assert_eq!(opened, 3);
}

#[test]
fn rfc9180_x25519() {
    for vector in vectors(RFC9180) {
        match vector["aead_id"].as_u64() {
            Some(1) => check::<X25519, Aes128Gcm>(Kem::X25519, &vector),
            Some(3) => check::<X25519, ChaCha20Poly1305>(Kem::X25519, &vector),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hpke_pq_x_wing() {
    let vectors = vectors(HPKE_PQ);
    assert_eq!(vectors.len(), 1);
    check::<XWing, ChaCha20Poly1305>(Kem::XWing, &vectors[0]);
}

#[test]
fn x_wing_draft() {
    for vector in vectors(X_WING) {
        let private = <XWing as HpkeKem>::PrivateKey::from_bytes(&bytes(&vector, "sk")).unwrap();
        assert_eq!(XWing::sk_to_pk(&private).to_bytes().as_slice(), bytes(&vector, "pk"));
        let enc = <XWing as HpkeKem>::EncappedKey::from_bytes(&bytes(&vector, "ct")).unwrap();
        let secret = XWing::decap(&private, None, &enc).ok().unwrap();
        assert_eq!(secret.0.as_slice(), bytes(&vector, "ss"));
    }
}

fn rejects_wrong_lengths<K: HpkeKem>(right: usize) {
    for length in [0, 1, 31, 33, right - 1, right + 1] {
        assert!(K::PrivateKey::from_bytes(&vec![1; length]).is_err() || length == 32);
        assert!(K::EncappedKey::from_bytes(&vec![1; length]).is_err() || length == right);
    }
}

#[test]
fn rejects_keys_and_encapsulated_keys_of_another_length() {
    rejects_wrong_lengths::<X25519>(32);
    rejects_wrong_lengths::<XWing>(1120);
}

fn only_receives<K: HpkeKem>() {
    let (key, public) = K::derive_keypair(&[1; 32]);
    let enc = K::EncappedKey::from_bytes(&vec![9; K::EncappedKey::size()]).unwrap();
    assert_eq!(K::decap(&key, Some(&public), &enc).err(), Some(HpkeError::DecapError));
    assert_eq!(K::encap(&public, None).err(), Some(HpkeError::EncapError));
}

#[test]
fn rejects_authenticated_senders_and_sends_nothing() {
    only_receives::<X25519>();
    only_receives::<XWing>();
}
