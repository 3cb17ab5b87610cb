//! How long requests wait for an upstream that takes no connections.
//!
//! One that is restarted is back within a moment, and nothing is lost if everybody waits that long. One
//! that stays away must not hold its callers: the patience is for the outage, not for each request.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after its beginning requests wait for the end of an outage.
const PATIENCE: Duration = Duration::from_secs(3);
/// After so long without a failure the next one begins another outage.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// The first pause between two attempts to connect; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What all requests to one upstream know of its absence.
#[derive(Debug)]
pub(super) struct Outage {
    patience: Duration,
    span: Mutex<Option<Span>>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    began: Instant,
    last_failure: Instant,
}

impl Outage {
    /// For exchanges that may take `timeout` each: who waits must still hear of it.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { patience: PATIENCE.min(timeout / 2), span: Mutex::default() }
    }

    /// Notes that a connection could not be made. Whether another attempt is worth waiting for.
    pub(super) fn note(&self, now: Instant) -> bool {
        let mut span = self.span();
        let known = span.filter(|span| now.duration_since(span.last_failure) < FORGOTTEN);
        let began = known.map_or(now, |span| span.began);
        *span = Some(Span { began, last_failure: now });
        now.duration_since(began) < self.patience
    }

    /// Notes that a connection was made.
    pub(super) fn over(&self) {
        *self.span() = None;
    }

    fn span(&self) -> MutexGuard<'_, Option<Span>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pauses between attempts, in order.
pub(super) fn pauses() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(FIRST_PAUSE), |pause| Some((*pause * 2).min(LONGEST_PAUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_outage_is_waited_for_once_and_not_by_each_request() {
        let (outage, start) = (Outage::new(10 * SECOND), Instant::now());
        assert!(outage.note(start));
        assert!(outage.note(start + 2 * SECOND));
        for seconds in 3..20 {
            assert!(!outage.note(start + seconds * SECOND), "{seconds}");
        }
    }

    #[test]
    fn a_connection_or_ten_quiet_seconds_end_an_outage() {
        let (outage, start) = (Outage::new(10 * SECOND), Instant::now());
        outage.note(start);
        assert!(!outage.note(start + 3 * SECOND));
        assert!(outage.note(start + 13 * SECOND), "forgotten");
        assert!(!outage.note(start + 16 * SECOND));
        outage.over();
        assert!(outage.note(start + 16 * SECOND));
    }

    #[test]
    fn the_patience_is_shorter_than_an_exchange_may_take() {
        let (outage, start) = (Outage::new(SECOND), Instant::now());
        outage.note(start);
        assert!(!outage.note(start + SECOND / 2));
    }

    #[test]
    fn pauses_grow_to_half_a_second() {
        let millis: Vec<_> = pauses().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [20, 40, 80, 160, 320, 500, 500]);
    }
}
