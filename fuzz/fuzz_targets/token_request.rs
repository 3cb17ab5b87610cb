//! A request for a token as the issuer reads it (RFC 9578 §6.1): what has passed [`Keys::check`], and so cost
//! its user a token of the quota, is signed.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::TokenRequest;
use discreet_provider::issuer::keys::Keys;
use fuzz::VECTOR;
use libfuzzer_sys::fuzz_target;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;

/// 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let pem = String::from_utf8(hex::decode(VECTOR["skS"].as_str().unwrap()).unwrap()).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2026-11-01_2027-03-01.der");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(&STANDARD.decode(base64).unwrap()).unwrap();
    Keys::open(folder.path(), NOW).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = TokenRequest::decode(bytes) else { return };
    assert_eq!(request.encode(), bytes);
    let key = KEYS.signing(NOW).unwrap();
    let fits = request.truncated_key_id == key.truncated_id() && *request.blinded < *key.modulus();
    assert_eq!(KEYS.check(&request, NOW).is_ok(), fits);
    assert_eq!(KEYS.sign(&request, NOW).is_ok(), fits);
});
