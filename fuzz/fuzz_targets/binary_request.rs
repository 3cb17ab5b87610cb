//! A binary request, as the gateway finds it inside (RFC 9292). What is read can be written, and
//! reads the same again; padding makes no difference.
#![no_main]

use discreet_envelope::message::{decode_request, encode_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = decode_request(bytes) else { return };
    let mut written = encode_request(&request).unwrap();
    written.extend([0; 7]);
    let again = decode_request(&written).unwrap();
    assert_eq!((again.method(), again.uri()), (request.method(), request.uri()));
    assert_eq!((again.headers(), again.body()), (request.headers(), request.body()));
});
