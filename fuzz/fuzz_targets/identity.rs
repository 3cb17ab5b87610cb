//! An identity file: one a person restores from a backup may hold anything. What is read is written
//! again, and reads the same.
#![no_main]

use discreet_client::{Identity, Timestamp};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);

fuzz_target!(|bytes: &[u8]| {
    let Some(identity) = Identity::from_bytes(bytes) else { return };
    let written = identity.to_bytes();
    let again = Identity::from_bytes(&written).unwrap();
    assert_eq!(*again.to_bytes(), *written);
    assert_eq!((again.holder(), again.csi()), (identity.holder(), identity.csi()));
    // Statements in it are bytes that nobody has verified.
    let _ = (identity.credential(), identity.standing(), identity.credential_state(NOW));
    for tag in identity.tags() {
        for domain in identity.domains(tag) {
            let attempts = identity.attempts(tag, domain).iter();
            for published in attempts.chain(identity.published(tag, domain)) {
                assert!(!published.is_visible(NOW) || published.claims().is_some());
            }
        }
    }
});
