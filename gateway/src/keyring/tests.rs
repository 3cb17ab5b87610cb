//! What is published when: the same for everybody, never an id twice in the window.

use super::*;
use discreet_protocol::time::DAY;
use std::collections::BTreeMap;

const START: Timestamp = Timestamp::from_unix(1_795_305_600);

fn ratchet(fill: u8) -> Ratchet {
    Ratchet::new(Secret32::new([fill; 32]), 0, START, 1)
}

fn published(ratchet: &Ratchet, now: Timestamp) -> Vec<KeyConfig> {
    let ring = Keyring::at(ratchet, now).unwrap();
    KeyCollection::decode(ring.collection()).unwrap().configs().to_vec()
}

#[test]
fn c08_one_seed_publishes_the_same_bytes() {
    let collection = |fill| Keyring::at(&ratchet(fill), START).unwrap().collection().to_vec();
    assert_eq!(collection(1), collection(1));
    assert_ne!(collection(2), collection(1));
}

#[test]
fn c08_replicas_publish_the_same_bytes_at_every_moment_of_a_month() {
    // One replica has gone forward with its file, the other was started from the first one's copy.
    let (whole, mut forward) = (ratchet(1), ratchet(1));
    for hour in 0..31 * 24 {
        let now = START.plus(hour * 3_600);
        if let Some(next) = forward.forward(now) {
            forward = next;
        }
        let (one, other) = (Keyring::at(&whole, now).unwrap(), Keyring::at(&forward, now).unwrap());
        assert_eq!(one.collection(), other.collection(), "hour {hour}");
        assert_eq!((one.epoch(), one.until()), (other.epoch(), other.until()));
    }
}

#[test]
fn c06_every_key_is_published_before_its_use_and_drains_after_it() {
    let epochs = |day| {
        let ring = Keyring::at(&ratchet(1), START.plus(day * DAY)).unwrap();
        ring.keys().iter().map(|key| key.epoch).collect::<Vec<_>>()
    };
    assert_eq!(epochs(0), [0, 0, 1, 1]);
    assert_eq!(epochs(1), [1, 1, 2, 2, 0, 0]);
    assert_eq!(epochs(2), [2, 2, 3, 3, 1, 1]);
}

#[test]
fn c06_no_id_names_two_keys_within_a_month() {
    let mut seen: BTreeMap<u8, KeyConfig> = BTreeMap::new();
    for day in 0..31 {
        for config in published(&ratchet(1), START.plus(day * DAY)) {
            let known = seen.entry(config.id()).or_insert_with(|| config.clone());
            assert_eq!(*known, config, "day {day}");
        }
    }
    // 31 days, the next one, two KEMs each.
    assert_eq!(seen.len(), 64);
}

#[test]
fn c06_ids_start_again_after_127_epochs_and_are_never_0() {
    let first = |day| published(&ratchet(1), START.plus(day * DAY))[0].id();
    assert_eq!((first(0), first(1), first(126), first(127)), (1, 3, 253, 1));
}

#[test]
fn c07_the_kems_of_an_epoch_have_seeds_of_their_own() {
    let seed = Secret32::new([1; 32]);
    assert_ne!(*key_seed(&seed, Kem::XWing), *key_seed(&seed, Kem::X25519));
    // Computed with Python: HKDF-SHA256(salt none, b"\1"*32, b"discreet ohttp key \x00\x20").
    assert_eq!(
        hex::encode(*key_seed(&seed, Kem::X25519)),
        "3102d8f649d35a62b228f4ab0f821f0da1a71c724b0023f4fb8cc9a6b86f38c5"
    );
}

#[test]
fn c75_x_wing_of_the_current_epoch_is_published_first() {
    let now = START.plus(2 * DAY);
    let kems: Vec<_> = published(&ratchet(1), now).iter().map(KeyConfig::kem).collect();
    assert_eq!(kems, [Kem::XWing, Kem::X25519, Kem::XWing, Kem::X25519, Kem::XWing, Kem::X25519]);
    let ring = Keyring::at(&ratchet(1), now).unwrap();
    let collection = KeyCollection::decode(ring.collection()).unwrap();
    let (first, suite) = collection.first_supported().unwrap();
    assert_eq!((first.id(), first.kem(), suite.aead), (5, Kem::XWing, Aead::Aes128Gcm));
}
