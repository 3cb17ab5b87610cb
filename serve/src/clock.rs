//! The time a role believes in, so that tests can move it.
//!
//! Only for time that has a meaning outside the process: validity, cache ages, `Date`. Timeouts
//! use tokio's timer and never this clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A clock in whole seconds since 1970-01-01 UTC. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `unix_seconds` until it is moved.
    pub fn manual(unix_seconds: u64) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(unix_seconds))))
    }

    /// Seconds since 1970-01-01 UTC; 0 when the operating system believes in an earlier date.
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            Source::Manual(seconds) => seconds.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock, and all its clones, to `unix_seconds`. The system's clock stays as it is.
    pub fn set(&self, unix_seconds: u64) {
        if let Source::Manual(seconds) = &self.0 {
            seconds.store(unix_seconds, Ordering::SeqCst);
        }
    }

    /// Moves a manual clock, and all its clones, `seconds` ahead. The system's clock stays as it is.
    pub fn advance(&self, seconds: u64) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}

/// How long the system's clock must have gone on as a clock does before anything is erased by it.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// By how much the clock may be corrected meanwhile, in seconds.
const CORRECTION: u64 = 300;

/// Since when the clock has gone on as a clock does: what one wrong reading erased would not come back.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    since: Instant,
    wall: u64,
}

impl Steady {
    /// From now on, when the clock shows `now`, in seconds since 1970.
    pub fn new(now: u64, instant: Instant) -> Self {
        Self { since: instant, wall: now }
    }

    /// Whether it has for [`PATIENCE`]. A jump begins the wait anew.
    pub fn is(&mut self, now: u64, instant: Instant) -> bool {
        let elapsed = instant.saturating_duration_since(self.since);
        if self.wall.saturating_add(elapsed.as_secs()).abs_diff(now) > CORRECTION {
            *self = Self::new(now, instant);
            return false;
        }
        elapsed >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_steady_after_ten_minutes_without_a_jump() {
        const START: u64 = 1_795_305_600;
        let begin = Instant::now();
        let mut steady = Steady::new(START, begin);
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert!(!steady.is(START + 599, after(599)));
        assert!(steady.is(START + 600, after(600)));
        // Corrected by a minute: still a clock. Ahead by an hour: the wait begins anew.
        assert!(steady.is(START + 760, after(700)));
        assert!(!steady.is(START + 4400, after(800)));
        assert!(!steady.is(START + 4500, after(900)));
        assert!(steady.is(START + 5000, after(1400)));
    }

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(1_700_000_000);
        let other = clock.clone();
        clock.advance(60);
        assert_eq!(other.now(), 1_700_000_060);
        other.set(5);
        assert_eq!(clock.now(), 5);
    }

    #[test]
    fn the_system_clock_is_past_2024_and_cannot_be_moved() {
        let clock = Clock::system();
        clock.set(5);
        clock.advance(5);
        assert!(clock.now() > 1_704_067_200);
    }
}
