//! Work that blocks, off the network's threads, and only so much of it at once.
//!
//! A request that is dropped does not stop work that has begun: so the place belongs to the work, not to whoever waits
//! for it, or requests that are reset at once would fill the machine with work that nobody counts.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Places for work.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Semaphore>);

impl Workers {
    /// For so much work at once; more waits.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Does `work` once there is a place, which it keeps until it ends. `None`: the process is ending.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        match done.await {
            Ok(done) => Some(done),
            // The shell answers and counts it.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_whose_caller_left_keeps_its_place_until_it_ends() {
        let workers = Workers::new(1);
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let caller = tokio::spawn({
            let workers = workers.clone();
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                };
                workers.run(work).await
            }
        });
        begins.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(workers.0.available_permits(), 0, "it is at work still");
        end.send(()).unwrap();
        assert_eq!(workers.run(|| 7).await, Some(7), "there is a place once it has ended");
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_place_back() {
        let workers = Workers::new(1);
        let caller = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(|| panic!("a bug")).await }
        });
        assert!(caller.await.unwrap_err().is_panic());
        assert_eq!(workers.run(|| 7).await, Some(7));
    }
}
