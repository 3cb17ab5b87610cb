//! Being asked to stop.

use std::io;
use tokio::signal::ctrl_c;

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// By Ctrl-C.
    Interrupted,
    /// By SIGTERM, as whoever started it as a service does.
    Terminated,
}

/// Ends when the command is to stop. Until this is polled for the first time, a signal ends the process.
///
/// # Errors
///
/// When the system does not tell of signals.
pub(crate) async fn asked() -> io::Result<Stop> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            asked = ctrl_c() => asked.map(|()| Stop::Interrupted),
            _ = terminate.recv() => Ok(Stop::Terminated),
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await.map(|()| Stop::Interrupted)
}
