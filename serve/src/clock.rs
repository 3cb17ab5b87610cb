//! The time a role believes in, so that tests can move it.
//!
//! Only for time that has a meaning outside the process: validity, cache ages, `Date`. Timeouts
//! use tokio's timer and never this clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
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

#[cfg(test)]
mod tests {
    use super::*;

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
