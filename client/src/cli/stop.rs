//! Being asked to stop.

use std::io;
use tokio::signal::ctrl_c;

/// Ends when the command is to stop: by Ctrl-C, or by whoever started it, with SIGTERM. Until this is polled for the
/// first time, either ends the process.
///
/// # Errors
///
/// When the system does not tell of signals.
pub(crate) async fn asked() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            asked = ctrl_c() => asked,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await
}
