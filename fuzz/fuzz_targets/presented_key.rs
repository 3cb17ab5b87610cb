//! A key that a messaging service presents: COSE_Key or JWK (RFC 9679, RFC 7517).
#![no_main]

use discreet_client::{MAX_KEY, cose_key};
use discreet_protocol::key::thumbprint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = thumbprint(bytes);
    let Ok(key) = cose_key(bytes) else { return };
    assert!(bytes.len() <= MAX_KEY);
    assert!(thumbprint(&key).is_ok());
    assert_eq!(cose_key(&key).unwrap(), key);
});
