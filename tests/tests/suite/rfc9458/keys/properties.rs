//! Round trips, damaged lengths, and no panic whatever comes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Configurations of our own, each with its place as id.
fn configs() -> impl Strategy<Value = Vec<KeyConfig>> {
    let kem = prop_oneof![Just(Kem::X25519), Just(Kem::XWing)];
    let aead = prop_oneof![Just(Aead::Aes128Gcm), Just(Aead::ChaCha20Poly1305)];
    let config = (kem, any::<u8>(), vec(aead.prop_map(suite), 1..4));
    vec(config, 1..6).prop_map(|configs| {
        let config = |(id, (kem, byte, suites)): (usize, (Kem, u8, Vec<Suite>))| {
            KeyConfig::new(id as u8, kem, vec![byte; kem.public_key_len()], suites).unwrap()
        };
        configs.into_iter().enumerate().map(config).collect()
    })
}

/// Where the two lengths of each configuration are.
fn length_bytes(configs: &[KeyConfig]) -> Vec<usize> {
    let mut at = 0;
    let mut places = Vec::new();
    for config in configs {
        let suites = at + 2 + 3 + config.kem().public_key_len();
        places.extend([at, at + 1, suites, suites + 1]);
        at += 2 + config.encoded().len();
    }
    places
}

proptest! {
    #[test]
    fn collections_survive(configs in configs()) {
        let keys = KeyCollection::new(configs).unwrap();
        prop_assert_eq!(KeyCollection::decode(&keys.encode()).unwrap(), keys);
    }

    #[test]
    fn c03_a_changed_length_is_never_partially_accepted(
        configs in configs(), place in any::<prop::sample::Index>(), mask in 1_u8..,
    ) {
        let place = *place.get(&length_bytes(&configs));
        let mut bytes = KeyCollection::new(configs).unwrap().encode();
        bytes[place] ^= mask;
        prop_assert!(KeyCollection::decode(&bytes).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = KeyCollection::decode(&bytes);
        let _ = KeyCollection::decode(&collection(&[bytes]));
    }

    #[test]
    fn mutated_collections_never_panic(
        configs in configs(), place in any::<prop::sample::Index>(), mask in 1_u8.., cut in 0_usize..9,
    ) {
        let mut bytes = KeyCollection::new(configs).unwrap().encode();
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
        bytes.truncate(bytes.len() - cut);
        if let Ok(keys) = KeyCollection::decode(&bytes) {
            prop_assert_eq!(KeyCollection::decode(&keys.encode()).unwrap(), keys);
        }
    }
}
