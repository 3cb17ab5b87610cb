//! Challenges: proof that a request for a credential was signed just now, for this service.
//!
//! Nothing is kept: random (16 bytes) ‖ expiry (8, big-endian) ‖ HMAC-SHA256 (32) under a key that
//! lives as long as the process. So nobody fills memory by asking, and a challenge does not outlive
//! a restart, nor count at a replica.

use super::secrets::{NoRandomness, bytes};
use discreet_protocol::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// For how many seconds a challenge is good.
const LIFETIME: u64 = 300;
/// Bytes before the tag.
const BODY: usize = 24;
/// Bytes of a challenge.
pub(crate) const LENGTH: usize = 56;

/// Makes challenges and knows them again.
pub(crate) struct Challenges(Hmac<Sha256>);

impl Challenges {
    /// With a key of its own.
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        let key = zeroize::Zeroizing::new(bytes::<32>()?);
        // HMAC takes keys of any length.
        Hmac::new_from_slice(key.as_slice()).map(Self).map_err(|_| NoRandomness)
    }

    /// A new challenge.
    pub(crate) fn issue(&self, now: Timestamp) -> Result<[u8; LENGTH], NoRandomness> {
        let mut challenge = [0; LENGTH];
        let (body, tag) = challenge.split_at_mut(BODY);
        let (random, expires) = body.split_at_mut(16);
        random.copy_from_slice(&bytes::<16>()?);
        expires.copy_from_slice(&now.plus(LIFETIME).unix().to_be_bytes());
        tag.copy_from_slice(&self.0.clone().chain_update(&*body).finalize().into_bytes());
        Ok(challenge)
    }

    /// Whether `challenge` was issued here and is still good.
    pub(crate) fn accepts(&self, challenge: &[u8], now: Timestamp) -> bool {
        let Some((body, tag)) = challenge.split_at_checked(BODY) else { return false };
        let expires = body.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let ours = self.0.clone().chain_update(body).verify_slice(tag).is_ok();
        ours && now.unix() < expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn a_challenge_is_good_for_five_minutes() {
        let challenges = Challenges::new().unwrap();
        let challenge = challenges.issue(NOW).unwrap();
        assert!(challenge.len() <= discreet_protocol::enrolment::MAX_CHALLENGE);
        assert!(challenges.accepts(&challenge, NOW));
        assert!(challenges.accepts(&challenge, NOW.plus(299)));
        assert!(!challenges.accepts(&challenge, NOW.plus(300)));
        assert_ne!(challenge, challenges.issue(NOW).unwrap());
    }

    #[test]
    fn rejects_a_forged_challenge() {
        let challenges = Challenges::new().unwrap();
        let challenge = challenges.issue(NOW).unwrap();
        for at in 0..challenge.len() {
            let mut forged = challenge;
            forged[at] ^= 1;
            assert!(!challenges.accepts(&forged, NOW), "byte {at}");
        }
        for length in [0, 8, 24, 55] {
            assert!(!challenges.accepts(&challenge[..length], NOW), "{length}");
        }
    }

    #[test]
    fn rejects_another_process_challenge() {
        let challenge = Challenges::new().unwrap().issue(NOW).unwrap();
        assert!(!Challenges::new().unwrap().accepts(&challenge, NOW));
    }
}
