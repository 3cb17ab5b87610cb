//! Vectors of RFC 8037, RFC 7517 and RFC 9679, and each way of being no key.

use super::*;
use crate::answer::Service;
use discreet_protocol::identifier::MimiUri;

/// RFC 8037 A.2: the public key of RFC 8032 §7.1, test 1. A.3 is its RFC 7638 thumbprint, which is
/// of the JWK; ours is of the COSE_Key.
const RFC8037_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// The same key as COSE_Key, written by hand after RFC 9053 §7.2.
const RFC8037_COSE: &str = "a301012006215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// SHA-256 of the line above, by `sha256sum`.
const RFC8037_THUMBPRINT: &str = "866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743";
/// RFC 9679 §6, with a `kid`, and its thumbprint.
const RFC9679_COSE: &str = "a501020258246d65726961646f632e6272616e64796275636b406275636b6c616e642e6578616d706c65200121582065eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d2258201e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c";
const RFC9679_THUMBPRINT: &str = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec";
/// The same point as a JWK, its coordinates from hex to base64url by hand.
const RFC9679_JWK: &str = r#"{"kty":"EC","crv":"P-256","kid":"meriadoc","use":"sig",
    "x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0","y":"HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw"}"#;

fn service(thumbprint: Option<&str>) -> Service {
    let thumbprint = thumbprint.map(|digits| hex::decode(digits).unwrap().try_into().unwrap());
    Service { uri: MimiUri::new("mimi://b.example/u/alice").unwrap(), thumbprint, confirmed: false }
}

#[test]
fn rfc8037_jwk_is_the_cose_key_of_the_same_key() {
    assert_eq!(hex::encode(cose_key(RFC8037_JWK.as_bytes()).unwrap()), RFC8037_COSE);
    let key = cose_key(RFC8037_JWK.as_bytes()).unwrap();
    assert_eq!(service(Some(RFC8037_THUMBPRINT)).verify_key(&key), Ok(()));
}

/// RFC 8037 A.1 is the same key with its private part.
#[test]
fn a_private_jwk_counts_by_its_public_part() {
    let private = RFC8037_JWK.replace("\"x\"", "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"x\"");
    assert_eq!(hex::encode(cose_key(private.as_bytes()).unwrap()), RFC8037_COSE);
}

#[test]
fn rfc9679_key_fits_its_thumbprint_in_every_form() {
    let binary = hex::decode(RFC9679_COSE).unwrap();
    let base64 = URL_SAFE_NO_PAD.encode(&binary);
    let lines = format!("{RFC9679_COSE}\n");
    for form in [binary.as_slice(), base64.as_bytes(), lines.as_bytes(), RFC9679_JWK.as_bytes()] {
        let key = cose_key(form).unwrap();
        assert_eq!(service(Some(RFC9679_THUMBPRINT)).verify_key(&key), Ok(()));
    }
}

#[test]
fn rejects_another_key() {
    let key = cose_key(RFC8037_JWK.as_bytes()).unwrap();
    assert_eq!(service(Some(RFC9679_THUMBPRINT)).verify_key(&key), Err(KeyMismatch::Other));
}

#[test]
fn rejects_an_answer_without_thumbprint() {
    let key = cose_key(RFC8037_JWK.as_bytes()).unwrap();
    assert_eq!(service(None).verify_key(&key), Err(KeyMismatch::NotNamed));
}

#[test]
fn rejects_what_is_no_key() {
    let long = RFC8037_JWK.replace("11qY", "AAAA11qY");
    let other_curve = RFC8037_JWK.replace("Ed25519", "Ed448");
    let with_y = RFC8037_JWK.replace("\"x\"", "\"y\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"x\"");
    let without_y = r#"{"kty":"EC","crv":"P-256","x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0"}"#;
    let rsa = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
    for text in ["", "{}", "00", "a0", "no key", &long, &other_curve, &with_y, without_y, rsa] {
        assert_eq!(cose_key(text.as_bytes()), Err(KeyFormatError), "{text}");
    }
    assert_eq!(service(Some(RFC9679_THUMBPRINT)).verify_key(b""), Err(KeyFormatError.into()));
}

#[test]
fn rejects_a_file_that_is_too_long_for_a_key() {
    let padded = format!("{RFC8037_JWK}{}", " ".repeat(MAX_KEY));
    assert_eq!(cose_key(padded.as_bytes()), Err(KeyFormatError));
}
