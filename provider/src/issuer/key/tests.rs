//! One key: the vectors of RFC 9474 and RFC 9578, its file, and faults.

use super::*;
use discreet_protocol::token::TokenRequest;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap().trim_start_matches("0x")).unwrap()
}

/// The keys of RFC 9578 §C.2, one each.
fn rfc9578() -> Vec<(PrivateKey, Value)> {
    let vectors = vectors(include_str!("../../../../tests/vectors/rfc9578-public-tokens.json"));
    let key = |vector: Value| {
        let pem = String::from_utf8(bytes(&vector, "skS")).unwrap();
        (PrivateKey::of(Secret::from_pem(&pem).unwrap()).unwrap(), vector)
    };
    vectors.into_iter().map(key).collect()
}

#[test]
fn signs_the_requests_of_rfc_9578() {
    let vectors = rfc9578();
    assert_eq!(vectors.len(), 5);
    for (key, vector) in vectors {
        assert_eq!(key.public().to_spki(), bytes(&vector, "pkS"));
        let request = TokenRequest::decode(&bytes(&vector, "token_request")).unwrap();
        assert_eq!(request.truncated_key_id, key.public().truncated_id());
        assert_eq!(key.sign(&request.blinded).unwrap().to_vec(), bytes(&vector, "token_response"));
    }
}

/// RFC 9474 §A. Its keys have 4096 bits; the variants differ in what the client does only.
#[test]
fn signs_the_blinded_messages_of_rfc_9474() {
    let vectors = vectors(include_str!("../../../../tests/vectors/rfc9474-blind-rsa.json"));
    let names: Vec<_> = vectors.iter().map(|vector| vector["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"RSABSSA-SHA384-PSS-Deterministic"), "{names:?}");
    for vector in &vectors {
        let number = |name| BoxedUint::from_be_slice_vartime(&bytes(vector, name));
        let primes = vec![number("p"), number("q")];
        let key = RsaPrivateKey::from_components(number("n"), number("e"), number("d"), primes);
        let secret = Secret::new(key.unwrap());
        assert_eq!(sign(&secret, &bytes(vector, "blinded_msg")).unwrap(), bytes(vector, "blind_sig"));
    }
}

#[test]
fn a_spoilt_signature_is_thrown_away() {
    let (key, vector) = rfc9578().swap_remove(0);
    let request = TokenRequest::decode(&bytes(&vector, "token_request")).unwrap();
    let mut signature = bytes(&vector, "token_response");
    let checked = |signature: &[u8]| checked(&key.secret, &*request.blinded, signature.to_vec());
    assert_eq!(checked(&signature).unwrap(), signature);
    for at in [0, 100, 255] {
        signature[at] ^= 1;
        assert_eq!(checked(&signature), Err(KeyUseError::Fault), "{at}");
        signature[at] ^= 1;
    }
}

#[test]
fn rejects_a_blinded_message_that_is_not_below_the_modulus() {
    let (key, _) = rfc9578().swap_remove(0);
    let mut blinded = *key.public().modulus();
    assert_eq!(key.sign(&blinded).unwrap_err(), KeyUseError::OutOfRange);
    assert_eq!(key.sign(&[0xff; NK]).unwrap_err(), KeyUseError::OutOfRange);
    blinded[255] -= 1;
    assert!(key.sign(&blinded).is_ok());
}

#[test]
fn a_drawn_key_is_its_owners_alone_and_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.der");
    let key = PrivateKey::draw().unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(…)");
    key.create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(PrivateKey::read(&path).unwrap().public().id(), key.public().id());
    assert!(matches!(key.create(&path), Err(KeyError::Create { .. })), "nothing is overwritten");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(matches!(PrivateKey::read(&path), Err(KeyError::Exposed { mode: 0o640, .. })));
}

#[test]
fn rejects_files_that_are_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.der");
    assert!(matches!(PrivateKey::read(&path), Err(KeyError::Read { .. })));
    rfc9578().swap_remove(0).0.create(&path).unwrap();
    let der = std::fs::read(&path).unwrap();
    for content in [&der[..der.len() - 1], &der[1..], b"", &[0; 5000]] {
        std::fs::write(&path, content).unwrap();
        let error = PrivateKey::read(&path).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
    }
}
