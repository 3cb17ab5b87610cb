//! What an external signer prints: a signature in hex, or nothing that is taken for one.
#![no_main]

use discreet_gateway::read_signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(signature) = read_signature(bytes) else { return };
    let digits = bytes.trim_ascii().to_ascii_lowercase();
    assert_eq!(digits, hex::encode(signature).into_bytes());
    assert_eq!(digits.len(), 128);
});
