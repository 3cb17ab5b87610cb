//! The signed policy, as this gateway publishes it.
//!
//! A policy is signed anew each day and depends on nothing but the rules, the keys and the day; so
//! replicas with the same files and clocks publish the same bytes, and a relay's copy tells nothing
//! about who fetched it.

use bytes::Bytes;
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_protocol::SigningKey;
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_resolver::rules::Rules;
use std::sync::{Mutex, PoisonError};

/// Signs and keeps the policy of the day.
pub(crate) struct Publisher {
    rules: Rules,
    keys: Vec<u8>,
    directory_key: SigningKey,
    today: Mutex<Option<(Timestamp, Bytes)>>,
}

impl Publisher {
    pub(crate) fn new(rules: Rules, keys: Vec<u8>, directory_key: SigningKey) -> Self {
        Self { rules, keys, directory_key, today: Mutex::new(None) }
    }

    /// The policy of the day `now` lies in.
    pub(crate) fn current(&self, now: Timestamp) -> Bytes {
        let day = now.start_of_day();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*today {
            Some((signed_for, bytes)) if *signed_for == day => bytes.clone(),
            _ => {
                let bytes = Bytes::from(sign(&self.policy(day), &self.directory_key));
                *today = Some((day, bytes.clone()));
                bytes
            }
        }
    }

    fn policy(&self, day: Timestamp) -> Policy {
        Policy {
            domain: self.rules.domain.clone(),
            serial: serial(self.rules.edition, day),
            // A clock that runs slow must not cut its client off at midnight.
            not_before: day.minus(DAY),
            not_after: day.plus(u64::from(self.rules.validity_days) * DAY),
            operator: self.rules.operator.clone(),
            keys: self.keys.clone(),
            authorities: self.rules.authorities.clone(),
            sizes: (REQUEST_CONTENT as u64, RESPONSE_CONTENT as u64),
            services: self.rules.services.clone(),
        }
    }
}

/// The rules' edition first, then the day: grows with either, and is the same in every replica.
fn serial(edition: u32, day: Timestamp) -> u64 {
    (u64::from(edition) << 32) + day.unix() / DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_grow_with_the_day_and_more_with_the_edition() {
        let day = |n| Timestamp::from_unix(n * DAY);
        assert!(serial(1, day(20_001)) > serial(1, day(20_000)));
        assert!(serial(2, day(20_000)) > serial(1, day(30_000)));
    }
}
