//! The connections to one origin: idle ones of HTTP/1.1 that are used again, and a few of HTTP/2 that all
//! requests share.
//!
//! Over hyper's connections, and not hyper-util's pool above them: that one is for any number of origins, and
//! finding the right key, waiting for each connection in a task of its own and writing header fields anew
//! was a sixth of a relay's instructions.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::{http1, http2},
    rt::Executor as _,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::connect::{Connection as _, HttpConnector},
    rt::TokioTimer,
};
use tokio::time::{Instant, sleep};
use tower_service::Service as _;

use super::{
    Origin, UpstreamError,
    proof::{Failure, judge, judge_connecting},
};
use crate::tasks::Executor;

/// How many HTTP/2 connections are kept: one would put all requests in one queue.
const CONNECTIONS: usize = 4;
/// How long to wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// When an unused connection is given up. Shorter than our servers' idle times, because a request
/// on an HTTP/1.1 connection that is just being closed is lost, not repeated.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is looked for unused connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How often a silent HTTP/2 connection is probed, so that a dead one is noticed before it is used.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How many unused HTTP/1.1 connections are kept.
const MAX_IDLE_HTTP1: usize = 512;

type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// Connections made under one TLS configuration. Dropping it closes them, once what they carry is answered.
#[derive(Debug)]
pub(super) struct Pool {
    origin: Origin,
    /// What requests over HTTP/1.1 name the origin by.
    host: HeaderValue,
    connector: HttpsConnector<HttpConnector>,
    executor: Executor,
    /// What the connection made last speaks.
    speaks_http1: AtomicBool,
    /// By the moment of their last use.
    idle: Mutex<Vec<Used<Http1>>>,
    places: [Place; CONNECTIONS],
    next: AtomicUsize,
    is_swept: AtomicBool,
}

/// A place for one connection of HTTP/2.
#[derive(Debug, Default)]
struct Place {
    connection: Mutex<Option<Used<Http2>>>,
    /// Held by whoever makes the connection that the others wait for. The last failure, and when it was.
    connecting: tokio::sync::Mutex<Option<(Instant, Failure)>>,
}

#[derive(Debug)]
struct Used<C> {
    connection: C,
    last: Instant,
}

/// What a request may be sent over.
enum Connection {
    Http1(Http1),
    Http2(Http2),
}

impl Pool {
    pub(super) fn new(origin: &Origin, tls: rustls::ClientConfig, executor: Executor) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it a request over HTTP/2 waits some 40 ms for a delayed acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // `Origin` has seen to it that http is for loopback only.
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        Self {
            origin: origin.clone(),
            host: host_of(origin),
            connector: https.wrap_connector(tcp),
            executor,
            // Without TLS there is no ALPN to negotiate HTTP/2 by.
            speaks_http1: AtomicBool::new(*origin.scheme() == Scheme::HTTP),
            idle: Mutex::default(),
            places: Default::default(),
            next: AtomicUsize::new(0),
            is_swept: AtomicBool::new(false),
        }
    }

    /// Sends a request, of whose URI path and query count, and waits for its answer: one attempt.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
        max_response_bytes: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let harmless_alone = request.method().is_safe() || !request.body().is_end_stream();
        match self.connection().await? {
            Connection::Http1(mut connection) => {
                request.headers_mut().entry(HOST).or_insert_with(|| self.host.clone());
                let response = connection.send_request(request).await;
                let response = response.map_err(|error| judge(&error, harmless_alone, false))?;
                let response = whole(response, max_response_bytes).await?;
                self.keep(connection);
                Ok(response)
            }
            Connection::Http2(mut connection) => {
                *request.uri_mut() = self.absolute(std::mem::take(request.uri_mut()))?;
                let response = connection.send_request(request).await;
                let response = response.map_err(|error| judge(&error, harmless_alone, true))?;
                whole(response, max_response_bytes).await
            }
        }
    }

    /// The URI that HTTP/2 takes its pseudo-header fields from (RFC 9113 §8.3.1).
    fn absolute(&self, uri: Uri) -> Result<Uri, Failure> {
        let path = uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        let (scheme, authority) = (self.origin.scheme().clone(), self.origin.authority().clone());
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        // Never: all three parts were parsed before.
        uri.map_err(|_| Failure::Final(UpstreamError::Protocol))
    }

    async fn connection(self: &Arc<Self>) -> Result<Connection, Failure> {
        if self.speaks_http1.load(Ordering::Relaxed) {
            return self.http1().await;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        // Never without one.
        let Some(place) = self.places.get(turn) else { return self.connect().await };
        if let Some(connection) = place.connection() {
            return Ok(Connection::Http2(connection));
        }
        let asked = Instant::now();
        let mut failed = place.connecting.lock().await;
        if let Some(connection) = place.connection() {
            return Ok(Connection::Http2(connection));
        }
        if self.speaks_http1.load(Ordering::Relaxed) {
            drop(failed);
            return self.http1().await;
        }
        // Else those who wait for one connection would each wait for all attempts before their own.
        if let Some((_, failure)) = failed.filter(|(at, _)| *at >= asked) {
            return Err(failure);
        }
        let connected = self.connect().await;
        *failed = connected.as_ref().err().map(|failure| (Instant::now(), *failure));
        if let Ok(Connection::Http2(connection)) = &connected {
            *lock(&place.connection) = Some(Used { connection: connection.clone(), last: Instant::now() });
        }
        connected
    }

    /// The connection that was used last, of those that take a request now, or else a new one.
    async fn http1(self: &Arc<Self>) -> Result<Connection, Failure> {
        let idle = {
            let mut idle = lock(&self.idle);
            let usable = |used: &Used<Http1>| used.is_fresh() && used.connection.is_ready();
            idle.iter().rposition(usable).map(|at| idle.remove(at).connection)
        };
        match idle {
            Some(connection) => Ok(Connection::Http1(connection)),
            None => self.connect().await,
        }
    }

    fn keep(&self, connection: Http1) {
        let mut idle = lock(&self.idle);
        if !connection.is_closed() && idle.len() < MAX_IDLE_HTTP1 {
            idle.push(Used { connection, last: Instant::now() });
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Connection, Failure> {
        let mut connector = self.connector.clone();
        let origin = self.absolute(Uri::default())?;
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| judge_connecting(&*error);
        poll_fn(|context| connector.poll_ready(context)).await.map_err(refused)?;
        let stream = connector.call(origin).await.map_err(refused)?;
        let is_http2 = stream.connected().is_negotiated_h2();
        self.speaks_http1.store(!is_http2, Ordering::Relaxed);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
        if is_http2 {
            let mut builder = http2::Builder::new(self.executor.clone());
            builder.timer(TokioTimer::new());
            builder.keep_alive_interval(PROBE_INTERVAL).keep_alive_while_idle(true);
            let made = builder.handshake(stream).await;
            let (connection, going_on) = made.map_err(|error| judge(&error, false, true))?;
            // How it ends, the requests on it are told.
            self.executor.execute(async move { drop(going_on.await) });
            Ok(Connection::Http2(connection))
        } else {
            let made = http1::handshake(stream).await;
            let (mut connection, going_on) = made.map_err(|error| judge(&error, false, false))?;
            self.executor.execute(async move { drop(going_on.await) });
            connection.ready().await.map_err(|error| judge(&error, false, false))?;
            Ok(Connection::Http1(connection))
        }
    }

    /// Closes what is not used, from now on.
    fn sweep(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        self.executor.execute(async move {
            loop {
                sleep(SWEEP_INTERVAL).await;
                let Some(pool) = pool.upgrade() else { return };
                lock(&pool.idle).retain(|used| used.is_fresh() && !used.connection.is_closed());
                for place in &pool.places {
                    lock(&place.connection).take_if(|used| !used.is_fresh());
                }
            }
        });
    }
}

impl Place {
    fn connection(&self) -> Option<Http2> {
        let mut place = lock(&self.connection);
        place.take_if(|used| used.connection.is_closed() || !used.is_fresh());
        let used = place.as_mut()?;
        used.last = Instant::now();
        Some(used.connection.clone())
    }
}

impl<C> Used<C> {
    fn is_fresh(&self) -> bool {
        self.last.elapsed() < POOL_IDLE_TIMEOUT
    }
}

/// Host and port as `host` says them (RFC 9110 §7.2): without the scheme's own port.
fn host_of(origin: &Origin) -> HeaderValue {
    let authority = origin.authority();
    let usual = if *origin.scheme() == Scheme::HTTP { 80 } else { 443 };
    let host = if authority.port_u16() == Some(usual) { authority.host() } else { authority.as_str() };
    // Never another: an authority has no characters that a header field has not.
    HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static(""))
}

async fn whole(response: Response<Incoming>, max_bytes: usize) -> Result<Response<Bytes>, Failure> {
    let (mut parts, body) = response.into_parts();
    parts.extensions.clear();
    // Once there is a response, whatever goes wrong proves nothing.
    let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        let too_large = error.is::<LengthLimitError>();
        Failure::Final(if too_large { UpstreamError::TooLarge } else { UpstreamError::Protocol })
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// A thread that panicked left no half-done change behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
