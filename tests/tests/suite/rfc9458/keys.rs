//! Key collections, laid out byte by byte. Identifiers are those of the registries, not our constants.

mod ohttp_traps;
mod properties;

use discreet_envelope::keys::*;

const VECTOR: &str = include_str!("../../../vectors/rfc9458-appendix-a.json");

const AES: [u8; 4] = [0, 1, 0, 1];
const CHACHA: [u8; 4] = [0, 1, 0, 3];
const X25519: [u8; 2] = [0x00, 0x20];
const X_WING: [u8; 2] = [0x64, 0x7a];
/// DHKEM(P-256): standard, not known to us; its keys have 65 bytes.
const P256: [u8; 2] = [0x00, 0x10];

fn suite(aead: Aead) -> Suite {
    Suite { kdf: Kdf::HkdfSha256, aead }
}

fn raw(id: u8, kem: [u8; 2], key_len: usize, suites: &[[u8; 4]]) -> Vec<u8> {
    let len = u16::try_from(4 * suites.len()).unwrap().to_be_bytes();
    [&[id][..], &kem, &vec![9; key_len], &len, &suites.concat()].concat()
}

fn collection(configs: &[Vec<u8>]) -> Vec<u8> {
    let prefixed = |config: &Vec<u8>| {
        let len = u16::try_from(config.len()).unwrap();
        [&len.to_be_bytes()[..], config].concat()
    };
    configs.iter().flat_map(prefixed).collect()
}

fn decode(configs: &[Vec<u8>]) -> Result<KeyCollection, KeysError> {
    KeyCollection::decode(&collection(configs))
}

fn ids(collection: &KeyCollection) -> Vec<u8> {
    collection.configs().iter().map(KeyConfig::id).collect()
}

fn good() -> Vec<u8> {
    raw(1, X25519, 32, &[AES, CHACHA])
}

#[test]
fn rfc9458_appendix_a_key_config() {
    let vector: serde_json::Value = serde_json::from_str(VECTOR).unwrap();
    let encoded = hex::decode(vector["key_config"].as_str().unwrap()).unwrap();
    let bytes = collection(std::slice::from_ref(&encoded));
    let keys = KeyCollection::decode(&bytes).unwrap();
    let (config, first) = keys.first_supported().unwrap();
    assert_eq!((config.id(), config.kem()), (1, Kem::X25519));
    assert_eq!(config.public_key(), &encoded[3..35]);
    assert_eq!(config.suites(), [suite(Aead::Aes128Gcm), suite(Aead::ChaCha20Poly1305)]);
    assert_eq!(first, suite(Aead::Aes128Gcm));
    assert_eq!(config.encoded(), encoded);
    assert_eq!(keys.encode(), bytes);
}

#[test]
fn c02_config_is_laid_out_as_specified() {
    let config = KeyConfig::new(5, Kem::XWing, [9; 1216], [suite(Aead::ChaCha20Poly1305)]).unwrap();
    assert_eq!(config.encoded(), raw(5, X_WING, 1216, &[CHACHA]));
    let keys = KeyCollection::new(vec![config.clone()]).unwrap();
    assert_eq!(KeyCollection::decode(&keys.encode()).unwrap().configs(), [config]);
}

#[test]
fn c03_nothing_of_a_collection_survives_one_bad_config() {
    let bad = raw(2, X25519, 31, &[AES]);
    assert!(decode(&[good()]).is_ok());
    assert!(decode(&[good(), bad.clone()]).is_err());
    assert!(decode(&[bad, good()]).is_err());
}

#[test]
fn c04_unknown_kem_is_left_out() {
    let keys = decode(&[raw(7, P256, 65, &[AES]), good()]).unwrap();
    assert_eq!(ids(&keys), [1]);
}

#[test]
fn c04_unknown_suites_are_left_out() {
    // HKDF-SHA512, SHAKE128, AES-256-GCM, export-only
    let unknown = [[0, 3, 0, 1], [0, 0x10, 0, 1], [0, 1, 0, 2], [0, 1, 0xff, 0xff]];
    let suites = [&unknown[..], &[CHACHA, AES]].concat();
    let encoded = raw(1, X25519, 32, &suites);
    let keys = decode(std::slice::from_ref(&encoded)).unwrap();
    let config = &keys.configs()[0];
    assert_eq!(config.suites(), [suite(Aead::ChaCha20Poly1305), suite(Aead::Aes128Gcm)]);
    assert_eq!(config.encoded(), encoded);
}

#[test]
fn c04_first_supported_follows_the_server() {
    let none = raw(9, X25519, 32, &[[0, 1, 0, 2]]);
    let (x_wing, x25519) = (raw(4, X_WING, 1216, &[CHACHA, AES]), raw(3, X25519, 32, &[AES]));
    let keys = decode(&[raw(8, P256, 65, &[AES]), none, x_wing, x25519]).unwrap();
    assert_eq!(ids(&keys), [4, 3]);
    let (config, first) = keys.first_supported().unwrap();
    assert_eq!((config.id(), first), (4, suite(Aead::ChaCha20Poly1305)));
}

#[test]
fn c05_nothing_supported_is_a_clean_outcome() {
    let no_suite = raw(1, X25519, 32, &[[0, 2, 0, 1], [0, 1, 0, 2]]);
    let no_kem = raw(2, P256, 65, &[AES]);
    for configs in [vec![], vec![no_suite.clone()], vec![no_suite, no_kem]] {
        let keys = decode(&configs).unwrap();
        assert_eq!(keys.first_supported(), None);
        assert!(keys.configs().is_empty());
    }
}

#[test]
fn c74_only_x25519_and_x_wing_are_known() {
    let known: Vec<_> = (0..=u16::MAX).filter(|id| Kem::from_id(*id).is_some()).collect();
    assert_eq!(known, [0x0020, 0x647a]);
    assert_eq!((Kem::XWing.public_key_len(), Kem::XWing.enc_len()), (1216, 1120));
    assert_eq!((Kem::X25519.public_key_len(), Kem::X25519.enc_len()), (32, 32));
    // Kyber768Draft00 has keys of the same length as X-Wing.
    let kyber = raw(1, [0x00, 0x30], 1216, &[AES]);
    assert_eq!(decode(&[kyber]).unwrap().first_supported(), None);
}

#[test]
fn c74_only_hkdf_sha256_and_two_aeads_are_known() {
    let kdfs: Vec<_> = (0..=u16::MAX).filter(|id| Kdf::from_id(*id).is_some()).collect();
    let aeads: Vec<_> = (0..=u16::MAX).filter(|id| Aead::from_id(*id).is_some()).collect();
    assert_eq!((kdfs, aeads), (vec![1], vec![1, 3]));
    assert_eq!((Kdf::HkdfSha256.id(), Aead::ChaCha20Poly1305.id()), (1, 3));
    let sizes = |aead: Aead| (aead.key_len(), aead.nonce_len(), aead.response_nonce_len());
    assert_eq!(sizes(Aead::Aes128Gcm), (16, 12, 16));
    assert_eq!(sizes(Aead::ChaCha20Poly1305), (32, 12, 32));
}

#[test]
fn c75_six_live_keys_fit() {
    let configs: Vec<_> = (0..3)
        .flat_map(|id| [raw(2 * id, X_WING, 1216, &[AES, CHACHA]), raw(2 * id + 1, X25519, 32, &[AES])])
        .collect();
    assert_eq!(ids(&decode(&configs).unwrap()), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn c03_rejects_lone_byte() {
    assert_eq!(KeyCollection::decode(&[0]).unwrap_err(), KeysError::Truncated);
    let bytes = [collection(&[good()]), vec![0]].concat();
    assert_eq!(KeyCollection::decode(&bytes).unwrap_err(), KeysError::Truncated);
}

#[test]
fn c03_rejects_short_list() {
    let bytes = collection(&[good()]);
    for len in 1..bytes.len() {
        assert_eq!(KeyCollection::decode(&bytes[..len]).unwrap_err(), KeysError::Truncated);
    }
}

#[test]
fn c02_c03_rejects_short_config() {
    for len in 0..good().len() {
        assert_eq!(decode(&[good()[..len].to_vec()]).unwrap_err(), KeysError::ShortConfig);
    }
}

#[test]
fn c03_rejects_trailing_byte() {
    let config = [good(), vec![0]].concat();
    assert_eq!(decode(&[config]).unwrap_err(), KeysError::TrailingBytes);
}

#[test]
fn c02_c03_rejects_bad_suites_length() {
    assert_eq!(decode(&[raw(1, X25519, 32, &[])]).unwrap_err(), KeysError::SuitesLength);
    for len in [1, 2, 3, 5, 6, 7, 9, 255] {
        let mut config = good();
        config[36] = len;
        assert_eq!(decode(&[config]).unwrap_err(), KeysError::SuitesLength);
    }
}

#[test]
fn rejects_public_key_of_wrong_length() {
    for (kem, len) in [(X25519, 31), (X25519, 33), (X25519, 1216), (X_WING, 1215), (X_WING, 1217)] {
        assert!(decode(&[raw(1, kem, len, &[AES])]).is_err());
    }
}

#[test]
fn rejects_malformed_config_of_unknown_kem() {
    let no_key = raw(1, P256, 0, &[AES]);
    let no_suites = raw(1, P256, 65, &[]);
    let mut odd_suites = raw(1, P256, 65, &[AES]);
    odd_suites[69] = 5;
    let trailing = [raw(1, P256, 65, &[AES]), vec![7]].concat();
    for config in [no_key, no_suites, odd_suites, trailing, vec![1, 0, 0x10]] {
        assert_eq!(decode(&[config]).unwrap_err(), KeysError::MalformedUnknown);
    }
    assert_eq!(decode(&[vec![1, 0]]).unwrap_err(), KeysError::ShortConfig);
}

#[test]
fn rejects_duplicate_key_id() {
    assert_eq!(decode(&[good(), good()]).unwrap_err(), KeysError::DuplicateKeyId);
    let unknown = raw(1, P256, 65, &[AES]);
    assert_eq!(decode(&[good(), unknown]).unwrap_err(), KeysError::DuplicateKeyId);
    let config = KeyConfig::new(1, Kem::X25519, [9; 32], [suite(Aead::Aes128Gcm)]).unwrap();
    let twice = KeyCollection::new(vec![config.clone(), config]);
    assert_eq!(twice.unwrap_err(), KeysError::DuplicateKeyId);
}

#[test]
fn rejects_too_many_configs() {
    let configs: Vec<_> = (0..33).map(|id| raw(id, X25519, 32, &[AES])).collect();
    assert!(decode(&configs[..32]).is_ok());
    assert_eq!(decode(&configs).unwrap_err(), KeysError::TooManyConfigs);
}

#[test]
fn rejects_too_large_collection() {
    assert_eq!(KeyCollection::decode(&[0; 32_769]).unwrap_err(), KeysError::TooLarge);
    let suites = vec![suite(Aead::Aes128Gcm); 16_383];
    let config = KeyConfig::new(1, Kem::X25519, [9; 32], suites).unwrap();
    assert_eq!(KeyCollection::new(vec![config]).unwrap_err(), KeysError::TooLarge);
}

#[test]
fn rejects_own_config_with_bad_parts() {
    let new = |key: Vec<u8>, suites: Vec<Suite>| KeyConfig::new(1, Kem::X25519, key, suites);
    let aes = suite(Aead::Aes128Gcm);
    assert_eq!(new(vec![9; 31], vec![aes]).unwrap_err(), KeysError::PublicKeyLength);
    assert_eq!(new(vec![9; 32], vec![]).unwrap_err(), KeysError::SuiteCount);
    assert_eq!(new(vec![9; 32], vec![aes; 16_384]).unwrap_err(), KeysError::SuiteCount);
}
