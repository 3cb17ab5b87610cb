//! The gateway's resources: the gateway resource itself (RFC 9540 §4) and the signed policy.

use crate::keyring::Keyring;
use crate::keys::Keys;
use crate::metrics::{Metrics, Outcome};
use crate::opener::{OpenError, Opened};
use crate::policy::Publisher;
use crate::relays::Relays;
use crate::target::{Answer, Answering, Target, ask};
use bytes::Bytes;
use discreet_envelope::{OHTTP_KEY_PROBLEM, OHTTP_KEYS, OHTTP_REQUEST, OHTTP_RESPONSE, message, padding};
use discreet_protocol::policy::MEDIA_TYPE as POLICY_TYPE;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::{Clock, Handler, Log, problem, problem_of_type};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Instant;

/// RFC 9540 §4.
pub(crate) const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
pub(crate) const POLICY_PATH: &str = "/.well-known/discreet";
/// For how long relays may keep keys and policy at most: one hour, in seconds.
const MAX_AGE: u64 = 3600;

pub(crate) struct GatewayHandler {
    shared: Shared,
    relays: Relays,
}

/// What an exchange needs, from whichever thread.
pub(crate) struct Shared {
    pub(crate) keys: Arc<Keys>,
    pub(crate) target: Target,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

impl GatewayHandler {
    pub(crate) fn new(shared: Shared, relays: Relays) -> Self {
        Self { shared, relays }
    }

    /// One exchange: errors before the request is open are the outer response, everything after
    /// goes inside a 200 (RFC 9458 §5.2).
    ///
    /// Opening and sealing stay on the network's threads; where the answer is made, the resolver decides.
    async fn exchange(&self, encapsulated: &[u8]) -> Response<Bytes> {
        let now = self.shared.now();
        let opened = match self.shared.open(encapsulated, now) {
            Ok(opened) => opened,
            Err(error) => return self.shared.refuse(error),
        };
        let answer = match self.shared.admit(&opened, now) {
            Ok(request) => self.answer(request).await,
            Err(refused) => *refused,
        };
        self.shared.seal(opened, answer)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        match &self.shared.target.resolver {
            Answering::Embedded(resolver) => (resolver.respond(request).await, Outcome::Answered),
            Answering::Remote(upstream) => ask(upstream, request).await,
        }
    }
}

impl Handler for GatewayHandler {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        match (request.uri().path(), request.method()) {
            (GATEWAY_PATH, &Method::POST) if !is_encapsulated(&request) => {
                problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be message/ohttp-req")
            }
            (GATEWAY_PATH, &Method::POST)
                if !self.relays.admit(request.extensions().get(), Instant::now()) =>
            {
                self.shared.metrics.count(Outcome::OverLimit);
                over_limit()
            }
            (GATEWAY_PATH, &Method::POST) => self.exchange(request.body()).await,
            (GATEWAY_PATH, &Method::GET | &Method::HEAD) => self.shared.collection(),
            (GATEWAY_PATH, _) => not_allowed("GET, HEAD, POST"),
            (POLICY_PATH, &Method::GET | &Method::HEAD) => self.shared.policy(),
            (POLICY_PATH, _) => not_allowed("GET, HEAD"),
            _ => problem(StatusCode::NOT_FOUND, "this gateway has no such resource"),
        }
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.now())
    }

    pub(crate) fn ring(&self) -> Arc<Keyring> {
        self.keys.ring(self.now())
    }

    fn collection(&self) -> Response<Bytes> {
        let now = self.now();
        let ring = self.keys.ring(now);
        document(OHTTP_KEYS, Bytes::copy_from_slice(ring.collection()), now, &ring)
    }

    fn policy(&self) -> Response<Bytes> {
        let now = self.now();
        let ring = self.keys.ring(now);
        match self.publisher.current(now, &ring) {
            Ok(policy) => document(POLICY_TYPE, policy, now, &ring),
            Err(error) => {
                self.log.within(|| tracing::error!(%error, "there is no policy to serve"));
                failed()
            }
        }
    }

    pub(crate) fn open(&self, encapsulated: &[u8], now: Timestamp) -> Result<Opened, OpenError> {
        self.keys.ring(now).open(encapsulated)
    }

    /// What the relay is told of a request that does not open.
    pub(crate) fn refuse(&self, error: OpenError) -> Response<Bytes> {
        match error {
            OpenError::Truncated => {
                self.metrics.count(Outcome::Malformed);
                problem(StatusCode::BAD_REQUEST, "the content is no encapsulated request")
            }
            OpenError::Key => {
                self.metrics.count(Outcome::KeyProblem);
                problem_of_type(StatusCode::BAD_REQUEST, OHTTP_KEY_PROBLEM, "key configuration not known")
            }
        }
    }

    /// The request for the resolver, or what is said instead.
    pub(crate) fn admit(&self, opened: &Opened, now: Timestamp) -> Result<Request<Bytes>, Box<Answer>> {
        if opened.is_new {
            return self.target.admit(&opened.message, now);
        }
        // RFC 9458 §6.5. Only who sealed the first one can read this.
        let again = problem(StatusCode::BAD_REQUEST, "this request has been processed before");
        Err(Box::new((again, Outcome::Replayed)))
    }

    pub(crate) fn seal(&self, opened: Opened, (response, outcome): Answer) -> Response<Bytes> {
        let sealed = seal(opened, &response);
        self.metrics.count(if sealed.is_some() { outcome } else { Outcome::Failed });
        sealed.unwrap_or_else(failed)
    }
}

/// Said to the relay, not to one of its clients: it is over the limit as a whole.
fn over_limit() -> Response<Bytes> {
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "this relay sends too many requests");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A published document. No copy outlives the day or the epoch of its keys: the next policy is signed
/// then, and all relays turn to it together.
fn document(media_type: &'static str, content: Bytes, now: Timestamp, ring: &Keyring) -> Response<Bytes> {
    let until = now.start_of_day().plus(DAY).min(ring.until()).unix();
    let max_age = MAX_AGE.min(until.saturating_sub(now.unix()));
    let mut response = Response::new(content);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(cacheable) = HeaderValue::try_from(format!("public, max-age={max_age}")) {
        response.headers_mut().insert(CACHE_CONTROL, cacheable);
    }
    response
}

/// Frames, pads and seals the target's response.
fn seal(opened: Opened, response: &Response<Bytes>) -> Option<Response<Bytes>> {
    let room = padding::response_room(opened.sealer.aead());
    let padded = message::encode_response(response).ok().and_then(|message| padding::pad(message, room).ok());
    // What does not fit is refused when it is published; if it happens all the same, the client
    // is told inside, in the one size.
    let padded = padded.or_else(|| {
        let response = problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer does not fit");
        padding::pad(message::encode_response(&response).ok()?, room).ok()
    })?;
    let mut response = Response::new(Bytes::from(opened.sealer.seal(padded)?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OHTTP_RESPONSE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

fn is_encapsulated(request: &Request<Bytes>) -> bool {
    let encoded = request.headers().contains_key(http::header::CONTENT_ENCODING);
    let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    !encoded && media_type.is_some_and(|value| value.eq_ignore_ascii_case(OHTTP_REQUEST.as_bytes()))
}

fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "the method does not apply here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn failed() -> Response<Bytes> {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed")
}
