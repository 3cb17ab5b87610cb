//! The connections to one origin: idle ones of HTTP/1.1 that are used again, and a few of HTTP/2 that all
//! requests share.
//!
//! Over hyper's connections, and not hyper-util's pool above them: that one is for any number of origins, and
//! finding the right key, waiting for each connection in a task of its own and writing header fields anew
//! was a sixth of a relay's instructions.

use std::{
    collections::VecDeque,
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
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, sleep, timeout},
};
use tower_service::Service as _;

use super::{
    Origin, UpstreamError,
    proof::{Failure, judge, judge_connecting},
};
use crate::tasks::Executor;

/// How many HTTP/2 connections are kept: one would put all requests in one queue.
const CONNECTIONS: usize = 4;
/// How long to wait for a connection: name, TCP and TLS.
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

/// What is read of an HTTP/1.1 connection at once: a gateway's answer with its head, which would otherwise come in
/// two pieces and be copied together. No head may be longer.
const READ_BUFFER: usize = 16_384;

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
    /// Taken in the order of their last use, so that one who asks again and again does not always get the same.
    idle: Mutex<VecDeque<Used<Http1>>>,
    /// Told when an idle connection comes.
    freed: Notify,
    places: [Place; CONNECTIONS],
    next: AtomicUsize,
    is_swept: AtomicBool,
}

/// A place for one connection of HTTP/2.
#[derive(Debug, Default)]
struct Place {
    connection: Mutex<Option<Used<Http2>>>,
    /// The attempt to make it that is under way. It is nobody's who waits for it: he may leave.
    attempt: Mutex<Option<watch::Receiver<Attempt>>>,
}

/// `None` while it is under way. Then the connection, or that the upstream does not speak HTTP/2.
type Attempt = Option<Result<Option<Http2>, Failure>>;

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
            freed: Notify::new(),
            places: Default::default(),
            next: AtomicUsize::new(0),
            is_swept: AtomicBool::new(false),
        }
    }

    /// Whose turn it is: the place that a request keeps to, however often it is sent.
    pub(super) fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS
    }

    /// Sends a request, of whose URI path and query count, and waits for its answer: one attempt.
    pub(super) async fn send(
        self: &Arc<Self>,
        turn: usize,
        mut request: Request<Full<Bytes>>,
        max_response_bytes: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let harmless_alone = request.method().is_safe() || !request.body().is_end_stream();
        match self.connection(turn).await? {
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

    async fn connection(self: &Arc<Self>, turn: usize) -> Result<Connection, Failure> {
        // Never without a place.
        let Some(place) = self.places.get(turn) else { return self.http1(turn).await };
        if self.speaks_http1.load(Ordering::Relaxed) {
            return self.http1(turn).await;
        }
        if let Some(connection) = place.connection() {
            return Ok(Connection::Http2(connection));
        }
        let mut attempt = self.attempt(turn, place);
        // A connection that takes long to make keeps nobody waiting while there is another.
        if let Some(connection) = self.places.iter().find_map(Place::connection) {
            return Ok(Connection::Http2(connection));
        }
        let made = attempt.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
        match made.unwrap_or(Err(Failure::Unreachable))? {
            Some(connection) => Ok(Connection::Http2(connection)),
            None => self.http1(turn).await,
        }
    }

    /// The attempt for this place that is under way, or a new one.
    fn attempt(self: &Arc<Self>, turn: usize, place: &Place) -> watch::Receiver<Attempt> {
        let mut under_way = lock(&place.attempt);
        // One that was aborted has nobody left to say so.
        if let Some(attempt) = under_way.as_ref().filter(|attempt| attempt.has_changed().is_ok()) {
            return attempt.clone();
        }
        let (say, attempt) = watch::channel(None);
        *under_way = Some(attempt.clone());
        let pool = Arc::clone(self);
        self.executor.execute(async move {
            let made = pool.connect().await.map(|connection| pool.put(turn, connection));
            if let Some(place) = pool.places.get(turn) {
                *lock(&place.attempt) = None;
            }
            say.send_replace(Some(made));
        });
        attempt
    }

    /// An idle connection or, if none comes before, a new one.
    async fn http1(self: &Arc<Self>, turn: usize) -> Result<Connection, Failure> {
        if let Some(idle) = self.idle() {
            return Ok(Connection::Http1(idle));
        }
        let (give, mut new) = oneshot::channel();
        let pool = Arc::clone(self);
        self.executor.execute(async move {
            let made = pool.connect().await;
            if let Ok(Connection::Http2(shared)) = &made {
                pool.put(turn, Connection::Http2(shared.clone()));
            }
            // Who waited for it has found another, or left.
            if let Err(Ok(connection)) = give.send(made) {
                pool.put(turn, connection);
            }
        });
        loop {
            tokio::select! {
                biased;
                made = &mut new => return made.unwrap_or(Err(Failure::Unreachable)),
                () = self.freed.notified() => if let Some(idle) = self.idle() {
                    return Ok(Connection::Http1(idle));
                },
            }
        }
    }

    /// The connection of those that take a request now that has not been used for the longest time.
    fn idle(&self) -> Option<Http1> {
        let mut idle = lock(&self.idle);
        for _ in 0..idle.len() {
            let used = idle.pop_front().filter(|used| used.is_fresh() && !used.connection.is_closed());
            match used {
                Some(used) if used.connection.is_ready() => return Some(used.connection),
                // It has only just been answered.
                Some(used) => idle.push_back(used),
                None => {}
            }
        }
        None
    }

    fn keep(&self, connection: Http1) {
        let mut idle = lock(&self.idle);
        if idle.len() >= MAX_IDLE_HTTP1 {
            idle.pop_front();
        }
        idle.push_back(Used { connection, last: Instant::now() });
        drop(idle);
        self.freed.notify_one();
    }

    /// Puts a new connection where others find it; returns it if it can be shared.
    fn put(&self, turn: usize, connection: Connection) -> Option<Http2> {
        match connection {
            Connection::Http1(connection) => {
                self.keep(connection);
                None
            }
            Connection::Http2(connection) => {
                let used = Used { connection: connection.clone(), last: Instant::now() };
                if let Some(place) = self.places.get(turn) {
                    *lock(&place.connection) = Some(used);
                }
                Some(connection)
            }
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Connection, Failure> {
        let connection = timeout(CONNECT_TIMEOUT, self.handshakes()).await;
        let connection = connection.unwrap_or(Err(Failure::Unreachable))?;
        let is_http1 = matches!(connection, Connection::Http1(_));
        self.speaks_http1.store(is_http1, Ordering::Relaxed);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
        Ok(connection)
    }

    /// Until a request can be sent. Whatever fails, none was.
    async fn handshakes(&self) -> Result<Connection, Failure> {
        let mut connector = self.connector.clone();
        let origin = self.absolute(Uri::default())?;
        poll_fn(|context| connector.poll_ready(context)).await.map_err(|error| judge_connecting(&*error))?;
        let stream = connector.call(origin).await.map_err(|error| judge_connecting(&*error))?;
        // How a connection ends, the requests on it are told.
        if stream.connected().is_negotiated_h2() {
            let mut builder = http2::Builder::new(self.executor.clone());
            builder.timer(TokioTimer::new());
            builder.keep_alive_interval(PROBE_INTERVAL).keep_alive_while_idle(true);
            let (connection, going_on) =
                builder.handshake(stream).await.map_err(|error| judge_connecting(&error))?;
            self.executor.execute(async move { drop(going_on.await) });
            Ok(Connection::Http2(connection))
        } else {
            let mut http1 = http1::Builder::new();
            http1.read_buf_exact_size(Some(READ_BUFFER));
            let (mut connection, going_on) =
                http1.handshake(stream).await.map_err(|error| judge_connecting(&error))?;
            self.executor.execute(async move { drop(going_on.await) });
            connection.ready().await.map_err(|error| judge_connecting(&error))?;
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
