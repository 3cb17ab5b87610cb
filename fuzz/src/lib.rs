//! What several fuzz targets share. The targets are in `fuzz_targets/`, one for each decoder of
//! bytes from the network, from files and from programs that are not ours;
//! `cargo fuzz run -s none NAME seeds/NAME` runs one.
//!
//! A target's property is a panic when it does not hold: that is how libFuzzer is told.

use discreet_gateway::Keyring;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::SigningKey;
use discreet_protocol::statement::{Claims, Unverified, open, sign};
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::Secret32;
use serde_json::Value;
use std::sync::LazyLock;

/// A gateway's keys. Their ids are in `seeds.py`, too.
pub static RING: LazyLock<Keyring> = LazyLock::new(|| {
    let begins = Timestamp::from_unix(1_795_305_600);
    Keyring::at(&Ratchet::new(Secret32::new([12; 32]), 0, begins, 7), begins).unwrap()
});

/// An issuer's key and a request to it: the first vector of RFC 9578, which `seeds.py` uses, too.
pub static VECTOR: LazyLock<Value> = LazyLock::new(|| {
    let vectors = include_str!("../../tests/vectors/rfc9578-public-tokens.json");
    serde_json::from_str::<Vec<Value>>(vectors).unwrap().swap_remove(0)
});

/// Reads `bytes` as a statement of one type. What is read must say the same once it is signed anew,
/// and nothing but the key that signed it may verify it.
pub fn statement<C: Claims + Clone + PartialEq>(bytes: &[u8]) -> Option<C> {
    let claims = Unverified::<C>::read(bytes).ok()?.into_claims();
    let key = SigningKey::from_bytes(&[7; 32]);
    let again = sign(&claims, &key);
    assert!(open::<C>(&again, &key.verifying_key()).is_ok_and(|read| read == claims));
    let stranger = SigningKey::from_bytes(&[8; 32]).verifying_key();
    assert!(open::<C>(bytes, &stranger).is_err());
    Some(claims)
}
