//! Redirects of a gateway, followed by the relay and never shown to a client (RFC 9540 §4).
//!
//! What is followed: redirects to another path of the same origin, which is https, for GET all five
//! kinds, for POST 307 and 308 only. With those a gateway says that it has not processed the request
//! (RFC 9110 §15.4.8); after a 301, 302 or 303 nobody knows. The way that was found is kept for all
//! clients, so that none of them is sent along it alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use discreet_serve::{Upstream, UpstreamError, upstream::Origin};
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::LOCATION,
    uri::{PathAndQuery, Scheme},
};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::lifetime::lifetime_secs;

/// How many redirects in a row are followed.
const MAX_HOPS: usize = 3;
/// The longest `Location` that is followed, in bytes.
const MAX_LOCATION_BYTES: usize = 1024;
/// A permanent redirect (301, 308) is kept at most this many seconds, as keys are; it is kept so long if
/// the gateway does not say.
const MAX_PERMANENT_SECS: u64 = 3600;
/// A temporary redirect (302, 303, 307) is kept at most this many seconds.
const MAX_TEMPORARY_SECS: u64 = 60;
/// How many seconds a temporary redirect is kept if the gateway does not say.
const TEMPORARY_SECS: u64 = 5;

/// A resource of a gateway, wherever the gateway has moved it.
#[derive(Debug)]
pub(crate) struct Target {
    resource: &'static str,
    moved: Mutex<Option<Moved>>,
}

#[derive(Clone, Debug)]
struct Moved {
    to: PathAndQuery,
    learned_at: u64,
    until: u64,
}

/// Why a gateway's answer was not had.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum TargetError {
    /// There is none.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It is a redirect to another origin.
    #[error("the gateway redirects to another origin; configure it under that one")]
    Elsewhere,
    /// It is a redirect without one `Location` that is an absolute path or URL.
    #[error("the gateway redirects without saying where")]
    Nowhere,
    /// It is a redirect that says nothing about whether the POST was processed.
    #[error("the gateway redirects a POST with another status than 307 or 308")]
    Processed,
    /// It is one redirect after the other.
    #[error("the gateway redirects more than {MAX_HOPS} times, or in a circle")]
    TooMany,
}

impl Target {
    pub(crate) fn new(resource: &'static str) -> Self {
        Self { resource, moved: Mutex::default() }
    }

    /// Where it is unless the gateway has moved it.
    pub(crate) fn resource(&self) -> &'static str {
        self.resource
    }

    /// The gateway's answer to `request`, which is sent to each location at most once.
    pub(crate) async fn send(
        &self,
        gateway: &Upstream,
        request: Request<Bytes>,
        max_response_bytes: usize,
        now: u64,
    ) -> Result<Response<Bytes>, TargetError> {
        let answer = self.follow(gateway, request, max_response_bytes, now).await;
        match &answer {
            Ok(answer) if !is_gone(answer.status()) => {}
            Err(TargetError::Upstream(_)) => {}
            // What was kept leads nowhere: the next request begins at the well-known URI.
            Ok(_) | Err(_) => *self.moved() = None,
        }
        answer
    }

    async fn follow(
        &self,
        gateway: &Upstream,
        mut request: Request<Bytes>,
        max_response_bytes: usize,
        now: u64,
    ) -> Result<Response<Bytes>, TargetError> {
        let (mut path, mut until) = self.current(now);
        let mut been = Vec::new();
        let end = Instant::now() + gateway.timeout();
        for hop in 0..=MAX_HOPS {
            *request.uri_mut() = Uri::from(path.clone());
            let sent = gateway.send(request.clone(), max_response_bytes);
            // All hops together take no longer than one exchange may; the first is one, and has its own timer.
            let answer = if hop == 0 { Ok(sent.await) } else { timeout_at(end, sent).await };
            let answer = answer.unwrap_or(Err(UpstreamError::Timeout))?;
            let Some(kept_secs) = kept_secs(&answer) else {
                if hop > 0 {
                    *self.moved() = Some(Moved { to: path, learned_at: now, until });
                }
                return Ok(answer);
            };
            if request.method() == Method::POST && !keeps_method(answer.status()) {
                return Err(TargetError::Processed);
            }
            been.push(path);
            path = location(gateway.origin(), answer.headers())?;
            if been.contains(&path) {
                return Err(TargetError::TooMany);
            }
            // A chain is kept as long as its shortest-lived part.
            until = until.min(now.saturating_add(kept_secs));
        }
        Err(TargetError::TooMany)
    }

    /// Where to begin, and until when that is known to be the place.
    fn current(&self, now: u64) -> (PathAndQuery, u64) {
        let moved = self.moved().clone();
        // A clock that was set back must not make a redirect last.
        match moved.filter(|moved| now >= moved.learned_at && now < moved.until) {
            Some(moved) => (moved.to, moved.until),
            None => (PathAndQuery::from_static(self.resource), u64::MAX),
        }
    }

    fn moved(&self) -> MutexGuard<'_, Option<Moved>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 9110 §15.4: how long to keep this redirect, in seconds; none if it is no redirect.
fn kept_secs(answer: &Response<Bytes>) -> Option<u64> {
    let asked = lifetime_secs(answer.headers());
    match answer.status().as_u16() {
        301 | 308 => Some(asked.unwrap_or(MAX_PERMANENT_SECS).min(MAX_PERMANENT_SECS)),
        302 | 303 | 307 => Some(asked.unwrap_or(TEMPORARY_SECS).min(MAX_TEMPORARY_SECS)),
        _ => None,
    }
}

fn keeps_method(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

fn is_gone(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::GONE
            | StatusCode::MISDIRECTED_REQUEST
    )
}

/// RFC 9110 §10.2.2, without references relative to a path: a gateway has no use for them.
fn location(origin: &Origin, headers: &HeaderMap) -> Result<PathAndQuery, TargetError> {
    let mut values = headers.get_all(LOCATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return Err(TargetError::Nowhere) };
    let text = only.to_str().map_err(|_| TargetError::Nowhere)?;
    if text.len() > MAX_LOCATION_BYTES {
        return Err(TargetError::Nowhere);
    }
    // RFC 3986 §4.2: two slashes begin an authority.
    let absolute =
        if text.starts_with("//") { format!("{}:{text}", origin.scheme()) } else { text.to_owned() };
    let uri: Uri = absolute.parse().map_err(|_| TargetError::Nowhere)?;
    let is_here = match (uri.scheme(), uri.authority()) {
        (None, None) if text.starts_with('/') => true,
        (Some(_), Some(_)) => is_of(origin, &uri),
        _ => return Err(TargetError::Nowhere),
    };
    let path = uri.into_parts().path_and_query.ok_or(TargetError::Nowhere)?;
    if is_here { Ok(path) } else { Err(TargetError::Elsewhere) }
}

/// RFC 6454 §5.
fn is_of(origin: &Origin, uri: &Uri) -> bool {
    let default = if *origin.scheme() == Scheme::HTTPS { 443 } else { 80 };
    let same = |authority: &http::uri::Authority| {
        authority.host().eq_ignore_ascii_case(origin.authority().host())
            && authority.port_u16().unwrap_or(default) == origin.authority().port_u16().unwrap_or(default)
            && !authority.as_str().contains('@')
    };
    uri.scheme() == Some(origin.scheme()) && uri.authority().is_some_and(same)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn target_of(origin: &str, values: &[&str]) -> Result<String, TargetError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LOCATION, HeaderValue::from_str(value).unwrap());
        }
        location(&origin.parse().unwrap(), &headers).map(|path| path.to_string())
    }

    #[test]
    fn c52_a_path_or_a_url_of_the_same_origin_is_followed() {
        for (value, path) in [
            ("/v2", "/v2"),
            ("/v2?shard=1", "/v2?shard=1"),
            ("/v2#part", "/v2"),
            ("https://a.example/v2", "/v2"),
            ("HTTPS://A.EXAMPLE:443/v2", "/v2"),
            ("//a.example/v2", "/v2"),
            ("https://a.example", "/"),
        ] {
            assert_eq!(target_of("https://a.example", &[value]).as_deref(), Ok(path), "{value}");
        }
        assert_eq!(target_of("https://a.example:8443", &["https://a.example:8443/"]).as_deref(), Ok("/"));
    }

    #[test]
    fn c52_another_origin_is_not_followed() {
        for value in [
            "https://b.example/v2",
            "https://a.example.b.example/",
            "https://sub.a.example/",
            "https://a.example:8443/",
            "https://user@a.example/",
            "http://a.example/v2",
            "http://a.example:443/v2",
            "ftp://a.example/v2",
            "//b.example/v2",
            "///v2",
        ] {
            let refused = target_of("https://a.example", &[value]);
            assert!(
                matches!(refused, Err(TargetError::Elsewhere | TargetError::Nowhere)),
                "{value}: {refused:?}"
            );
        }
        assert_eq!(target_of("https://a.example", &["//b.example/v2"]), Err(TargetError::Elsewhere));
        assert_eq!(target_of("https://a.example", &["http://a.example/"]), Err(TargetError::Elsewhere));
    }

    #[test]
    fn c52_a_location_that_names_no_place_is_not_followed() {
        for value in
            ["", "v2", "../v2", "?q", "a.example", "a.example:443", "*", "mailto:a@a.example", "/v 2"]
        {
            assert_eq!(target_of("https://a.example", &[value]), Err(TargetError::Nowhere), "{value}");
        }
        assert_eq!(target_of("https://a.example", &[]), Err(TargetError::Nowhere));
        assert_eq!(target_of("https://a.example", &["/a", "/b"]), Err(TargetError::Nowhere));
        let longest = format!("/{}", "a".repeat(1023));
        assert_eq!(target_of("https://a.example", &[&longest]).as_deref(), Ok(longest.as_str()));
        assert_eq!(target_of("https://a.example", &[&format!("{longest}a")]), Err(TargetError::Nowhere));
    }

    #[test]
    fn c52_a_redirect_is_kept_as_the_gateway_says_within_bounds() {
        let kept = |status: u16, cache_control: &str| {
            let answer = Response::builder().status(status).header("cache-control", cache_control);
            kept_secs(&answer.body(Bytes::new()).unwrap())
        };
        for status in [301, 308] {
            assert_eq!(kept(status, "max-age=60"), Some(60));
            assert_eq!(kept(status, "max-age=86400"), Some(3600));
            assert_eq!((kept(status, ""), kept(status, "no-store")), (Some(3600), Some(0)));
        }
        for status in [302, 303, 307] {
            assert_eq!(kept(status, "max-age=30"), Some(30));
            assert_eq!(kept(status, "max-age=86400"), Some(60));
            assert_eq!((kept(status, ""), kept(status, "no-store")), (Some(5), Some(0)));
        }
        for status in [200, 300, 304, 305, 400] {
            assert_eq!(kept(status, "max-age=60"), None);
        }
    }
}
