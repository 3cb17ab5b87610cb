//! An owner for the tasks that hyper spawns, so that none outlives what it belongs to.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::task::JoinSet;

/// Tasks that are aborted when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(crate) fn executor(&self) -> Executor {
        Executor(Arc::downgrade(&self.0))
    }
}

/// Spawns into [`Tasks`]. Weak, because hyper keeps a copy inside the tasks themselves.
#[derive(Clone, Debug)]
pub(crate) struct Executor(Weak<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        let Some(tasks) = self.0.upgrade() else {
            return;
        };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // Boxed, so that only a few words stay of a task that has ended and is not yet collected: on an idle
        // connection that is until its next request, and a whole exchange would take 7 KB.
        let future = Box::pin(future);
        tasks.spawn(async move {
            future.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Executor as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn dropping_the_owner_aborts_its_tasks() {
        let (alive, ended) = oneshot::channel::<()>();
        let tasks = Tasks::default();
        tasks.executor().execute(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(tasks);
        assert!(ended.await.is_err(), "the task's state was dropped");
    }

    #[tokio::test]
    async fn nothing_is_spawned_after_the_owner_is_gone() {
        let tasks = Tasks::default();
        let executor = tasks.executor();
        drop(tasks);
        let (alive, ended) = oneshot::channel::<()>();
        executor.execute(async move { drop(alive) });
        assert!(ended.await.is_err());
    }
}
