//! An encapsulated request, as it reaches the gateway (RFC 9458 §4.3).
//!
//! The first byte chooses: the rest as it is; or sealed by the client's implementation, which must
//! open to the same bytes; or sealed and bent, which must not open.
#![no_main]

use discreet_envelope::keys::KeyCollection;
use discreet_envelope::message::decode_request;
use discreet_gateway::Keyring;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::Secret32;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static RING: LazyLock<(Keyring, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let begins = Timestamp::from_unix(1_795_305_600);
    let ring = Keyring::at(&Ratchet::new(Secret32::new([12; 32]), 0, begins, 7), begins).unwrap();
    let collection = KeyCollection::decode(ring.collection()).unwrap();
    let singles = collection
        .configs()
        .iter()
        .flat_map(|config| config.suites().iter().map(|suite| config.to_single(*suite)).collect::<Vec<_>>());
    let singles = singles.collect();
    (ring, singles)
});

fuzz_target!(|bytes: &[u8]| {
    let (ring, singles) = &*RING;
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    if mode < 128 {
        if let Ok(opened) = ring.open(bytes) {
            assert!(opened.sealer.seal(opened.message).is_some());
        }
        return;
    }
    let single = &singles[usize::from(mode) % singles.len()];
    let client = ohttp::ClientRequest::from_encoded_config(single).unwrap();
    let (mut sealed, opener) = client.encapsulate(bytes).unwrap();
    if mode & 64 != 0 {
        let bend = bytes.first().map_or(0, |byte| usize::from(*byte)) * 251 % sealed.len();
        sealed[bend] ^= 1 << (mode % 8);
        assert!(ring.open(&sealed).is_err());
        return;
    }
    let opened = ring.open(&sealed).unwrap();
    assert!(opened.is_new);
    assert_eq!(opened.message, bytes);
    let _ = decode_request(&opened.message);
    let answer = opened.sealer.seal(bytes.to_vec()).unwrap();
    assert_eq!(opener.decapsulate(&answer).unwrap(), bytes);
});
