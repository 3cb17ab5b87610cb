//! An encapsulated request, opened with the keys' own cryptography (RFC 9458 §4.3): slow, because each
//! execution is an HPKE exchange. Reading its head is fuzzed apart, in `encapsulated_header`.
//!
//! The first byte chooses: the rest as it is; or sealed by the client's implementation, which must
//! open to the same bytes; or sealed and bent, which must not open.
#![no_main]

use discreet_envelope::keys::KeyCollection;
use discreet_envelope::message::decode_request;
use fuzz::RING;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SINGLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let collection = KeyCollection::decode(RING.collection()).unwrap();
    let singles = collection
        .configs()
        .iter()
        .flat_map(|config| config.suites().iter().map(|suite| config.to_single(*suite)).collect::<Vec<_>>());
    singles.collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    if mode < 128 {
        if let Ok(opened) = RING.open(bytes) {
            assert!(opened.sealer.seal(opened.message).is_some());
        }
        return;
    }
    let single = &SINGLES[usize::from(mode) % SINGLES.len()];
    let client = ohttp::ClientRequest::from_encoded_config(single).unwrap();
    let (mut sealed, opener) = client.encapsulate(bytes).unwrap();
    if mode & 64 != 0 {
        let bend = bytes.first().map_or(0, |byte| usize::from(*byte)) * 251 % sealed.len();
        sealed[bend] ^= 1 << (mode % 8);
        assert!(RING.open(&sealed).is_err());
        return;
    }
    let opened = RING.open(&sealed).unwrap();
    assert!(opened.is_new);
    assert_eq!(opened.message, bytes);
    let _ = decode_request(&opened.message);
    let answer = opened.sealer.seal(bytes.to_vec()).unwrap();
    assert_eq!(opener.decapsulate(&answer).unwrap(), bytes);
});
