//! The one story of every server's `main`: what it inherits, one role, signals, and what systemd hears of it.
//!
//! What is here belongs to the whole process: no library part calls it.

use std::{future::Future, io, num::NonZeroUsize, thread::available_parallelism};

use sd_notify::NotifyState;
use thiserror::Error;
use tokio::runtime::Builder;

use crate::{Environment, Inherited, JoinError, LogConfig, Shell, signal::Signals};

/// Why a process did not end well.
#[derive(Debug, Error)]
pub enum ServeError<E> {
    /// The system gives no threads, or does not let us listen to signals.
    #[error("the system does not let the server run: {0}")]
    System(io::Error),
    /// The role did not start.
    #[error(transparent)]
    Bind(E),
    /// The role did not end well.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// What the threads do that serve the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Nothing else: one for each processor.
    Network,
    /// They read from a disk, too, and wait for it: enough of them that the others go on.
    NetworkAndDisk,
}

/// Threads for each processor where some wait for the disk.
const THREADS_PER_CORE: usize = 4;

impl Threads {
    fn count(self) -> usize {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        match self {
            Self::Network => cores,
            Self::NetworkAndDisk => cores * THREADS_PER_CORE,
        }
    }
}

/// Makes panics print where they happened but not their message, which may quote a request.
///
/// The panic hook belongs to the process: no library may set it, so only `main` calls this.
pub fn hide_panic_payloads() {
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("panic at {}:{}", place.file(), place.line()),
        None => eprintln!("panic"),
    }));
}

/// Binds a role and serves until SIGTERM or SIGINT, then drains. SIGHUP has it reload. systemd is told of
/// each step (`sd_notify(3)`): ready once it listens, reloading, stopping.
///
/// # Errors
///
/// When the role does not start, or one of its tasks panicked.
pub fn serve<R, E, B>(
    inherited: Inherited,
    log: &LogConfig,
    threads: Threads,
    bind: impl FnOnce(Environment) -> B,
) -> Result<(), ServeError<E>>
where
    R: Into<Shell>,
    B: Future<Output = Result<R, E>>,
{
    let runtime = Builder::new_multi_thread().worker_threads(threads.count()).enable_all().build();
    let runtime = runtime.map_err(ServeError::System)?;
    runtime.block_on(async {
        // Listened for before the port is open, so that no signal is missed.
        let signals = Signals::listen().map_err(ServeError::System)?;
        let environment = Environment { inherited: inherited.clone(), ..Environment::of_process(log) };
        let own = environment.log.clone();
        let shell: Shell = bind(environment).await.map_err(ServeError::Bind)?.into();
        own.within(|| inherited.warn_of_unused());
        Ok(shell.run(signals).await?)
    })
}

pub(crate) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

pub(crate) fn notify_reloading() {
    // The time tells systemd which reload this is.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

pub(crate) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Without systemd nothing happens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
