//! The signed policy, as this gateway publishes it.
//!
//! A policy is signed anew each day and with each change of keys, and depends on nothing but the
//! rules, the keys and the day; so replicas with the same files and clocks publish the same bytes,
//! and a relay's copy tells nothing about who fetched it.

use crate::keyring::Keyring;
use crate::signer::{SignError, Signer};
use bytes::Bytes;
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_protocol::policy::Policy;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_resolver::rules::Rules;
use std::sync::{Mutex, PoisonError};

/// Signs and keeps the policy of the moment.
pub(crate) struct Publisher {
    rules: Rules,
    signer: Signer,
    latest: Mutex<Option<Signed>>,
}

struct Signed {
    serial: u64,
    void_from: Timestamp,
    bytes: Bytes,
}

impl Publisher {
    pub(crate) fn new(rules: Rules, signer: Signer) -> Self {
        Self { rules, signer, latest: Mutex::new(None) }
    }

    /// The policy at `now`, with the keys of `ring`.
    ///
    /// # Errors
    ///
    /// When a new one is due and cannot be signed, and the last one has expired. Until then the last
    /// one goes on: its keys drain as long.
    pub(crate) fn current(&self, now: Timestamp, ring: &Keyring) -> Result<Bytes, SignError> {
        let policy = self.policy(now.start_of_day(), ring);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = latest.as_ref().filter(|signed| signed.serial == policy.serial) {
            return Ok(signed.bytes.clone());
        }
        match self.signer.sign(&policy) {
            Ok(bytes) => {
                let bytes = Bytes::from(bytes);
                let (serial, void_from) = (policy.serial, policy.not_after);
                *latest = Some(Signed { serial, void_from, bytes: bytes.clone() });
                Ok(bytes)
            }
            Err(error) => {
                let last = latest.as_ref().filter(|signed| now < signed.void_from);
                last.map(|signed| signed.bytes.clone()).ok_or(error)
            }
        }
    }

    fn policy(&self, day: Timestamp, ring: &Keyring) -> Policy {
        Policy {
            domain: self.rules.domain.clone(),
            serial: serial(self.rules.edition, day, ring.epoch()),
            // A clock that runs slow must not cut its client off at midnight.
            not_before: day.minus(DAY),
            not_after: day.plus(u64::from(self.rules.validity_days) * DAY),
            operator: self.rules.operator.clone(),
            keys: ring.collection().to_vec(),
            authorities: self.rules.authorities.clone(),
            sizes: (REQUEST_CONTENT as u64, RESPONSE_CONTENT as u64),
            services: self.rules.services.clone(),
        }
    }
}

/// The rules' edition first, then day and epoch of the keys: grows with each of the three, and is
/// the same in every replica.
fn serial(edition: u32, day: Timestamp, epoch: u64) -> u64 {
    (u64::from(edition) << 32) + day.unix() / DAY + epoch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_grow_with_day_and_epoch_and_more_with_the_edition() {
        let day = |n| Timestamp::from_unix(n * DAY);
        assert!(serial(1, day(20_001), 5) > serial(1, day(20_000), 5));
        assert!(serial(1, day(20_000), 6) > serial(1, day(20_000), 5));
        assert!(serial(2, day(20_000), 0) > serial(1, day(30_000), (1 << 31) - 1));
    }
}
