//! The algorithm of tokens against the published vectors: finished signatures of RFC 9474, Appendix A, and finished
//! tokens of RFC 9578, Appendix B.2.

use super::*;
use serde_json::Value;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap().trim_start_matches("0x")).unwrap()
}

/// The vectors' key has 4096 bits. `RSAPublicKey` (RFC 8017 §A.1.1) of it.
fn key(vector: &Value) -> ParsedPublicKey {
    let head = hex::decode("3082020a0282020100").unwrap();
    let der = [head, bytes(vector, "n"), hex::decode("0203010001").unwrap()].concat();
    ParsedPublicKey::new(ALGORITHM, der).unwrap()
}

#[test]
fn finished_signatures_of_rfc_9474_verify_if_their_salt_has_48_bytes() {
    let vectors = vectors(include_str!("../../../tests/vectors/rfc9474-blind-rsa.json"));
    let verifies = |vector: &Value| {
        let (message, signature) = (bytes(vector, "input_msg"), bytes(vector, "sig"));
        (vector["name"].as_str().unwrap().to_owned(), key(vector).verify_sig(&message, &signature).is_ok())
    };
    let named = |name: &str, verifies| (name.to_owned(), verifies);
    assert_eq!(
        vectors.iter().map(verifies).collect::<Vec<_>>(),
        [
            named("RSABSSA-SHA384-PSS-Randomized", true),
            named("RSABSSA-SHA384-PSSZERO-Randomized", false),
            named("RSABSSA-SHA384-PSS-Deterministic", true),
            named("RSABSSA-SHA384-PSSZERO-Deterministic", false),
        ]
    );
}

#[test]
fn rejects_bent_signatures_and_messages_of_rfc_9474() {
    let vectors = vectors(include_str!("../../../tests/vectors/rfc9474-blind-rsa.json"));
    let vector = &vectors[0];
    let (message, signature) = (bytes(vector, "input_msg"), bytes(vector, "sig"));
    for at in [0, 17, 511] {
        let mut bent = signature.clone();
        bent[at] ^= 1;
        assert!(key(vector).verify_sig(&message, &bent).is_err(), "{at}");
    }
    let mut other = message.clone();
    other[5] ^= 1;
    assert!(key(vector).verify_sig(&other, &signature).is_err());
    assert!(key(vector).verify_sig(&message, &signature[..511]).is_err());
    // What the issuer has signed is no signature before it is finished.
    assert!(key(vector).verify_sig(&message, &bytes(vector, "blind_sig")).is_err());
}

#[test]
fn finished_tokens_of_rfc_9578_verify_and_bent_ones_do_not() {
    let vectors = vectors(include_str!("../../../tests/vectors/rfc9578-public-tokens.json"));
    for vector in &vectors {
        let key = discreet_protocol::token::TokenKey::from_spki(&bytes(vector, "pkS")).unwrap();
        let key = ParsedPublicKey::new(ALGORITHM, key.to_rsa_public_key()).unwrap();
        let token = Token::decode(&bytes(vector, "token")).unwrap();
        assert!(key.verify_sig(&token.input().encode(), token.authenticator()).is_ok());
        let mut other = token.input();
        other.challenge_digest[0] ^= 1;
        assert!(key.verify_sig(&other.encode(), token.authenticator()).is_err());
    }
    assert_eq!(vectors.len(), 5);
}
