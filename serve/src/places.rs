//! Places for connections, and who has to leave when there is none.
//!
//! A connection waits on its peer unless a whole request of it is being worked on: while it shakes hands,
//! idles, sends a head or a body, or does not read its answer. Nothing but work counts, so that a peer
//! cannot hold a place by sending a byte from time to time. When all places are taken, the connection
//! that has waited the longest makes room, if it has waited for [`PATIENCE`].

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep_until, timeout_at},
};

/// How long a connection may make us wait before it can be made to leave. Honest clients complete a
/// handshake and a request within it on all but the slowest links.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Connections that have lost their place and still get a goodbye; more are just dropped.
const MAX_LEAVING: usize = 128;

/// All places of a server.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    state: Mutex<State>,
    /// Told when a place becomes free.
    freed: Notify,
    leaving: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    next: u64,
    /// Numbered in the order in which they began to wait.
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    leave: Arc<Notify>,
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    leave: Arc<Notify>,
    stand: Arc<Stand>,
}

/// What goes on at a place.
#[derive(Debug)]
struct Stand {
    now: Mutex<Now>,
    /// Told when work begins for the first time, and never again: nobody is woken for each request.
    first: Notify,
}

#[derive(Debug)]
struct Now {
    /// Requests being worked on.
    working: usize,
    /// The number under which it waits, or has waited the last time.
    number: u64,
    /// Since when it waits, or has waited the last time.
    since: Instant,
    /// Whether there has been work.
    has_worked: bool,
}

/// A request being worked on, until dropped.
#[derive(Debug)]
pub(crate) struct Work<'a>(&'a Place);

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            state: Mutex::default(),
            freed: Notify::new(),
            leaving: Semaphore::new(MAX_LEAVING),
        })
    }

    /// Waits for a place, and says whether another connection had to leave for it. Dropping the future
    /// loses none.
    pub(crate) async fn take(self: &Arc<Self>) -> (Place, bool) {
        loop {
            match self.try_take() {
                Ok(taken) => return taken,
                Err(until) => {
                    let _ = timeout_at(until, self.freed.notified()).await;
                }
            }
        }
    }

    /// A place; or else the moment at which it is worth trying again.
    fn try_take(self: &Arc<Self>) -> Result<(Place, bool), Instant> {
        let now = Instant::now();
        let mut state = self.state();
        let evicts = state.taken >= self.max;
        if evicts {
            // Who begins to wait from now on cannot be due before that.
            let oldest = state.waiting.first_entry().ok_or(now + PATIENCE)?;
            let due = oldest.get().since + PATIENCE;
            if now < due {
                return Err(due);
            }
            // Its place is the newcomer's from here on.
            oldest.remove().leave.notify_one();
        } else {
            state.taken += 1;
        }
        let leave = Arc::new(Notify::new());
        let number = state.wait(&leave, now);
        let stand = Now { working: 0, number, since: now, has_worked: false };
        let stand = Arc::new(Stand { now: Mutex::new(stand), first: Notify::new() });
        Ok((Place { places: Arc::clone(self), leave, stand }, evicts))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, leave: &Arc<Notify>, since: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, Waiting { since, leave: Arc::clone(leave) });
        number
    }
}

impl Place {
    /// Begins to work on a request, unless the place is lost.
    pub(crate) fn work(&self) -> Option<Work<'_>> {
        let mut now = self.stand.now();
        if now.working == 0 {
            self.places.state().waiting.remove(&now.number)?;
        }
        now.working += 1;
        if !std::mem::replace(&mut now.has_worked, true) {
            self.stand.first.notify_waiters();
        }
        Some(Work(self))
    }

    /// Resolves once work has begun here.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let stand = Arc::clone(&self.stand);
        async move {
            // Listens before it looks, so that it misses nothing.
            let first = stand.first.notified();
            if !stand.has_worked() {
                first.await;
            }
        }
    }

    /// Resolves once the place is lost.
    pub(crate) async fn lost(&self) {
        self.leave.notified().await;
    }

    /// Whether there is time for a goodbye, now that the place is lost: as long as this is held.
    pub(crate) fn goodbye(&self) -> Option<SemaphorePermit<'_>> {
        self.places.leaving.try_acquire().ok()
    }

    /// Resolves after `duration` without work, from the first look at it on.
    pub(crate) fn idle_for(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let stand = Arc::clone(&self.stand);
        async move {
            let begin = Instant::now();
            // It looks only when it may be over: what is worked on now has at least `duration` from now.
            loop {
                let now = Instant::now();
                let due = stand.waiting_since().unwrap_or(now).max(begin) + duration;
                if due <= now {
                    return;
                }
                sleep_until(due).await;
            }
        }
    }
}

impl Stand {
    fn now(&self) -> MutexGuard<'_, Now> {
        // Nothing panics while it is held.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_worked(&self) -> bool {
        self.now().has_worked
    }

    /// `None` while there is work.
    fn waiting_since(&self) -> Option<Instant> {
        let now = self.now();
        (now.working == 0).then_some(now.since)
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let place = self.0;
        let mut now = place.stand.now();
        now.working = now.working.saturating_sub(1);
        if now.working == 0 {
            now.since = Instant::now();
            now.number = place.places.state().wait(&place.leave, now.since);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.stand.now();
        let mut state = self.places.state();
        // Who was made to leave has passed the place on.
        if now.working > 0 || state.waiting.remove(&now.number).is_some() {
            state.taken = state.taken.saturating_sub(1);
            drop(state);
            self.places.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    /// Whether somebody got a place at once, and at another's cost.
    async fn took(places: &Arc<Places>) -> Option<(Place, bool)> {
        timeout(Duration::ZERO, places.take()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_waited_the_longest_leaves() {
        let places = Places::new(2);
        let (first, _) = places.take().await;
        advance(Duration::from_secs(1)).await;
        let (second, _) = places.take().await;
        advance(Duration::from_secs(1)).await;
        let (_third, evicted) = took(&places).await.unwrap();
        assert!(evicted);
        first.lost().await;
        assert!(timeout(Duration::ZERO, second.lost()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_leaves_within_the_patience() {
        let places = Places::new(1);
        let (_first, _) = places.take().await;
        advance(Duration::from_millis(1_999)).await;
        assert!(took(&places).await.is_none());
        let begin = Instant::now();
        let (_second, evicted) = places.take().await;
        assert_eq!((evicted, begin.elapsed()), (true, Duration::from_millis(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_worked_for_stays() {
        let places = Places::new(1);
        let (first, _) = places.take().await;
        let work = first.work().unwrap();
        advance(Duration::from_secs(3600)).await;
        assert!(took(&places).await.is_none());
        drop(work);
        assert!(took(&places).await.is_none(), "its patience begins with the end of the work");
        advance(PATIENCE).await;
        assert!(took(&places).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_is_free_at_once() {
        let places = Places::new(1);
        let (first, _) = places.take().await;
        drop(first);
        let (second, evicted) = took(&places).await.unwrap();
        assert!(!evicted);
        drop(second);
        assert!(took(&places).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_place_is_not_given_back_again() {
        let places = Places::new(1);
        let (first, _) = places.take().await;
        advance(PATIENCE).await;
        let (second, _) = places.take().await;
        drop(first);
        assert!(took(&places).await.is_none());
        drop(second);
        assert!(took(&places).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn no_work_begins_at_a_lost_place() {
        let places = Places::new(1);
        let (first, _) = places.take().await;
        advance(PATIENCE).await;
        let (_second, _) = places.take().await;
        assert!(first.work().is_none());
        assert!(first.work().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn several_requests_are_one_wait_less() {
        let places = Places::new(1);
        let (first, _) = places.take().await;
        let (one, other) = (first.work().unwrap(), first.work().unwrap());
        drop(one);
        advance(Duration::from_secs(60)).await;
        assert!(took(&places).await.is_none());
        drop(other);
        drop(first);
        assert_eq!(places.state().waiting.len(), 0);
        assert!(took(&places).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_counts_from_the_end_of_the_last_work() {
        let places = Places::new(1);
        let (place, _) = places.take().await;
        let begin = Instant::now();
        let idle = tokio::spawn(place.idle_for(Duration::from_secs(10)));
        advance(Duration::from_secs(7)).await;
        let work = place.work().unwrap();
        advance(Duration::from_secs(30)).await;
        drop(work);
        idle.await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(47));
    }

    #[tokio::test(start_paused = true)]
    async fn work_has_begun_for_whoever_asks_before_or_after() {
        let places = Places::new(1);
        let (place, _) = places.take().await;
        let before = place.begun();
        assert!(timeout(Duration::ZERO, place.begun()).await.is_err());
        drop(place.work().unwrap());
        before.await;
        place.begun().await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_get_a_goodbye() {
        let places = Places::new(1);
        let (place, _) = places.take().await;
        let goodbyes: Vec<_> = std::iter::from_fn(|| place.goodbye()).collect();
        assert_eq!(goodbyes.len(), 128);
    }
}
