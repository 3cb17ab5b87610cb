//! Signals: what an operator, or systemd, tells the process.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals a server obeys. From the moment this exists none of them ends the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// Begins to listen. Call it before binding, inside a tokio runtime, so that none is missed.
    ///
    /// # Errors
    ///
    /// When the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal since the last call; several of a kind may come as one. A stop goes first.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}

/// Resolves at the first SIGTERM, SIGINT or SIGHUP after the call; from the call on none ends the process.
///
/// For processes that are not one role: those have [`serve`](crate::process::serve).
pub fn stop_signal() -> impl Future<Output = ()> {
    let signals = Signals::listen();
    async {
        match signals {
            Ok(mut signals) => {
                signals.next().await;
            }
            // The signals then keep their default action, which ends the process without a drain.
            Err(_) => std::future::pending().await,
        }
    }
}
