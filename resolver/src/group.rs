//! Group commit: threads that want the same slow thing at the same time share it.
//!
//! Whoever finds nobody at work becomes the leader, takes everything that waits, and does it in one
//! go; what arrives meanwhile waits for the next. So a thousand writers wait for a few
//! synchronisations of the disk, and a lone one waits for its own only.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Work of type `T` with results of type `R`.
pub(crate) struct Group<T, R> {
    state: Mutex<State<T, R>>,
    finished: Condvar,
}

struct State<T, R> {
    waiting: Vec<(T, SyncSender<R>)>,
    working: bool,
}

/// The thread that did the work ended without a result; whether it was done is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread that did this for several others broke down")]
pub struct Abandoned;

impl<T, R> Default for Group<T, R> {
    fn default() -> Self {
        let state = State { waiting: Vec::new(), working: false };
        Self { state: Mutex::new(state), finished: Condvar::new() }
    }
}

impl<T, R> Group<T, R> {
    /// Has `item` done together with whatever else waits, by this thread's `work` or another's.
    /// `work` returns one result for each item, in order.
    ///
    /// # Errors
    ///
    /// When the thread that did it panicked, or had no result for it.
    pub(crate) fn run(&self, item: T, work: impl FnOnce(Vec<T>) -> Vec<R>) -> Result<R, Abandoned> {
        let (result, mine) = sync_channel(1);
        let mut state = lock(&self.state);
        state.waiting.push((item, result));
        while state.working {
            if let Some(result) = received(&mine) {
                return result;
            }
            state = self.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(result) = received(&mine) {
            return result;
        }
        state.working = true;
        let (items, results): (Vec<T>, Vec<_>) = std::mem::take(&mut state.waiting).into_iter().unzip();
        drop(state);
        let turn = Turn(self);
        for (to, result) in results.into_iter().zip(work(items)) {
            // Never: each channel has room for its one result.
            let _ = to.try_send(result);
        }
        drop(turn);
        received(&mine).unwrap_or(Err(Abandoned))
    }
}

/// `None`: not yet.
fn received<R>(mine: &Receiver<R>) -> Option<Result<R, Abandoned>> {
    match mine.try_recv() {
        Ok(result) => Some(Ok(result)),
        Err(TryRecvError::Disconnected) => Some(Err(Abandoned)),
        Err(TryRecvError::Empty) => None,
    }
}

/// The leader's turn. It ends even if the leader panics, so that nobody waits for ever.
struct Turn<'a, T, R>(&'a Group<T, R>);

impl<T, R> Drop for Turn<'_, T, R> {
    fn drop(&mut self) {
        lock(&self.0.state).working = false;
        self.0.finished.notify_all();
    }
}

/// Nothing that can panic happens while this is locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Waits until `group` has `count` items that wait.
    fn await_waiting(group: &Group<u32, u32>, count: usize) {
        while lock(&group.state).waiting.len() < count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_lone_item_is_done_alone() {
        let group = Group::default();
        assert_eq!(group.run(7, |items| items.iter().map(|n| n + 1).collect()), Ok(8));
    }

    #[test]
    fn whoever_waits_meanwhile_is_done_together_and_gets_his_own_result() {
        let group = Group::default();
        let (begun, times) = (Barrier::new(2), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let first = group.run(0, |items| {
                    begun.wait();
                    await_waiting(&group, 50);
                    items
                });
                assert_eq!(first, Ok(0));
            });
            begun.wait();
            for n in 1..=50 {
                let (group, times) = (&group, &times);
                scope.spawn(move || {
                    let done = group.run(n, |items| {
                        times.fetch_add(1, Ordering::SeqCst);
                        items.iter().map(|n| n * 10).collect()
                    });
                    assert_eq!(done, Ok(n * 10));
                });
            }
        });
        assert_eq!(times.into_inner(), 1);
    }

    #[test]
    fn a_panicking_leader_strands_nobody() {
        let group = Group::default();
        let begun = Barrier::new(2);
        std::thread::scope(|scope| {
            // Holds the turn until the one that will panic and its follower both wait.
            scope.spawn(|| {
                group.run(0, |items| {
                    begun.wait();
                    await_waiting(&group, 2);
                    items
                })
            });
            begun.wait();
            let run = || {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    group.run(1, |items| {
                        assert_eq!(items.len(), 2);
                        panic!("on purpose")
                    })
                }))
            };
            let both = [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().unwrap());
            assert_eq!(both.iter().filter(|outcome| outcome.is_err()).count(), 1);
            assert!(both.iter().any(|outcome| matches!(outcome, Ok(Err(Abandoned)))));
        });
        assert_eq!(group.run(5, |items| items), Ok(5), "and the next is served");
    }

    #[test]
    fn a_missing_result_is_no_result() {
        assert_eq!(Group::<u32, u32>::default().run(1, |_| Vec::new()), Err(Abandoned));
    }
}
