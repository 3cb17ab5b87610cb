//! Against the vectors of RFC 9578, Appendix B.2, and every way of being no token.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/rfc9578-public-tokens.json");

fn vectors() -> Vec<Value> {
    serde_json::from_str(VECTORS).unwrap()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap()).unwrap()
}

#[test]
fn keys_have_the_one_encoding_of_rfc_9578() {
    for vector in vectors() {
        let spki = bytes(&vector, "pkS");
        let key = TokenKey::from_spki(&spki).unwrap();
        assert_eq!(key.to_spki(), spki);
        let token = Token::decode(&bytes(&vector, "token")).unwrap();
        assert_eq!(*key.id(), token.input().key_id);
        let request = TokenRequest::decode(&bytes(&vector, "token_request")).unwrap();
        assert_eq!(key.truncated_id(), request.truncated_key_id);
    }
}

#[test]
fn tokens_and_requests_are_written_as_they_were_read() {
    for vector in vectors() {
        let token = Token::decode(&bytes(&vector, "token")).unwrap();
        assert_eq!(token.encode(), bytes(&vector, "token"));
        assert_eq!(token.input().nonce.to_vec(), bytes(&vector, "nonce"));
        let digest: [u8; 32] = Sha256::digest(bytes(&vector, "token_challenge")).into();
        assert_eq!(token.input().challenge_digest, digest);
        let request = TokenRequest::decode(&bytes(&vector, "token_request")).unwrap();
        assert_eq!(request.encode(), bytes(&vector, "token_request"));
    }
}

/// The second vector has what the policy fixes: an empty redemption context and one origin.
#[test]
fn the_challenge_is_that_of_rfc_9577() {
    let name = |name| Domain::new(name).unwrap();
    let written = challenge(&name("issuer.example"), &name("origin.example"));
    assert_eq!(written, bytes(&vectors()[1], "token_challenge"));
}

fn spki() -> Vec<u8> {
    bytes(&vectors()[0], "pkS")
}

#[test]
fn rejects_a_key_of_another_algorithm() {
    let mut spki = spki();
    // rsaEncryption instead of RSASSA-PSS.
    spki[18] = 0x01;
    assert_eq!(TokenKey::from_spki(&spki), Err(TokenKeyError));
}

#[test]
fn rejects_a_key_with_another_exponent() {
    let mut spki = spki();
    *spki.last_mut().unwrap() = 0x03;
    assert_eq!(TokenKey::from_spki(&spki), Err(TokenKeyError));
}

#[test]
fn rejects_an_even_or_short_modulus() {
    for (at, value) in [(81, 0x7f), (81 + 255, 0x02)] {
        let mut spki = spki();
        spki[at] = value;
        assert_eq!(TokenKey::from_spki(&spki), Err(TokenKeyError), "{at}");
    }
}

#[test]
fn rejects_a_truncated_or_lengthened_key() {
    let spki = spki();
    assert_eq!(TokenKey::from_spki(&spki[..341]), Err(TokenKeyError));
    assert_eq!(TokenKey::from_spki(&[&spki[..], &[0]].concat()), Err(TokenKeyError));
}

#[test]
fn rejects_a_token_of_another_type_or_length() {
    let token = bytes(&vectors()[0], "token");
    let mut other = token.clone();
    other[1] = 0x01;
    for bad in [&other[..], &token[..353], &[&token[..], &[0]].concat(), &[]] {
        assert_eq!(Token::decode(bad), Err(TokenError));
    }
}

#[test]
fn rejects_a_request_of_another_type_or_length() {
    let request = bytes(&vectors()[0], "token_request");
    let mut other = request.clone();
    other[1] = 0x01;
    for bad in [&other[..], &request[..258], &[&request[..], &[0]].concat(), &[]] {
        assert_eq!(TokenRequest::decode(bad), Err(TokenError));
    }
}

#[test]
fn rejects_a_field_that_holds_no_token() {
    let good = Token::decode(&bytes(&vectors()[0], "token")).unwrap().to_field();
    assert!(Token::from_field(good.as_bytes()).is_ok());
    for bad in [
        good.replace("PrivateToken", "Bearer"),
        good.replace("token=", "challenge="),
        good.replace('"', ""),
        good.replace('"', "'"),
        good.replacen("token=\"", "token=\"!", 1),
        format!("{good}, extra=1"),
        String::new(),
    ] {
        assert_eq!(Token::from_field(bad.as_bytes()), Err(TokenError), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_token_survives_its_field(random in prop::collection::vec(any::<u8>(), TOKEN_BYTES - 2)) {
        let token = Token::decode(&[&TOKEN_TYPE.to_be_bytes()[..], &random].concat()).unwrap();
        prop_assert_eq!(Token::from_field(token.to_field().as_bytes()).unwrap(), token);
    }

    #[test]
    fn no_bytes_panic(random in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = (Token::decode(&random), TokenRequest::decode(&random));
        let _ = (Token::from_field(&random), TokenKey::from_spki(&random));
    }
}
