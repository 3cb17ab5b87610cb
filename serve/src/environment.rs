//! What a role gets from outside besides its configuration.

use crate::{Clock, Inherited, Log, LogConfig};

/// The log and the clock a role lives with: the process's own in `main`, a test's in tests.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where the role logs.
    pub log: Log,
    /// The time the role believes in.
    pub clock: Clock,
    /// What the process got from who started it; by default nothing.
    pub inherited: Inherited,
}

impl Environment {
    /// A role with this log and clock, which inherits nothing.
    pub fn new(log: Log, clock: Clock) -> Self {
        Self { log, clock, inherited: Inherited::default() }
    }

    /// Logs to standard error and follows the system's clock.
    pub fn of_process(log: &LogConfig) -> Self {
        Self::new(Log::stderr(log), Clock::system())
    }
}
