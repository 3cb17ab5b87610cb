//! One encoding, one key, one type: a test for each deviation.

use super::*;
use crate::credential::Status;
use crate::time::Timestamp;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn status() -> Status {
    Status { id: [9; 16], at: Timestamp::from_unix(1_800_000_000) }
}

/// Another type with the same claims: only the content type tells them apart.
#[derive(Clone, Debug, PartialEq)]
struct Lookalike(Status);

impl Claims for Lookalike {
    const CONTENT_TYPE: &'static str = "application/lookalike+cwt";
    fn to_cbor(&self) -> Value {
        self.0.to_cbor()
    }
    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        Status::from_cbor(fields).map(Self)
    }
}

fn signed_payload(payload: Vec<u8>) -> Vec<u8> {
    CoseSign1Builder::new()
        .protected(protected::<Status>())
        .payload(payload)
        .create_signature(b"", |message| key().sign(message).to_bytes().to_vec())
        .build()
        .to_vec()
        .unwrap()
}

fn read(bytes: &[u8]) -> Result<Status, StatementError> {
    open::<Status>(bytes, &key().verifying_key())
}

#[test]
fn what_was_signed_is_read() {
    assert_eq!(read(&sign(&status(), &key())), Ok(status()));
}

#[test]
fn rejects_signature_of_another_key() {
    let other = SigningKey::from_bytes(&[2; 32]);
    assert_eq!(read(&sign(&status(), &other)), Err(StatementError::Signature));
}

#[test]
fn rejects_statement_of_another_type() {
    let bytes = sign(&Lookalike(status()), &key());
    assert_eq!(read(&bytes), Err(StatementError::WrongType));
}

#[test]
fn rejects_every_flipped_bit() {
    let bytes = sign(&status(), &key());
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(read(&flipped).is_err(), "bit {at}");
    }
}

#[test]
fn rejects_truncation_and_trailing_bytes() {
    let bytes = sign(&status(), &key());
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
    assert_eq!(read(&[bytes.as_slice(), &[0]].concat()), Err(StatementError::NotCose));
}

#[test]
fn rejects_claims_out_of_order() {
    // {7: h'09…', 6: 1800000000}: the same claims, keys descending.
    let payload =
        hex::decode("a207500909090909090909090909090909090906 1a6b49d200".replace(' ', "")).unwrap();
    assert_eq!(read(&signed_payload(payload)), Err(StatementError::NotDeterministic));
}

#[test]
fn rejects_integer_not_in_shortest_form() {
    let payload = hex::decode("a2061b000000006b49d200075009090909090909090909090909090909").unwrap();
    assert_eq!(read(&signed_payload(payload)), Err(StatementError::NotDeterministic));
}

#[test]
fn rejects_unknown_claims() {
    let payload =
        hex::decode("a3061a6b49d200075009090909090909090909090909090909 0a01".replace(' ', "")).unwrap();
    assert_eq!(read(&signed_payload(payload)), Err(StatementError::Claims));
}

#[test]
fn rejects_repeated_claims() {
    let payload = hex::decode("a3061a6b49d200061a6b49d200075009090909090909090909090909090909").unwrap();
    assert_eq!(read(&signed_payload(payload)), Err(StatementError::Claims));
}

#[test]
fn rejects_unprotected_headers() {
    let mut statement = CoseSign1::from_slice(&sign(&status(), &key())).unwrap();
    statement.unprotected.key_id = vec![1];
    assert_eq!(read(&statement.to_vec().unwrap()), Err(StatementError::WrongType));
}

#[test]
fn rejects_other_algorithms() {
    // alg −8, the older EdDSA, with the right content type.
    let mut header = protected::<Status>();
    header.alg = Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA));
    let statement = CoseSign1Builder::new()
        .protected(header)
        .payload(cbor::encode(&status().to_cbor()))
        .create_signature(b"", |message| key().sign(message).to_bytes().to_vec())
        .build();
    assert_eq!(read(&statement.to_vec().unwrap()), Err(StatementError::WrongType));
}

#[test]
fn rejects_overlong_statement_before_reading_it() {
    assert_eq!(read(&vec![0x84; MAX_STATEMENT + 1]), Err(StatementError::TooLong));
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    assert_eq!(read(&vec![0x81; MAX_STATEMENT]), Err(StatementError::NotCose));
    assert_eq!(read(&signed_payload(vec![0x81; 8000])), Err(StatementError::Claims));
}

proptest::proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = open::<crate::mapping::Mapping>(&bytes, &key().verifying_key());
        let _ = open::<crate::policy::Policy>(&bytes, &key().verifying_key());
    }

    #[test]
    fn random_payloads_never_panic(payload: Vec<u8>) {
        let _ = read(&signed_payload(payload));
    }
}
