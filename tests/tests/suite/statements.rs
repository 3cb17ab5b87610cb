//! DESIGN.md's annotated examples of the signed statements are what this code writes and reads.
//!
//! `BLESS=1 cargo test -p tests statements` writes them anew, into the blocks that are there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod annotate;
mod shapes;

use annotate::{Shape, annotate, head, strip};
use discreet_protocol::credential::{Credential, Revocation, Status};
use discreet_protocol::endorsement::Endorsement;
use discreet_protocol::enrolment::{Handover, KeyRequest};
use discreet_protocol::identifier::MimiUri;
use discreet_protocol::mapping::{DEFAULT_REFRESH_AFTER, Mapping, Reach, Tag};
use discreet_protocol::policy::{Authorities, Authority, Issuers, Policy, Prices, Services};
use discreet_protocol::statement::{Claims, open, sign};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::VerifyError;
use discreet_protocol::withdrawal::Withdrawal;
use discreet_protocol::{SigningKey, VerifyingKey};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tests::world::{domain, phone};

/// 2026-11-22.
const TODAY: Timestamp = Timestamp::from_unix(1_795_305_600);
/// RFC 9458 Appendix A, with the length that RFC 9458 §3.2 puts before it.
const KEYS: &str =
    "002d01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003";

/// RFC 8032 §7.1, tests 1 to 3: secret and public key.
const DIRECTORY_KEY: [&str; 2] = [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
];
const AUTHORITY_KEY: [&str; 2] = [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
];
const HOLDER_KEY: [&str; 2] = [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
];
/// RFC 8032 §7.1, test 1024: the holder's next key, and (by way of example) the service's.
const OTHER_KEY: [&str; 2] = [
    "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
    "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
];

fn signing(key: [&str; 2]) -> SigningKey {
    SigningKey::from_bytes(&bytes(key[0]))
}

fn public(key: [&str; 2]) -> VerifyingKey {
    VerifyingKey::from_bytes(&bytes(key[1])).unwrap()
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn policy() -> Policy {
    let authority = Authority {
        name: domain("authority.example"),
        key: public(AUTHORITY_KEY),
        namespaces: vec!["tel:+1415".parse().unwrap(), "mailto:a.example".parse().unwrap()],
    };
    Policy {
        domain: domain("dp.example"),
        // Edition 1, day 20779.
        serial: (1 << 32) + 20_779,
        not_before: TODAY,
        not_after: TODAY.plus(7 * DAY),
        operator: "Example Discovery Ltd".to_owned(),
        keys: hex::decode(KEYS).unwrap(),
        authorities: Authorities::new(vec![authority]).unwrap(),
        sizes: (4096, 8192),
        services: Services::default(),
        issuers: Issuers::default(),
        prices: Prices::default(),
    }
}

fn credential() -> Credential {
    Credential {
        authority: domain("authority.example"),
        csi: phone("+14155550123"),
        holder: public(HOLDER_KEY),
        id: bytes("000102030405060708090a0b0c0d0e0f"),
        expires: TODAY.plus(180 * DAY),
        proved_at: TODAY.minus(30 * DAY),
        holder_since: TODAY.minus(365 * DAY),
    }
}

fn status() -> Status {
    Status { id: credential().id, at: TODAY }
}

fn mapping() -> Mapping {
    Mapping {
        csi: phone("+14155550123"),
        audience: vec![domain("dp.example")],
        tag: Tag::default_tag(),
        serial: 3_735_928_559,
        not_before: TODAY,
        not_after: TODAY.plus(90 * DAY),
        refresh_after: DEFAULT_REFRESH_AFTER,
        reaches: vec![Reach::to(MimiUri::new("mimi://b.example/u/alice").unwrap())],
        credential: sign(&credential(), &signing(AUTHORITY_KEY)),
        serve_as_not_found: false,
    }
}

fn revocation() -> Revocation {
    Revocation { id: credential().id, at: TODAY, expires: credential().expires }
}

fn withdrawal() -> Withdrawal {
    Withdrawal {
        csi: phone("+14155550123"),
        audience: vec![domain("dp.example")],
        tag: None,
        serial: 3_735_928_560,
        credential: sign(&credential(), &signing(AUTHORITY_KEY)),
    }
}

fn endorsement() -> Endorsement {
    Endorsement {
        service: domain("b.example"),
        uri: MimiUri::new("mimi://b.example/u/alice").unwrap(),
        expires: TODAY.plus(90 * DAY),
        holder: public(HOLDER_KEY),
    }
}

fn handover() -> Handover {
    Handover {
        csi: phone("+14155550123"),
        authority: domain("authority.example"),
        expires: TODAY.plus(DAY),
        successor: public(OTHER_KEY),
    }
}

fn key_request() -> KeyRequest {
    KeyRequest {
        csi: phone("+14155550123"),
        authority: domain("authority.example"),
        holder: public(OTHER_KEY),
        challenge: bytes::<16>("101112131415161718191a1b1c1d1e1f").to_vec(),
        ticket: None,
        handover: Some(sign(&handover(), &signing(HOLDER_KEY))),
    }
}

#[test]
fn the_policy_in_design_md_is_what_the_code_writes_and_reads() {
    check("policy", &policy(), DIRECTORY_KEY, "application/discreet-policy+cbor", &shapes::POLICY);
}

#[test]
fn the_credential_in_design_md_is_what_the_code_writes_and_reads() {
    check(
        "credential",
        &credential(),
        AUTHORITY_KEY,
        "application/discreet-credential+cwt",
        &shapes::CREDENTIAL,
    );
}

#[test]
fn the_status_in_design_md_is_what_the_code_writes_and_reads() {
    check("status", &status(), AUTHORITY_KEY, "application/discreet-status+cwt", &shapes::STATUS);
}

#[test]
fn the_mapping_in_design_md_is_what_the_code_writes_and_reads() {
    check("mapping", &mapping(), HOLDER_KEY, "application/discreet-mapping+cbor", &shapes::MAPPING);
}

#[test]
fn the_revocation_in_design_md_is_what_the_code_writes_and_reads() {
    let content_type = "application/discreet-revocation+cwt";
    check("revocation", &revocation(), AUTHORITY_KEY, content_type, &shapes::REVOCATION);
}

#[test]
fn the_withdrawal_in_design_md_is_what_the_code_writes_and_reads() {
    let content_type = "application/discreet-withdrawal+cbor";
    check("withdrawal", &withdrawal(), HOLDER_KEY, content_type, &shapes::WITHDRAWAL);
}

#[test]
fn the_endorsement_in_design_md_is_what_the_code_writes_and_reads() {
    let content_type = "application/discreet-endorsement+cwt";
    check("endorsement", &endorsement(), OTHER_KEY, content_type, &shapes::ENDORSEMENT);
}

#[test]
fn the_handover_in_design_md_is_what_the_code_writes_and_reads() {
    let content_type = "application/discreet-handover+cwt";
    check("handover", &handover(), HOLDER_KEY, content_type, &shapes::HANDOVER);
}

#[test]
fn the_key_request_in_design_md_is_what_the_code_writes_and_reads() {
    let content_type = "application/discreet-key-request+cwt";
    check("key-request", &key_request(), OTHER_KEY, content_type, &shapes::KEY_REQUEST);
}

#[test]
fn the_examples_of_design_md_stand_as_one_chain() {
    if blessing() {
        return; // The blocks are being written by the other tests.
    }
    let (mapping, status) = (block("mapping"), block("status"));
    let policy: Policy = open(&block("policy"), &public(DIRECTORY_KEY)).unwrap();
    let verifier = policy.verifier(TODAY);
    let verified = verifier.verify(&mapping, &status, Some(&phone("+14155550123"))).unwrap();
    assert_eq!(verified.mapping.credential, block("credential"));
    assert!(policy.verifier(TODAY).withdrawal(&block("withdrawal")).is_ok());
    let revoked = policy.verifier(TODAY).verify(&mapping, &block("revocation"), None);
    assert_eq!(revoked.unwrap_err(), VerifyError::Revoked);
    assert!(KeyRequest::open(&block("key-request")).is_ok());
}

/// Holds DESIGN.md's example of one statement against the claims it should make.
fn check<C: Claims + Debug + PartialEq>(
    name: &str,
    claims: &C,
    key: [&str; 2],
    content_type: &str,
    shape: &Shape,
) {
    let encoded = sign(claims, &signing(key));
    let annotated = annotate(&encoded, shape);
    assert_eq!(strip(&annotated), encoded, "annotating loses nothing");
    if blessing() {
        bless(name, &annotated);
    }
    let written = block(name);
    assert_eq!(
        hex::encode(&written),
        hex::encode(&encoded),
        "DESIGN.md's example-{name}; BLESS=1 rewrites it"
    );
    assert_eq!(&open::<C>(&written, &public(key)).unwrap(), claims);
    check_by_hand(&written, key, content_type);
}

/// The signature, verified over a Sig_structure that is put together here (RFC 9052 §4.4).
fn check_by_hand(statement: &[u8], key: [&str; 2], content_type: &str) {
    // [protected: bstr, unprotected: {}, payload: bstr, signature: bstr .size 64]
    assert_eq!(statement[0], 0x84);
    let (protected, rest) = byte_string(&statement[1..]);
    assert_eq!(rest[0], 0xa0);
    let (payload, rest) = byte_string(&rest[1..]);
    let (signature, rest) = byte_string(rest);
    assert!(rest.is_empty());

    // {1: -19, 3: content type}; texts of 24 to 255 bytes have two bytes of head.
    let length = u8::try_from(content_type.len()).unwrap();
    let header = [&[0xa2, 0x01, 0x32, 0x03, 0x78, length], content_type.as_bytes()].concat();
    assert_eq!(content(protected), header);

    // ["Signature1", protected, external_aad: h'', payload]
    let message = [b"\x84\x6aSignature1".as_slice(), protected, b"\x40", payload].concat();
    let signature: [u8; 64] = content(signature).try_into().unwrap();
    public(key).verify_strict(&message, &signature.into()).unwrap();
}

/// Splits off a byte string, its head included.
fn byte_string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (major, length, head) = head(bytes);
    assert_eq!(major, 2);
    bytes.split_at(head + usize::try_from(length).unwrap())
}

fn content(byte_string: &[u8]) -> &[u8] {
    &byte_string[head(byte_string).2..]
}

fn design_md() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../DESIGN.md")
}

/// The bytes of DESIGN.md's example of a statement.
fn block(name: &str) -> Vec<u8> {
    let text = design();
    let (_, block, _) = split(&text, name);
    strip(block)
}

fn design() -> String {
    std::fs::read_to_string(design_md()).unwrap_or_else(|error| panic!("DESIGN.md cannot be read: {error}"))
}

/// What comes before, in, and after a block.
fn split<'a>(text: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let opening = format!("```hex example-{name}\n");
    let start = text.find(&opening).unwrap_or_else(|| panic!("DESIGN.md has no block ```hex example-{name}"));
    let (before, rest) = text.split_at(start + opening.len());
    let end = rest.find("```").unwrap_or_else(|| panic!("DESIGN.md does not close example-{name}"));
    let (block, after) = rest.split_at(end);
    (before, block, after)
}

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn bless(name: &str, annotated: &str) {
    // Tests run at the same time, and each rewrites the whole file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let text = design();
    let (before, _, after) = split(&text, name);
    std::fs::write(design_md(), format!("{before}{annotated}{after}")).unwrap();
}
