//! The header that a balancer sends ahead of a connection (PROXY protocol, version 2). What is read lies
//! within the bound, and what follows it makes no difference.
#![no_main]

use discreet_serve::proxy_protocol::{MAX_HEADER_BYTES, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok((source, length)) = decode(bytes) else { return };
    assert!(length <= bytes.len() && length <= MAX_HEADER_BYTES);
    assert_eq!(decode(&bytes[..length]), Ok((source, length)));
    for cut in 0..length {
        assert!(decode(&bytes[..cut]).is_err());
    }
});
