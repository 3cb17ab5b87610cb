//! What several fuzz targets share. The targets are in `fuzz_targets/`, one for each decoder of
//! bytes from the network; `cargo fuzz run -s none NAME seeds/NAME` runs one.
//!
//! A target's property is a panic when it does not hold: that is how libFuzzer is told.

use discreet_protocol::SigningKey;
use discreet_protocol::statement::{Claims, Unverified, open, sign};

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
