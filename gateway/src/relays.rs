//! What each relay may send, counted before anything is opened.
//!
//! A relay is known by the certificate it shows ([`discreet_serve::Listen::MutualTls`]); without one
//! there is nobody to count for. The limit meets a relay's clients all alike: the gateway cannot tell
//! them apart and must not.

use discreet_serve::Peer;
use serde::Deserialize;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many requests a relay may send.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayLimit {
    /// Requests a second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once, after a pause.
    pub burst: NonZeroU32,
}

/// A token bucket for each relay.
pub(crate) struct Relays {
    limit: Option<RelayLimit>,
    // No more entries than the listener has pinned certificates.
    buckets: Mutex<HashMap<Peer, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Relays {
    pub(crate) fn new(limit: Option<RelayLimit>) -> Self {
        Self { limit, buckets: Mutex::default() }
    }

    /// Whether `relay` may send one more request at `now`.
    pub(crate) fn admit(&self, relay: Option<&Peer>, now: Instant) -> bool {
        let (Some(limit), Some(relay)) = (self.limit, relay) else { return true };
        let burst = f64::from(limit.burst.get());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(relay.clone()).or_insert(Bucket { tokens: burst, filled: now });
        let since = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * f64::from(limit.per_second.get())).min(burst);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn relays() -> Relays {
        let number = |n| NonZeroU32::new(n).unwrap();
        Relays::new(Some(RelayLimit { per_second: number(2), burst: number(3) }))
    }

    #[test]
    fn a_relay_over_its_limit_waits_and_others_do_not() {
        let (relays, start) = (relays(), Instant::now());
        let (one, other) = (Peer::new("one"), Peer::new("other"));
        let admitted: Vec<_> = (0..5).map(|_| relays.admit(Some(&one), start)).collect();
        assert_eq!(admitted, [true, true, true, false, false]);
        assert!(relays.admit(Some(&other), start));
        let later = start + Duration::from_millis(500);
        assert!(relays.admit(Some(&one), later) && !relays.admit(Some(&one), later));
    }

    #[test]
    fn a_pause_gives_no_more_than_a_burst() {
        let (relays, start) = (relays(), Instant::now());
        let one = Peer::new("one");
        assert!(relays.admit(Some(&one), start));
        let later = start + Duration::from_secs(3600);
        let admitted = (0..10).filter(|_| relays.admit(Some(&one), later)).count();
        assert_eq!(admitted, 3);
    }

    #[test]
    fn without_a_limit_or_a_certificate_nobody_is_counted() {
        let start = Instant::now();
        assert!((0..100).all(|_| relays().admit(None, start)));
        assert!((0..100).all(|_| Relays::new(None).admit(Some(&Peer::new("one")), start)));
    }
}
