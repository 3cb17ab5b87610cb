//! A mapping with its status, as the resolver and the client read and verify it. It has one
//! encoding. Nothing that libFuzzer makes up can carry the authority's signature, except the seed.
#![no_main]

use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Authorities, Authority, Services};
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::Verifier;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// RFC 8032 §7.1, test 2: the authority of the examples in DESIGN.md.
const AUTHORITY: [u8; 32] = [
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c,
    0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
];
/// 2026-11-22.
const TODAY: Timestamp = Timestamp::from_unix(1_795_305_600);

static RULES: LazyLock<(Domain, Authorities, Services)> = LazyLock::new(|| {
    let authority = Authority {
        name: Domain::new("authority.example").unwrap(),
        key: VerifyingKey::from_bytes(&AUTHORITY).unwrap(),
        namespaces: vec!["tel:+1415".parse().unwrap()],
    };
    let authorities = Authorities::new(vec![authority]).unwrap();
    (Domain::new("dp.example").unwrap(), authorities, Services::default())
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(both) = VerifiableMapping::decode(bytes) else { return };
    assert_eq!(both.encode().unwrap(), bytes);
    let (domain, authorities, services) = &*RULES;
    let verifier = Verifier { domain, authorities, services, now: TODAY.plus(DAY) };
    if let Ok(verified) = verifier.verify(both.mapping(), both.status(), None) {
        // The example's, and nobody else's.
        assert_eq!(verified.mapping.serial, 3_735_928_559);
    }
});
