//! Places for requests whose body is still arriving.
//!
//! They are what a slow client fills the memory with: at most so many bodies of at most the role's size.
//! When all places are taken, the body that has been arriving the longest is given up, so that slow ones
//! cannot keep others waiting. A body that came with its head takes no place at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// All bodies that are arriving.
#[derive(Debug)]
pub(crate) struct Bodies {
    max: usize,
    arriving: Mutex<Arriving>,
}

#[derive(Debug, Default)]
struct Arriving {
    next: u64,
    /// Numbered in the order in which they began.
    bodies: BTreeMap<u64, Arc<Notify>>,
}

/// A body that is arriving, until dropped.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    all: &'a Bodies,
    number: u64,
    give_up: Arc<Notify>,
}

impl Bodies {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, arriving: Mutex::default() }
    }

    /// A place for one more, at the cost of the slowest if need be.
    pub(crate) fn begin(&self) -> Body<'_> {
        let give_up = Arc::new(Notify::new());
        let mut arriving = self.arriving();
        if arriving.bodies.len() >= self.max
            && let Some((_, slowest)) = arriving.bodies.pop_first()
        {
            slowest.notify_one();
        }
        let number = arriving.next;
        arriving.next += 1;
        arriving.bodies.insert(number, Arc::clone(&give_up));
        Body { all: self, number, give_up }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.arriving().bodies.is_empty()
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        // Nothing panics while it is held.
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body<'_> {
    /// Resolves once others need the place.
    pub(crate) async fn given_up(&self) {
        self.give_up.notified().await;
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        self.all.arriving().bodies.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    async fn is_ready(future: impl Future) -> bool {
        let mut future = pin!(future);
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn the_slowest_is_given_up_for_the_newest() {
        let bodies = Bodies::new(2);
        let (first, second, third) = (bodies.begin(), bodies.begin(), bodies.begin());
        assert!(is_ready(first.given_up()).await);
        assert!(!is_ready(second.given_up()).await && !is_ready(third.given_up()).await);
    }

    #[tokio::test]
    async fn a_body_that_has_arrived_makes_room() {
        let bodies = Bodies::new(2);
        let (first, second) = (bodies.begin(), bodies.begin());
        drop(second);
        let _third = bodies.begin();
        assert!(!is_ready(first.given_up()).await);
    }
}
