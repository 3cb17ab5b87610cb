//! Tasks that a role gives its shell: owned, stopped, and noticed when they panic.

use std::{future::Future, task::Poll};

use crate::support::{Config, Echo};
use discreet_serve::{JoinError, Limits, Task};
use tokio::sync::oneshot;

/// Tells when it is dropped.
struct Dropped(Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test]
async fn a_background_task_is_dropped_at_a_stop() {
    let (began, begun) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let task = Task::new(async move {
        let _held = Dropped(Some(tell));
        began.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    let shell = Config::default().start_with(Echo::default(), vec![task]).await.unwrap();
    begun.await.unwrap();
    shell.shutdown();
    shell.join().await.unwrap();
    told.await.unwrap();
}

#[tokio::test]
async fn a_draining_task_hears_of_the_stop_and_is_waited_for() {
    let (tell, told) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let task = Task::draining(|stopping| async move {
        stopping.await;
        tell.send(()).unwrap();
        released.await.unwrap();
    });
    let shell = Config::default().start_with(Echo::default(), vec![task]).await.unwrap();
    shell.shutdown();
    told.await.unwrap();
    let mut join = Box::pin(shell.join());
    assert!(std::future::poll_fn(|context| Poll::Ready(join.as_mut().poll(context).is_pending())).await);
    release.send(()).unwrap();
    join.await.unwrap();
}

#[tokio::test]
async fn a_draining_task_is_dropped_at_the_drain_deadline() {
    let (tell, told) = oneshot::channel();
    let task = Task::draining(|_| async move {
        let _held = Dropped(Some(tell));
        std::future::pending::<()>().await;
    });
    let limits = Limits { drain_secs: 1, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let shell = config.start_with(Echo::default(), vec![task]).await.unwrap();
    shell.shutdown();
    shell.join().await.unwrap();
    told.await.unwrap();
}

#[tokio::test]
async fn a_background_task_may_end_by_itself_and_its_words_reach_the_log() {
    let config = Config::default();
    let (tell, told) = oneshot::channel();
    let task = Task::new(async move {
        tracing::info!(target: "discreet_test", "the work is done");
        tell.send(()).unwrap();
    });
    let shell = config.start_with(Echo::default(), vec![task]).await.unwrap();
    told.await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(shell.run_until(async { stopped.await.unwrap() }));
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(config.log.text().contains("the work is done"), "{}", config.log.text());
}

#[tokio::test]
async fn a_panic_in_the_background_ends_the_server() {
    let task = || Task::new(async { panic!("a bug") });
    let shell = Config::default().start_with(Echo::default(), vec![task()]).await.unwrap();
    assert_eq!(shell.run_until(std::future::pending()).await, Err(JoinError::Panicked));

    let shell = Config::default().start_with(Echo::default(), vec![task()]).await.unwrap();
    tokio::task::yield_now().await;
    shell.shutdown();
    assert_eq!(shell.join().await, Err(JoinError::Panicked));
}
