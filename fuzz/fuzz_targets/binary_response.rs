//! A binary response, as the client finds it inside (RFC 9292). What is read can be written, and
//! reads the same again; padding makes no difference.
#![no_main]

use discreet_envelope::message::{decode_response, encode_response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(response) = decode_response(bytes) else { return };
    assert!((200..600).contains(&response.status().as_u16()));
    let mut written = encode_response(&response).unwrap();
    written.extend([0; 7]);
    let again = decode_response(&written).unwrap();
    assert_eq!(again.status(), response.status());
    assert_eq!((again.headers(), again.body()), (response.headers(), response.body()));
});
