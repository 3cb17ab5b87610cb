//! Against `hpke`'s own KEMs and the crate that clients use: random exchanges, both ways.

use super::*;
use crate::keyring::{Key, Keyring};
use crate::replay::Replays;
use discreet_envelope::keys::{Kdf, KeyConfig, Suite};
use discreet_envelope::padding::{request_room, response_room};
use discreet_protocol::time::Timestamp;
use hpke::aead::{AesGcm128, ChaCha20Poly1305 as TheirChaCha20};
use hpke::kem::{X25519HkdfSha256, XWing as TheirXWing};
use std::sync::Arc;

/// Exchanges for each KEM, or requests for each that are no honest ones.
const EXCHANGES: usize = 10_000;
/// Exchanges with one key: making one costs as much as ten exchanges.
const WITH_ONE_KEY: usize = 100;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Up to `most` random bytes.
fn message(most: usize) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes(random())) % (most + 1);
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// What a failure is repeated with.
fn of(seed: &[u8], enc: &[u8]) -> String {
    format!("seed {} enc {}", hex::encode(seed), hex::encode(enc))
}

/// Sent by `hpke` with the AEAD `B`; received by our KEM with the AEAD `A` and by `hpke`'s own with its own.
fn received_as_by_hpke<O, A, T, B>()
where
    T: HpkeKem,
    O: HpkeKem<PublicKey = T::PublicKey, EncappedKey = T::EncappedKey>,
    A: hpke::aead::Aead,
    B: hpke::aead::Aead,
{
    for _ in 0..EXCHANGES / WITH_ONE_KEY {
        let seed: [u8; 32] = random();
        let (ours, public) = O::derive_keypair(&seed);
        let (theirs, their_public) = T::derive_keypair(&seed);
        assert!(public == their_public && O::sk_to_pk(&ours) == public, "{}", of(&seed, &[]));
        for _ in 0..WITH_ONE_KEY {
            let (info, text): ([u8; 32], [u8; 64]) = (random(), random());
            let (enc, mut sender) =
                setup_sender::<B, HkdfSha256, T>(&hpke::OpModeS::Base, &public, &info).unwrap();
            let sealed = sender.seal(&text, b"").unwrap();
            let mut exported = [[0; 32]; 3];
            sender.export(b"a label", &mut exported[0]).unwrap();

            let mut context =
                hpke::setup_receiver::<A, HkdfSha256, O>(&OpModeR::Base, &ours, &enc, &info).unwrap();
            assert_eq!(context.open(&sealed, b"").unwrap(), text, "{}", of(&seed, &enc.to_bytes()));
            context.export(b"a label", &mut exported[1]).unwrap();
            let mut context =
                hpke::setup_receiver::<B, HkdfSha256, T>(&OpModeR::Base, &theirs, &enc, &info).unwrap();
            assert_eq!(context.open(&sealed, b"").unwrap(), text, "{}", of(&seed, &enc.to_bytes()));
            context.export(b"a label", &mut exported[2]).unwrap();
            assert!(exported.iter().all(|other| *other == exported[0]), "{}", of(&seed, &enc.to_bytes()));
        }
    }
}

#[test]
fn hpke_sends_x25519_and_ours_receives_as_theirs() {
    received_as_by_hpke::<X25519, Aes128Gcm, X25519HkdfSha256, AesGcm128>();
}

#[test]
fn hpke_sends_x_wing_and_ours_receives_as_theirs() {
    received_as_by_hpke::<XWing, ChaCha20Poly1305, TheirXWing, TheirChaCha20>();
}

/// Any bytes at all: the same secret as from `hpke`'s own, or the same refusal; under X-Wing that is the
/// secret of FIPS 203's implicit rejection.
fn strangers<O, T, const N: usize>()
where
    T: HpkeKem,
    O: HpkeKem<PublicKey = T::PublicKey, EncappedKey = T::EncappedKey>,
{
    for _ in 0..EXCHANGES / WITH_ONE_KEY {
        let seed: [u8; 32] = random();
        let (ours, theirs) = (O::derive_keypair(&seed).0, T::derive_keypair(&seed).0);
        for _ in 0..WITH_ONE_KEY {
            let bytes: [u8; N] = random();
            let enc = T::EncappedKey::from_bytes(&bytes).unwrap();
            let (one, other) = (O::decap(&ours, None, &enc), T::decap(&theirs, None, &enc));
            let (one, other) = (one.map(|secret| secret.0.to_vec()), other.map(|secret| secret.0.to_vec()));
            assert_eq!(one, other, "{}", of(&seed, &bytes));
        }
    }
}

#[test]
fn any_bytes_give_x25519_the_secret_they_give_hpke() {
    strangers::<X25519, X25519HkdfSha256, 32>();
}

#[test]
fn any_bytes_give_x_wing_the_secret_they_give_hpke() {
    strangers::<XWing, TheirXWing, 1120>();
}

/// A ring of one key, and the server of crate `ohttp` with the same key.
fn both(kem: Kem) -> (Keyring, ohttp::Server) {
    let seed: [u8; 32] = random();
    let suites = [Aead::Aes128Gcm, Aead::ChaCha20Poly1305].map(|aead| Suite { kdf: Kdf::HkdfSha256, aead });
    let (private, public) = derive(kem, &seed);
    let config = KeyConfig::new(7, kem, public, suites).unwrap();
    let key = Key { config: config.clone(), private, replays: Replays::default(), epoch: 0 };
    let ring = Keyring::of(vec![Arc::new(key)], 0, Timestamp::from_unix(u64::MAX)).unwrap();

    let (their_kem, hkdf) = match kem {
        Kem::X25519 => (ohttp::hpke::Kem::X25519Sha256, ohttp::hpke::Kdf::HkdfSha256),
        Kem::XWing => (ohttp::hpke::Kem::XWing, ohttp::hpke::Kdf::HkdfSha256),
    };
    let suites = [ohttp::hpke::Aead::Aes128Gcm, ohttp::hpke::Aead::ChaCha20Poly1305]
        .map(|aead| ohttp::SymmetricSuite::new(hkdf, aead));
    let theirs = ohttp::KeyConfig::derive(7, their_kem, suites.to_vec(), &seed).unwrap();
    assert_eq!(theirs.encode().unwrap(), ring.collection()[2..], "{}", of(&seed, &[]));
    (ring, ohttp::Server::new(theirs).unwrap())
}

/// Sealed by crate `ohttp`, opened by ours and by its own server; answered by ours, opened by its client.
fn exchanged_with_ohttp(kem: Kem) {
    for _ in 0..EXCHANGES / WITH_ONE_KEY {
        let (ring, server) = both(kem);
        for exchange in 0..WITH_ONE_KEY {
            let aead = [Aead::Aes128Gcm, Aead::ChaCha20Poly1305][exchange % 2];
            let single = ring.keys()[0].config.to_single(Suite { kdf: Kdf::HkdfSha256, aead });
            let (up, down) = (message(request_room(kem)), message(response_room(aead)));
            let client = ohttp::ClientRequest::from_encoded_config(&single).unwrap();
            let (request, response) = client.encapsulate(&up).unwrap();

            let opened = ring.open(&request).unwrap();
            assert!(opened.is_new && opened.message == up);
            assert_eq!(server.decapsulate(&request).unwrap().0, up);
            let sealed = opened.sealer.seal(down.clone()).unwrap();
            assert_eq!(response.decapsulate(&sealed).unwrap(), down);
        }
    }
}

#[test]
fn ohttp_asks_under_x25519_and_ours_answers() {
    exchanged_with_ohttp(Kem::X25519);
}

#[test]
fn ohttp_asks_under_x_wing_and_ours_answers() {
    exchanged_with_ohttp(Kem::XWing);
}
