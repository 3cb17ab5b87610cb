//! On whose thread an answer is made: what only reads on those that serve the network, since leaving them takes a
//! tenth to a fifth of a lookup's processor time; what waits for the disk's writes on others.

use crate::Resolver;
use bytes::Bytes;
use discreet_serve::{Workers, problem};
use http::{Request, Response, StatusCode};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;

/// Lookups at once on threads that serve the network, per processor and altogether: fewer than those threads
/// ([`Threads::NetworkAndDisk`](discreet_serve::process::Threads)), and than the readers of a directory, so that
/// neither a slow disk nor a crowd of readers puts all of them to sleep. More are answered beside.
const INLINE_PER_CORE: usize = 3;
const MAX_INLINE: usize = 12;
/// Answers beside at once, per processor: enough to be written together.
const WRITERS_PER_CORE: usize = 32;
/// And altogether: half of the threads that there are for it, so that the others' work goes on.
const MAX_WRITERS: usize = 256;

/// Places to answer in.
pub(crate) struct Threads {
    inline: Semaphore,
    writers: Workers,
}

impl Default for Threads {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            inline: Semaphore::new((cores * INLINE_PER_CORE).min(MAX_INLINE)),
            writers: Workers::new((cores * WRITERS_PER_CORE).min(MAX_WRITERS)),
        }
    }
}

impl Resolver {
    /// As [`Resolver::answer`], from a task that serves the network.
    pub async fn respond(self: &Arc<Self>, request: Request<Bytes>) -> Response<Bytes> {
        let taken = self.take(request);
        if taken.only_reads()
            && let Ok(_place) = self.threads.inline.try_acquire()
        {
            return taken.answer();
        }
        let answered = self.threads.writers.run(move || taken.answer()).await;
        // The process is ending.
        answered.unwrap_or_else(|| problem(StatusCode::SERVICE_UNAVAILABLE, "this resolver is stopping"))
    }
}
