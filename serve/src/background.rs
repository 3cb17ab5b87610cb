//! What a role does besides answering.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::connection::stopped;

/// Work that goes on beside the answering: the shell owns it and gives it the role's log. It may end by
/// itself; if it panics, the server ends with [`JoinError::Panicked`](crate::JoinError::Panicked).
pub struct Task(Work);

/// Resolves once the server is told to stop.
pub type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Work {
    UntilStop(Boxed),
    UntilDrained(Box<dyn FnOnce(Stopping) -> Boxed + Send>),
}

impl Task {
    /// Takes over `work`, which is dropped at a stop. Where it is dropped, at an `await`, nothing may be left
    /// half done.
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Work::UntilStop(Box::pin(work)))
    }

    /// Takes over work that has something to bring to an end: it hears of the stop, and the server is not
    /// down before it has ended. It is dropped only at the drain deadline.
    pub fn draining<F>(work: impl FnOnce(Stopping) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Work::UntilDrained(Box::new(move |stopping| Box::pin(work(stopping)))))
    }

    /// The work, until it ends, or has to: at the stop, or `drain` later.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>, drain: Duration) {
        match self.0 {
            Work::UntilStop(work) => tokio::select! {
                () = stopped(stop) => {}
                () = work => {}
            },
            Work::UntilDrained(work) => tokio::select! {
                () = async { stopped(stop.clone()).await; sleep(drain).await } => {}
                () = work(Box::pin(stopped(stop.clone()))) => {}
            },
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task(…)")
    }
}
