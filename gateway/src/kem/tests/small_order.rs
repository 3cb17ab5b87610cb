//! Points whose agreement is all zeros whatever the private key (RFC 7748 §6.1, §7; RFC 9180 §7.1.4).

use super::*;
use hpke::kem::{X25519HkdfSha256, XWing as TheirXWing};

/// All encodings of the points of order 1, 2, 4 and 8 on the curve and its twist: 0, 1, both points of
/// order 8, p - 1, p, p + 1 (cr.yp.to/ecdh.html, "validate"). X25519 masks the highest bit.
const POINTS: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn points() -> impl Iterator<Item = Vec<u8>> {
    POINTS.into_iter().flat_map(|point| {
        let point = hex::decode(point).unwrap();
        let mut masked = point.clone();
        masked[31] |= 0x80;
        [point, masked]
    })
}

/// Whether `K` refuses `enc`, under three private keys.
fn refused<K: HpkeKem>(enc: &[u8]) -> bool {
    let enc = K::EncappedKey::from_bytes(enc).unwrap();
    let decap = |seed| K::decap(&K::derive_keypair(&[seed; 32]).0, None, &enc);
    (1..=3).map(decap).all(|secret| secret.err() == Some(HpkeError::DecapError))
}

#[test]
fn rejects_points_of_small_order_under_x25519() {
    for point in points() {
        assert!(refused::<X25519>(&point), "{}", hex::encode(&point));
        assert!(refused::<X25519HkdfSha256>(&point), "hpke's own: {}", hex::encode(&point));
    }
}

/// The draft leaves it open, and hpke's own takes them; who sends one is no honest client. The ML-KEM part
/// is sealed to the key, so that nothing else is wrong.
#[test]
fn rejects_points_of_small_order_under_x_wing() {
    for seed in 1..=3 {
        let (private, public) = XWing::derive_keypair(&[seed; 32]);
        let (_, enc) = TheirXWing::encap(&public, None).ok().unwrap();
        for point in points() {
            let bent = [&enc.to_bytes()[..1088], &point].concat();
            let bent = <XWing as HpkeKem>::EncappedKey::from_bytes(&bent).unwrap();
            let secret = XWing::decap(&private, None, &bent);
            assert_eq!(secret.err(), Some(HpkeError::DecapError), "{}", hex::encode(&point));
        }
    }
}

#[test]
fn takes_a_point_that_only_looks_like_zero() {
    let mut point = [0; 32];
    point[0] = 2;
    assert!(!refused::<X25519>(&point));
}
