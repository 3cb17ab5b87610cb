//! Why crate `ohttp` is handed one configuration with one suite. When these fail, look again.

use super::*;

/// One unknown suite makes crate `ohttp` drop the whole key; a single configuration works.
#[test]
fn single_config_is_what_crate_ohttp_can_use() {
    let encoded = raw(1, X25519, 32, &[[0, 1, 0, 0x7f], AES, CHACHA]);
    assert!(ohttp::ClientRequest::from_encoded_config(&encoded).is_err());
    let keys = decode(&[encoded]).unwrap();
    let (config, first) = keys.first_supported().unwrap();
    assert_eq!(config.to_single(first), raw(1, X25519, 32, &[AES]));
    assert!(ohttp::ClientRequest::from_encoded_config(&config.to_single(first)).is_ok());
}

/// Crate `ohttp` takes the last supported configuration of a list, we take the first.
#[test]
fn first_config_is_not_left_to_crate_ohttp() {
    let bytes = collection(&[raw(1, X25519, 32, &[AES]), raw(2, X25519, 32, &[AES])]);
    let theirs = ohttp::ClientRequest::from_encoded_config_list(&bytes).unwrap();
    assert_eq!(theirs.encapsulate(b"").unwrap().0[0], 2);
    let keys = KeyCollection::decode(&bytes).unwrap();
    assert_eq!(keys.first_supported().unwrap().0.id(), 1);
}

/// Crate `ohttp` panics on a key whose suites it knows and does not support.
#[test]
fn unsupported_suites_are_not_left_to_crate_ohttp() {
    let encoded = raw(1, X25519, 32, &[[0, 1, 0, 2]]);
    let theirs = encoded.clone();
    let panicked = std::panic::catch_unwind(move || {
        let _ = ohttp::ClientRequest::from_encoded_config(&theirs);
    });
    assert!(panicked.is_err());
    assert_eq!(decode(&[encoded]).unwrap().first_supported(), None);
}
