//! The relay's copy of what a gateway publishes: its keys, its signed policy.
//!
//! One copy for everyone: a gateway cannot use it to tell clients apart, nor learn who asked for
//! it. Clients compare the copies of two relays; this one makes no claim to be right.
//!
//! Copies are fetched beside the requests, one fetch at a time. Who asks when a copy has expired waits for
//! the new one, because all relays turn to it together, but not long: then the old one serves.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use discreet_serve::{Clock, Upstream};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::instrument::WithSubscriber;

use crate::{
    forward::GATEWAY_RESOURCE,
    lifetime::lifetime_secs,
    media::{self, COSE_SIGN1, OHTTP_KEYS},
    metrics::Served,
    pause::asked_secs,
    redirect::Target,
};

/// Where every gateway serves its signed policy.
const POLICY_RESOURCE: &str = "/.well-known/discreet";
/// The largest copy kept, in bytes. Keys take some 4 KB; a policy names issuers with keys of their own.
const MAX_BYTES: usize = 65_536;
/// A copy is kept at least this many seconds, whatever the gateway asks, so that clients cannot drive fetches.
const MIN_FRESH_SECS: u64 = 5;
/// A copy is kept at most this many seconds, so that a key that was taken back goes out of use.
const MAX_FRESH_SECS: u64 = 3600;
/// How old a copy may be, in seconds, that is served because the gateway does not answer.
const MAX_STALE_SECS: u64 = 86_400;
/// How many seconds the gateway is left alone after it did not answer, if it does not ask for more.
const RETRY_SECS: u64 = 5;
/// How long after its beginning a fetch is waited for by those who could have an old copy instead.
const STALE_WAIT: Duration = Duration::from_secs(2);

/// One published document and the relay's copy of it.
#[derive(Debug)]
pub(crate) struct Document {
    shared: Arc<Shared>,
    /// Owns the fetch, of which there is one at most.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    media_type: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    copy: Option<Kept>,
    retry_at: u64,
    fetch: Option<Fetch>,
}

#[derive(Clone, Debug)]
struct Kept {
    body: Bytes,
    fetched_at: u64,
    fresh_until: u64,
}

/// A fetch that goes on, or has ended.
#[derive(Clone, Debug)]
struct Fetch {
    began: Instant,
    /// What it brings is older than this, in seconds.
    expires_at: u64,
    /// Its other half is dropped with the task.
    ended: watch::Receiver<()>,
}

/// There is no copy and the gateway gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// The gateway gave no copy; when to ask again, in seconds from now.
struct Refused {
    retry_secs: u64,
}

impl Document {
    /// RFC 9540 §4: keys are at the gateway resource.
    pub(crate) fn keys() -> Self {
        Self::new(GATEWAY_RESOURCE, OHTTP_KEYS)
    }

    pub(crate) fn policy() -> Self {
        Self::new(POLICY_RESOURCE, COSE_SIGN1)
    }

    fn new(resource: &'static str, media_type: &'static str) -> Self {
        let shared = Shared { target: Target::new(resource), media_type, state: Mutex::default() };
        Self { shared: Arc::new(shared), tasks: Mutex::default() }
    }

    /// The copy as a response, fetched if there is no fresh one, and where it came from.
    pub(crate) async fn serve(
        &self,
        gateway: &Arc<Upstream>,
        clock: &Clock,
    ) -> Result<(Response<Bytes>, Served), Unavailable> {
        let now = clock.now();
        let (fetch, is_first, has_old) = {
            let mut state = self.shared.state();
            if let Some(copy) = state.fresh(now) {
                return Ok((self.respond(copy, now), Served::Cached));
            }
            let has_old = state.usable(now).is_some();
            match state.fetch.clone().filter(Fetch::goes_on) {
                Some(fetch) => (fetch, false, has_old),
                None if state.is_left_alone(now) => return self.respond_stale(&state, now),
                None => (self.begin(&mut state, gateway, clock), true, has_old),
            }
        };
        fetch.wait(has_old).await;
        let now = clock.now();
        let state = self.shared.state();
        match state.fresh(now) {
            Some(copy) => {
                Ok((self.respond(copy, now), if is_first { Served::Fetched } else { Served::Cached }))
            }
            None => self.respond_stale(&state, now),
        }
    }

    /// What the gateway published before `at` is no longer fresh from then on.
    pub(crate) fn expire(&self, at: u64) {
        let mut state = self.shared.state();
        if let Some(copy) = &mut state.copy {
            copy.fresh_until = copy.fresh_until.min(at);
        }
        if let Some(fetch) = &mut state.fetch {
            fetch.expires_at = fetch.expires_at.min(at);
        }
    }

    fn begin(&self, state: &mut State, gateway: &Arc<Upstream>, clock: &Clock) -> Fetch {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            // The shell counts it and answers.
            if let Err(Ok(panic)) = ended.map_err(tokio::task::JoinError::try_into_panic) {
                std::panic::resume_unwind(panic);
            }
        }
        let (ending, ended) = watch::channel(());
        let (shared, gateway, clock) = (Arc::clone(&self.shared), Arc::clone(gateway), clock.clone());
        let fetching = async move {
            shared.fetch(&gateway, &clock).await;
            drop(ending);
        };
        tasks.spawn(fetching.with_current_subscriber());
        let fetch = Fetch { began: Instant::now(), expires_at: u64::MAX, ended };
        state.fetch = Some(fetch.clone());
        fetch
    }

    fn respond_stale(&self, state: &State, now: u64) -> Result<(Response<Bytes>, Served), Unavailable> {
        let copy = state.usable(now).ok_or(Unavailable)?;
        Ok((self.respond(copy, now), Served::Stale))
    }

    fn respond(&self, copy: &Kept, now: u64) -> Response<Bytes> {
        let mut response = Response::new(copy.body.clone());
        let age = format!("public, max-age={}", copy.fresh_until.saturating_sub(now));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.shared.media_type));
        if let Ok(age) = HeaderValue::try_from(age) {
            response.headers_mut().insert(CACHE_CONTROL, age);
        }
        response
    }
}

impl Shared {
    /// One fetch, and what it leaves behind.
    async fn fetch(&self, gateway: &Upstream, clock: &Clock) {
        // A copy is as old as the question.
        let asked_at = clock.now();
        let fetched = self.get(gateway, asked_at).await;
        let mut state = self.state();
        match fetched {
            Ok(copy) => {
                let expires_at = state.fetch.as_ref().map_or(u64::MAX, |fetch| fetch.expires_at);
                let fresh_until = copy.fresh_until.min(expires_at);
                state.copy = Some(Kept { fresh_until, ..copy });
                state.retry_at = 0;
            }
            Err(Refused { retry_secs }) => {
                tracing::warn!(resource = self.target.resource(), "a gateway does not give a new copy");
                state.retry_at = clock.now().saturating_add(retry_secs);
            }
        }
    }

    async fn get(&self, gateway: &Upstream, now: u64) -> Result<Kept, Refused> {
        let mut request = Request::new(Bytes::new());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(self.media_type));
        let answer = self.target.send(gateway, request, MAX_BYTES, now).await;
        let answer = answer.map_err(|_| Refused { retry_secs: RETRY_SECS })?;
        if answer.status() != StatusCode::OK || !media::is(answer.headers(), self.media_type) {
            let asked = asked_secs(&answer, now).unwrap_or_default();
            return Err(Refused { retry_secs: RETRY_SECS.max(asked) });
        }
        let fresh_secs = lifetime_secs(answer.headers()).unwrap_or_default();
        let fresh_until = now.saturating_add(fresh_secs.clamp(MIN_FRESH_SECS, MAX_FRESH_SECS));
        Ok(Kept { body: answer.into_body(), fetched_at: now, fresh_until })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&self, now: u64) -> Option<&Kept> {
        self.copy.as_ref().filter(|copy| copy.is_fresh(now))
    }

    fn usable(&self, now: u64) -> Option<&Kept> {
        self.copy.as_ref().filter(|copy| copy.is_usable(now))
    }

    fn is_left_alone(&self, now: u64) -> bool {
        // More is left only of a clock that was set back.
        (1..=RETRY_SECS.max(crate::pause::MAX_PAUSE_SECS)).contains(&self.retry_at.saturating_sub(now))
    }
}

impl Kept {
    fn is_fresh(&self, now: u64) -> bool {
        // A clock that was set back must not make a copy last.
        now >= self.fetched_at && now < self.fresh_until
    }

    fn is_usable(&self, now: u64) -> bool {
        now.saturating_sub(self.fetched_at) <= MAX_STALE_SECS
    }
}

impl Fetch {
    fn goes_on(&self) -> bool {
        self.ended.has_changed().is_ok()
    }

    /// Waits for its end, and not long if there is an old copy to be had.
    async fn wait(mut self, has_old: bool) {
        let began = self.began;
        // Nothing is ever sent: it resolves when the task is gone.
        let ended = self.ended.changed();
        if has_old {
            let _ = timeout_at(began + STALE_WAIT, ended).await;
        } else {
            let _ = ended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_makes_a_copy_stale() {
        let copy = Kept { body: Bytes::new(), fetched_at: 1000, fresh_until: 1600 };
        assert!(copy.is_fresh(1000) && copy.is_fresh(1599));
        assert!(!copy.is_fresh(1600) && !copy.is_fresh(999));
    }

    #[test]
    fn a_clock_set_back_ends_a_gateways_rest() {
        let state = State { retry_at: 1005, ..State::default() };
        assert!(state.is_left_alone(1000) && state.is_left_alone(1004));
        assert!(!state.is_left_alone(1005) && !state.is_left_alone(100));
    }
}
