//! An authority's answers as the client reads them. The first byte chooses which.
#![no_main]

use discreet_client::authority_answer::{Issued, MAX_SAY, challenge, description, enrolment, issued};
use discreet_client::{Csi, Identity, Timestamp};
use discreet_protocol::enrolment::MAX_CHALLENGE;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);

static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::generate(Csi::from_uri("tel:+14155550123").unwrap()).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    match choice % 5 {
        0 => assert!(description(body).is_none_or(|(_, key)| !key.is_weak())),
        1 => drop(enrolment(body).map(|begun| {
            harmless(&begun.code);
            harmless(&begun.say);
        })),
        2 => assert!(challenge(body).is_none_or(|challenge| challenge.len() <= MAX_CHALLENGE)),
        status => match issued(200 + 2 * u16::from(status - 3), body) {
            // Nothing that libFuzzer makes up is a credential for a key drawn just now.
            Some(Issued::Credential { credential, status }) => {
                assert!(IDENTITY.clone().accept(credential, status, NOW).is_err());
            }
            Some(Issued::Pending { say }) => harmless(&say),
            None => {}
        },
    }
});

/// What is shown on a terminal cannot drive it.
fn harmless(text: &str) {
    assert!(text.chars().count() <= MAX_SAY);
    assert!(!text.chars().any(char::is_control));
}
