//! The signed policy, as this gateway publishes it.
//!
//! A policy is signed anew each day and with each change of keys, and depends on nothing but the
//! rules, the keys and the day; so replicas with the same files and clocks publish the same bytes,
//! and a relay's copy tells nothing about who fetched it.

use crate::keyring::Keyring;
use crate::metrics::{Metrics, Signing};
use crate::signer::{SignError, Signer};
use bytes::Bytes;
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::MAX_STATEMENT;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_resolver::rules::Rules;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why there is no policy to publish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The signer has given none for so long that the last one has expired.
    #[error("the last signed policy has expired; look after the signer")]
    Expired,
}

/// Why changed rules are not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeUpError {
    /// The policy of them cannot be signed.
    #[error("the policy of the changed rules cannot be signed: {0}")]
    Sign(#[from] SignError),
    /// The policy of them is longer than any client reads.
    #[error(
        "the policy of the changed rules has {bytes} bytes, clients read {MAX_STATEMENT}: name fewer authorities, namespaces or issuers"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Signs and keeps the policy of the moment.
pub(crate) struct Publisher {
    signer: Signer,
    metrics: Metrics,
    state: Mutex<State>,
}

/// By which rules the policy is made, and the last one.
struct State {
    rules: Arc<Rules>,
    latest: Option<Signed>,
}

struct Signed {
    serial: u64,
    void_from: Timestamp,
    keys: Vec<u8>,
    bytes: Bytes,
}

impl Publisher {
    pub(crate) fn new(rules: Arc<Rules>, signer: Signer, metrics: Metrics) -> Self {
        Self { signer, metrics, state: Mutex::new(State { rules, latest: None }) }
    }

    /// The rules of which the policy is made.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.state().rules)
    }

    /// Publishes other rules from now on. `in_force` has whoever answers go by them, too: nobody sees a policy
    /// that is ahead of the answers.
    ///
    /// # Errors
    ///
    /// When there is no policy of them to publish; then nothing changes, and `in_force` is not called.
    pub(crate) fn take_up(
        &self,
        rules: Arc<Rules>,
        now: Timestamp,
        ring: &Keyring,
        in_force: impl FnOnce(),
    ) -> Result<(), TakeUpError> {
        let signed = self.sign(policy(&rules, now.start_of_day(), ring))?;
        let bytes = signed.bytes.len();
        if bytes > MAX_STATEMENT {
            return Err(TakeUpError::TooLong { bytes });
        }
        let mut state = self.state();
        in_force();
        self.metrics.policy_expires(signed.void_from);
        *state = State { rules, latest: Some(signed) };
        Ok(())
    }

    /// The policy to publish at `now`, with the keys of `ring`. A signer that is a command is not run
    /// here: until [`Publisher::refresh`] has had its turn, the last policy goes on; its keys drain as
    /// long.
    ///
    /// # Errors
    ///
    /// When there is none that has not expired.
    pub(crate) fn current(&self, now: Timestamp, ring: &Keyring) -> Result<Bytes, PublishError> {
        if self.signer.is_local() {
            self.refresh(now, ring)?;
        }
        let state = self.state();
        let latest = state.latest.as_ref().filter(|signed| now < signed.void_from);
        latest.map(|signed| signed.bytes.clone()).ok_or(PublishError::Expired)
    }

    /// Signs a new policy if one is due.
    ///
    /// # Errors
    ///
    /// When it cannot be signed; the last one stays.
    pub(crate) fn refresh(&self, now: Timestamp, ring: &Keyring) -> Result<(), SignError> {
        let rules = self.rules();
        let policy = policy(&rules, now.start_of_day(), ring);
        let is_current = |signed: &Signed| {
            // A clock that went ahead and came back must not lower a serial that clients have seen.
            signed.serial >= policy.serial && signed.keys == policy.keys && now < signed.void_from
        };
        if self.state().latest.as_ref().is_some_and(is_current) {
            return Ok(());
        }
        let signed = self.sign(policy)?;
        let mut state = self.state();
        // A command takes its time: the rules may have changed meanwhile, and been published.
        if Arc::ptr_eq(&state.rules, &rules) {
            self.metrics.policy_expires(signed.void_from);
            state.latest = Some(signed);
        }
        Ok(())
    }

    /// When the policy that is served expires.
    pub(crate) fn void_from(&self) -> Option<Timestamp> {
        self.state().latest.as_ref().map(|signed| signed.void_from)
    }

    fn sign(&self, policy: Policy) -> Result<Signed, SignError> {
        let signed = self.signer.sign(&policy);
        self.metrics.count_signing(signed.as_ref().map_or_else(SignError::outcome, |_| Signing::Signed));
        let Policy { serial, not_after: void_from, keys, .. } = policy;
        Ok(Signed { serial, void_from, keys, bytes: Bytes::from(signed?) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn policy(rules: &Rules, day: Timestamp, ring: &Keyring) -> Policy {
    Policy {
        domain: rules.domain.clone(),
        serial: serial(rules.edition, day, ring.epoch()),
        // A clock that runs slow must not cut its client off at midnight.
        not_before: day.minus(DAY),
        not_after: day.plus(u64::from(rules.validity_days) * DAY),
        operator: rules.operator.clone(),
        keys: ring.collection().to_vec(),
        authorities: rules.authorities.clone(),
        sizes: (REQUEST_CONTENT as u64, RESPONSE_CONTENT as u64),
        services: rules.services.clone(),
        issuers: rules.issuers.clone(),
        prices: rules.prices,
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

    fn publisher(signer: Signer) -> Publisher {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, "domain = \"dp.example\"\noperator = \"Example\"\nedition = 1\n").unwrap();
        Publisher::new(Rules::load(&path).unwrap().into(), signer, Metrics::default())
    }

    fn ring(now: Timestamp, fill: u8) -> Keyring {
        let seed = discreet_serve::secret::Secret32::new([fill; 32]);
        Keyring::at(&crate::ratchet::Ratchet::new(seed, 0, now.start_of_day(), 7), now).unwrap()
    }

    fn key() -> discreet_protocol::SigningKey {
        discreet_protocol::SigningKey::from_bytes(&[5; 32])
    }

    #[test]
    fn a_clock_that_went_ahead_and_came_back_lowers_no_serial() {
        let (publisher, today) = (publisher(Signer::Key(key())), Timestamp::from_unix(20_000 * DAY));
        let ring = ring(today, 1);
        let ahead = publisher.current(today.plus(DAY), &ring).unwrap();
        assert_eq!(publisher.current(today, &ring).unwrap(), ahead);
        let later = publisher.current(today.plus(2 * DAY), &ring).unwrap();
        assert_ne!(later, ahead);
    }

    #[test]
    fn other_keys_are_published_at_once_whatever_the_serial() {
        let (publisher, today) = (publisher(Signer::Key(key())), Timestamp::from_unix(20_000 * DAY));
        let one = publisher.current(today, &ring(today, 1)).unwrap();
        assert_ne!(publisher.current(today, &ring(today, 2)).unwrap(), one);
    }

    #[test]
    fn other_rules_are_published_together_with_whoever_answers_by_them() {
        let (publisher, today) = (publisher(Signer::Key(key())), Timestamp::from_unix(20_000 * DAY));
        let ring = ring(today, 1);
        let first = publisher.current(today, &ring).unwrap();
        let next = Arc::new(Rules { edition: 2, ..(*publisher.rules()).clone() });
        let mut told = false;
        publisher.take_up(next, today, &ring, || told = true).unwrap();
        assert!(told && publisher.rules().edition == 2);
        assert_ne!(publisher.current(today, &ring).unwrap(), first);
    }

    #[test]
    fn rules_that_cannot_be_signed_change_nothing() {
        let (mut publisher, today) = (publisher(Signer::Key(key())), Timestamp::from_unix(20_000 * DAY));
        let ring = ring(today, 1);
        let first = publisher.current(today, &ring).unwrap();
        let next = Arc::new(Rules { edition: 2, ..(*publisher.rules()).clone() });
        let command = vec!["false".to_owned()];
        publisher.signer = Signer::Command { command, public: Box::new(key().verifying_key()) };
        let refused = publisher.take_up(next, today, &ring, || panic!("it was not published"));
        assert!(matches!(refused, Err(TakeUpError::Sign(_))));
        assert_eq!((publisher.rules().edition, publisher.current(today, &ring).unwrap()), (1, first));
    }

    #[test]
    fn a_signer_that_fails_leaves_the_last_policy_until_it_expires() {
        let command = vec!["false".to_owned()];
        let broken = Signer::Command { command, public: Box::new(key().verifying_key()) };
        let (mut publisher, today) = (publisher(Signer::Key(key())), Timestamp::from_unix(20_000 * DAY));
        let ring = ring(today, 1);
        let last = publisher.current(today, &ring).unwrap();
        publisher.signer = broken;
        assert!(publisher.refresh(today.plus(DAY), &ring).is_err());
        assert_eq!(publisher.current(today.plus(6 * DAY), &ring).unwrap(), last);
        assert!(matches!(publisher.current(today.plus(7 * DAY), &ring), Err(PublishError::Expired)));
    }
}
