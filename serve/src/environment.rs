//! What a role gets from outside besides its configuration.

use crate::{Clock, Log, LogConfig};

/// The log and the clock a role lives with: the process's own in `main`, a test's in tests.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where the role logs.
    pub log: Log,
    /// The time the role believes in.
    pub clock: Clock,
}

impl Environment {
    /// Logs to standard error and follows the system's clock.
    pub fn of_process(log: &LogConfig) -> Self {
        Self { log: Log::stderr(log), clock: Clock::system() }
    }
}
