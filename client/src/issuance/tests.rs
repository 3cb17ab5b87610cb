//! Against the vectors of RFC 9474 and RFC 9578, and every directory that is not to be trusted.

use super::*;
use crate::testing::{NOW, epoch, issuer_name, paid_policy, token_key, vectors};
use blind_rsa_signatures::SecretKeySha384PSSDeterministic as SecretKey;
use discreet_envelope::keys::Kem;
use discreet_protocol::time::DAY;
use rand::rand_core::{TryCryptoRng, TryRng};
use rsa::{BoxedUint, RsaPublicKey};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;

const URL: &str = "https://issuer.example";

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    let text = vector[name].as_str().unwrap();
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

/// The randomness of a vector, in the order in which it is drawn.
struct Replay(VecDeque<u8>);

impl TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word).map(|()| u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word).map(|()| u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        target.fill_with(|| self.0.pop_front().expect("the vector's randomness is enough"));
        Ok(())
    }
}

impl TryCryptoRng for Replay {}

/// The blinding factor is drawn as little-endian words.
fn replay(nonce: &[u8], salt: &[u8], blind: &[u8]) -> Replay {
    let blind = blind.iter().rev();
    Replay(nonce.iter().chain(salt).chain(blind).copied().collect())
}

fn response(status: u16, content_type: &str, body: Vec<u8>) -> IssuerResponse {
    IssuerResponse { status, content_type: Some(content_type.to_owned()), retry_after: None, body }
}

/// The request byte for byte, and the token byte for byte.
#[test]
fn requests_and_tokens_are_those_of_rfc_9578() {
    for vector in vectors() {
        let key = TokenKey::from_spki(&bytes(&vector, "pkS")).unwrap();
        let challenge = sha2::Digest::finalize(sha2::Digest::chain_update(
            <sha2::Sha256 as sha2::Digest>::new(),
            bytes(&vector, "token_challenge"),
        ));
        let issuance = Issuance::under(&key, URL.to_owned(), challenge.into()).unwrap();
        let mut random = replay(&bytes(&vector, "nonce"), &bytes(&vector, "salt"), &bytes(&vector, "blind"));
        let (request, pending) = issuance.request_with(&mut random).unwrap();
        assert_eq!(hex::encode(request), vector["token_request"].as_str().unwrap());
        let signed = response(200, "application/private-token-response", bytes(&vector, "token_response"));
        let token = pending.finish(&signed, NOW).unwrap();
        assert_eq!(hex::encode(token.encode()), vector["token"].as_str().unwrap());
    }
}

/// The variant of RFC 9578 §6, with the key of 4096 bits that RFC 9474 shows.
#[test]
fn blinding_and_unblinding_are_those_of_rfc_9474() {
    let vectors = include_str!("../../../tests/vectors/rfc9474-blind-rsa.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    let is_ours = |vector: &&Value| vector["name"] == "RSABSSA-SHA384-PSS-Deterministic";
    let vector = vectors.iter().find(is_ours).unwrap();
    let number = |name| BoxedUint::from_be_slice(&bytes(vector, name), 4096).unwrap();
    let (n, inverse) = (number("n"), number("inv"));
    let modulus = n.to_odd().unwrap();
    let blind = inverse.invert_odd_mod(&modulus).unwrap();
    let key = PublicKey::new(RsaPublicKey::new(n, number("e")).unwrap());
    let mut random = replay(&[], &bytes(vector, "salt"), &blind.to_be_bytes());
    let message = bytes(vector, "input_msg");
    let blinding = key.blind(&mut random, &message).unwrap();
    assert_eq!(hex::encode(&blinding.blind_message.0), vector["blinded_msg"].as_str().unwrap());
    let signed = BlindSignature(bytes(vector, "blind_sig"));
    let signature = key.finalize(&signed, &blinding, &message).unwrap();
    assert_eq!(hex::encode(signature.0), vector["sig"].as_str().unwrap());
}

/// A key in a directory, and from when on.
fn listed(number: u8, not_before: Option<u64>) -> Value {
    let key = URL_SAFE_NO_PAD.encode(token_key(number).to_spki());
    match not_before {
        Some(time) => json!({ "token-type": 2, "token-key": key, "not-before": time }),
        None => json!({ "token-type": 2, "token-key": key }),
    }
}

fn directory_at(url: &str, keys: &[Value]) -> IssuerResponse {
    let body = json!({ "issuer-request-uri": url, "token-keys": keys }).to_string();
    response(200, "application/private-token-issuer-directory", body.into())
}

fn directory(keys: &[Value]) -> IssuerResponse {
    directory_at("/v1/tokens", keys)
}

/// With a policy that names key 0 since yesterday, key 1 since today.
fn begin(response: &IssuerResponse) -> Result<Issuance, TokensError> {
    let policy = paid_policy(Kem::X25519, (1, 1, 1), vec![epoch(0, -1, 13), epoch(1, 0, 14)]);
    Issuance::new(&policy, &issuer_name(), URL, response, (NOW, NOW.plus(DAY)))
}

fn refused(response: &IssuerResponse) -> TokensError {
    begin(response).map(drop).unwrap_err()
}

#[test]
fn tokens_are_for_the_key_that_the_policy_named_last_whatever_the_issuer_prefers() {
    let keys = [listed(0, None), listed(1, None)];
    for keys in [[keys[0].clone(), keys[1].clone()], [keys[1].clone(), keys[0].clone()]] {
        assert_eq!(begin(&directory(&keys)).unwrap().key, token_key(1));
    }
    // The old one need not be listed any more.
    assert_eq!(begin(&directory(&keys[1..])).unwrap().key, token_key(1));
}

#[test]
fn a_key_to_come_and_one_of_another_type_do_not_matter() {
    let other = json!({ "token-type": 1, "token-key": "AAAA" });
    let later = listed(5, Some(NOW.unix() + 1));
    assert!(begin(&directory(&[later, other, listed(1, Some(NOW.unix()))])).is_ok());
}

#[test]
fn rejects_a_directory_with_another_key() {
    assert_eq!(refused(&directory(&[listed(2, None)])), TokensError::KeysDiffer);
    assert_eq!(refused(&directory(&[])), TokensError::KeysDiffer);
}

#[test]
fn rejects_a_directory_with_one_more_key_for_this_user() {
    for keys in [[listed(1, None), listed(2, None)], [listed(2, Some(1)), listed(1, None)]] {
        assert_eq!(refused(&directory(&keys)), TokensError::KeysDiffer);
    }
}

#[test]
fn rejects_a_directory_that_holds_the_newest_key_back() {
    assert_eq!(refused(&directory(&[listed(0, None)])), TokensError::KeysDiffer);
    let later = listed(1, Some(NOW.unix() + 1));
    assert_eq!(refused(&directory(&[listed(0, None), later])), TokensError::KeysDiffer);
}

#[test]
fn rejects_an_issuer_that_the_policy_does_not_name() {
    let policy = paid_policy(Kem::X25519, (1, 1, 1), vec![epoch(0, -1, 13)]);
    let other = Domain::new("other.example").unwrap();
    let response = directory(&[listed(0, None)]);
    let refused = Issuance::new(&policy, &other, URL, &response, (NOW, NOW)).map(drop);
    assert_eq!(refused, Err(TokensError::NotTaken));
}

#[test]
fn rejects_a_key_that_ends_before_its_tokens_can_be_used() {
    let policy = paid_policy(Kem::X25519, (1, 1, 1), vec![epoch(0, -7, 1)]);
    let response = directory(&[listed(0, None)]);
    let refused = Issuance::new(&policy, &issuer_name(), URL, &response, (NOW, NOW.plus(DAY)));
    assert_eq!(refused.map(drop), Err(TokensError::NoKey));
}

#[test]
fn rejects_what_is_no_directory() {
    let fault = |response: &IssuerResponse| match refused(response) {
        TokensError::Directory(fault) => fault,
        error => panic!("{error}"),
    };
    let good = directory(&[listed(1, None)]);
    assert!(begin(&good).is_ok());
    let answer = [
        IssuerResponse { status: 404, ..good.clone() },
        IssuerResponse { content_type: Some("application/json".to_owned()), ..good.clone() },
        IssuerResponse { content_type: None, ..good.clone() },
    ];
    assert!(answer.iter().all(|response| fault(response) == DirectoryFault::Answer));
    let many = vec![listed(1, None); 17];
    let content = [IssuerResponse { body: b"{}".to_vec(), ..good }, directory(&many)];
    assert!(content.iter().all(|response| fault(response) == DirectoryFault::Content));
    let key = json!({ "token-type": 2, "token-key": "AAAA" });
    assert_eq!(fault(&directory(&[key])), DirectoryFault::Key);
}

#[test]
fn requests_go_to_the_issuers_own_host() {
    let keys = [listed(1, None)];
    for stated in ["/v1/tokens", "https://issuer.example/v1/tokens"] {
        let issuance = begin(&directory_at(stated, &keys)).unwrap();
        assert_eq!(issuance.url(), "https://issuer.example/v1/tokens");
    }
    for elsewhere in [
        "https://other.example/v1",
        "http://issuer.example/v1",
        "https://issuer.example:8443/v1",
        "//x/v1",
        "",
    ] {
        let fault = TokensError::Directory(DirectoryFault::Elsewhere);
        assert_eq!(refused(&directory_at(elsewhere, &keys)), fault, "{elsewhere}");
    }
}

/// A request to the issuer of the vectors, and what it answers.
fn signed() -> (PendingToken, Vec<u8>) {
    let vector = vectors().swap_remove(0);
    let secret = String::from_utf8(bytes(&vector, "skS")).unwrap();
    let issuance = Issuance::under(&token_key(0), URL.to_owned(), [1; 32]).unwrap();
    let (request, pending) = issuance.request().unwrap();
    let request = TokenRequest::decode(&request).unwrap();
    let signed = SecretKey::from_pem(&secret).unwrap().blind_sign(&request.blinded[..]).unwrap();
    (pending, signed.0)
}

#[test]
fn a_token_that_was_not_seen_is_signed() {
    let (pending, signature) = signed();
    let token = pending.finish(&response(200, TOKEN_RESPONSE_TYPE, signature), NOW).unwrap();
    let input = token.input();
    assert_eq!((input.challenge_digest, input.key_id), ([1; 32], *token_key(0).id()));
}

#[test]
fn rejects_an_answer_that_is_no_signature() {
    let forged = |bend: fn(&mut Vec<u8>), content_type: &str| {
        let (pending, mut signature) = signed();
        bend(&mut signature);
        pending.finish(&response(200, content_type, signature), NOW).map(drop)
    };
    assert_eq!(forged(|signature| signature[255] ^= 1, TOKEN_RESPONSE_TYPE), Err(TokensError::Forged));
    assert_eq!(forged(|signature| signature.truncate(255), TOKEN_RESPONSE_TYPE), Err(TokensError::Forged));
    assert_eq!(forged(|signature| signature.push(0), TOKEN_RESPONSE_TYPE), Err(TokensError::Forged));
    assert_eq!(forged(Vec::clear, TOKEN_RESPONSE_TYPE), Err(TokensError::Forged));
    assert_eq!(forged(|_| {}, "application/octet-stream"), Err(TokensError::Forged));
}

#[test]
fn an_issuer_says_when_it_gives_more() {
    let wait = |status, retry_after: Option<&str>| {
        let retry_after = retry_after.map(str::to_owned);
        let response = IssuerResponse { status, content_type: None, retry_after, body: Vec::new() };
        match signed().0.finish(&response, NOW) {
            Err(TokensError::Wait { again }) => again,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(429, Some("3600")), Some(NOW.plus(3600)));
    assert_eq!(wait(503, Some("5")), Some(NOW.plus(5)));
    // RFC 9110 §10.2.3, half a day later.
    let date = "Sun, 22 Nov 2026 21:15:00 GMT";
    assert_eq!(wait(429, Some(date)), Some(NOW.plus(12 * 3600)));
    assert_eq!(wait(429, Some("soon")), None);
    assert_eq!(wait(429, Some("99999999999")), Some(NOW.plus(30 * DAY)));
    assert_eq!(wait(429, None), None);
}

#[test]
fn an_issuer_that_does_not_know_the_user_is_told_from_one_that_refuses() {
    let finish = |status| {
        let body = br#"{"title":"no \u001b such key"}"#.to_vec();
        signed().0.finish(&response(status, "application/problem+json", body), NOW).map(drop).unwrap_err()
    };
    assert_eq!(finish(401), TokensError::Account { status: 401 });
    let title = Some("no  such key".to_owned());
    assert_eq!(finish(422), TokensError::Refused { status: 422, title });
}
