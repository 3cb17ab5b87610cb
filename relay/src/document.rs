//! The relay's copy of what a gateway publishes: its keys, its signed policy.
//!
//! One copy for everyone: a gateway cannot use it to tell clients apart, nor learn who asked for
//! it. Clients compare the copies of two relays; this one makes no claim to be right.

use bytes::Bytes;
use discreet_serve::{Clock, Upstream};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use tokio::sync::Mutex;

use crate::{
    forward::GATEWAY_RESOURCE,
    media::{self, COSE_SIGN1, OHTTP_KEYS},
    metrics::Served,
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
/// How many seconds the gateway is left alone after it did not answer.
const RETRY_SECS: u64 = 5;

/// One published document and the relay's copy of it.
#[derive(Debug)]
pub(crate) struct Document {
    resource: &'static str,
    media_type: &'static str,
    // Held while fetching: whoever comes meanwhile waits for that one fetch.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    copy: Option<Kept>,
    retry_at: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    body: Bytes,
    fetched_at: u64,
    fresh_until: u64,
}

/// There is no copy and the gateway gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl Document {
    /// RFC 9540 §4: keys are at the gateway resource.
    pub(crate) fn keys() -> Self {
        Self::new(GATEWAY_RESOURCE, OHTTP_KEYS)
    }

    pub(crate) fn policy() -> Self {
        Self::new(POLICY_RESOURCE, COSE_SIGN1)
    }

    fn new(resource: &'static str, media_type: &'static str) -> Self {
        Self { resource, media_type, state: Mutex::default() }
    }

    /// The copy as a response, fetched if there is no fresh one, and where it came from.
    pub(crate) async fn serve(
        &self,
        gateway: &Upstream,
        clock: &Clock,
    ) -> Result<(Response<Bytes>, Served), Unavailable> {
        let mut state = self.state.lock().await;
        let now = clock.now();
        if let Some(copy) = state.copy.as_ref().filter(|copy| copy.is_fresh(now)) {
            return Ok((self.respond(copy, now), Served::Cached));
        }
        if now >= state.retry_at {
            match self.fetch(gateway, now).await {
                Ok(copy) => {
                    let response = self.respond(&copy, now);
                    *state = State { copy: Some(copy), retry_at: 0 };
                    return Ok((response, Served::Fetched));
                }
                Err(Unavailable) => {
                    tracing::warn!(resource = self.resource, "a gateway does not give a new copy");
                    state.retry_at = now.saturating_add(RETRY_SECS);
                }
            }
        }
        let stale = state.copy.as_ref().filter(|copy| copy.is_usable(now)).ok_or(Unavailable)?;
        Ok((self.respond(stale, now), Served::Stale))
    }

    async fn fetch(&self, gateway: &Upstream, now: u64) -> Result<Kept, Unavailable> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static(self.resource);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(self.media_type));
        let answer = gateway.send(request, MAX_BYTES).await.map_err(|_| Unavailable)?;
        if answer.status() != StatusCode::OK || !media::is(answer.headers(), self.media_type) {
            return Err(Unavailable);
        }
        let fresh_secs = lifetime_secs(answer.headers()).clamp(MIN_FRESH_SECS, MAX_FRESH_SECS);
        Ok(Kept { body: answer.into_body(), fetched_at: now, fresh_until: now.saturating_add(fresh_secs) })
    }

    fn respond(&self, copy: &Kept, now: u64) -> Response<Bytes> {
        let mut response = Response::new(copy.body.clone());
        let age = format!("public, max-age={}", copy.fresh_until.saturating_sub(now));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if let Ok(age) = HeaderValue::try_from(age) {
            response.headers_mut().insert(CACHE_CONTROL, age);
        }
        response
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

/// RFC 9111 §4.2.1: how long a shared cache may keep a response. 0 if the gateway does not say.
fn lifetime_secs(headers: &HeaderMap) -> u64 {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    if directives.iter().any(|directive| matches!(*directive, "no-store" | "no-cache" | "private")) {
        return 0;
    }
    let seconds =
        |name: &str| directives.iter().find_map(|directive| directive.strip_prefix(name)?.parse().ok());
    seconds("s-maxage=").or_else(|| seconds("max-age=")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(cache_control: &'static str) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        lifetime_secs(&headers)
    }

    #[test]
    fn the_gateways_cache_control_is_read() {
        assert_eq!(lifetime("max-age=600"), 600);
        assert_eq!(lifetime("public, max-age=600, s-maxage=60"), 60);
        assert_eq!(lifetime("no-store, max-age=600"), 0);
        assert_eq!(lifetime("max-age=soon"), 0);
        assert_eq!(lifetime("max-age=99999999999999999999999"), 0);
        assert_eq!(lifetime_secs(&HeaderMap::new()), 0);
    }

    #[test]
    fn a_clock_set_back_makes_a_copy_stale() {
        let copy = Kept { body: Bytes::new(), fetched_at: 1000, fresh_until: 1600 };
        assert!(copy.is_fresh(1000) && copy.is_fresh(1599));
        assert!(!copy.is_fresh(1600) && !copy.is_fresh(999));
    }
}
