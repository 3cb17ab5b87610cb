//! A resolver's answer, as the client reads it. What is understood of it can be written, and reads
//! the same again.
#![no_main]

use discreet_protocol::query::IdentifierResponse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(response) = IdentifierResponse::decode(bytes) else { return };
    let again = response.encode().unwrap();
    assert!(IdentifierResponse::decode(&again).is_ok_and(|again| again == response));
});
