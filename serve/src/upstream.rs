//! The one HTTP client of relay and gateway: a few shared connections to one origin.
//!
//! Requests of all clients share the same connections, so that the upstream cannot tell clients
//! apart by them (RFC 9458 §6.2). A request is sent once more only with proof that nothing was processed
//! (RFC 9458 §6.5; `proof`), and while no connection can be made for a moment (`outage`). Everything else,
//! a lost connection above all, is an error and not a reason to repeat. Redirects are answers like any other.

mod config;
mod outage;
mod proof;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, Uri,
    uri::{Authority, PathAndQuery},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Body as _, rt::Executor as _};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioTimer,
};
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

pub use self::config::{Identity, Origin, OriginError, UpstreamConfig};
use self::{
    outage::{Outage, pauses},
    proof::{Failure, judge},
};
use crate::{
    tasks::{Executor, Tasks},
    tls::{TlsError, client_config},
};

/// How many HTTP/2 connections are kept: one would put all requests in one queue.
const CONNECTIONS: usize = 4;
/// How long to wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// When an unused connection is given up. Shorter than our servers' idle times, because a request
/// on an HTTP/1.1 connection that is just being closed is lost, not repeated.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a silent HTTP/2 connection is probed, so that a dead one is noticed before it is used.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How often a request is taken back that hyper has not touched: as often as the pool hands out a connection
/// that is just ending.
const MAX_UNSENT: u32 = 3;
/// How many unused HTTP/1.1 connections are kept for each of [`CONNECTIONS`].
const MAX_IDLE_HTTP1: usize = 128;
/// What is read of an HTTP/1.1 connection at once: a gateway's answer with its head, which would otherwise come in
/// two pieces and be copied together. No head may be longer.
const READ_BUFFER: usize = 16_384;

/// Exchanges that go on at once, also those whose caller has left: whoever asks and leaves must not pile them
/// up. More cannot be sent.
const MAX_EXCHANGES: usize = 4096;

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What is behind an origin. Cheap to share by reference; dropping it closes the connections.
#[derive(Debug)]
pub struct Upstream {
    config: UpstreamConfig,
    origin: Origin,
    timeout: Duration,
    pools: RwLock<Arc<Pools>>,
    exchanges: Arc<Semaphore>,
    tasks: Tasks,
}

/// The connections, shared with the exchanges that go on.
#[derive(Debug)]
struct Pools {
    clients: Vec<HttpClient>,
    next: AtomicUsize,
    outage: Outage,
}

/// Why there is no answer from upstream.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UpstreamError {
    /// Nobody listens there, or the name does not resolve.
    #[error("the upstream cannot be reached")]
    Connect,
    /// The upstream's certificate is not trusted, or TLS failed otherwise.
    #[error("the upstream cannot be trusted")]
    Tls,
    /// The whole exchange took too long.
    #[error("the upstream took too long")]
    Timeout,
    /// The answer is larger than allowed.
    #[error("the upstream's answer is too large")]
    TooLarge,
    /// The connection was lost, or what came is not HTTP.
    #[error("the upstream broke off the exchange")]
    Protocol,
}

impl Upstream {
    /// Prepares the connections; the first request opens them.
    ///
    /// # Errors
    ///
    /// When the CA bundle cannot be used.
    pub fn new(config: &UpstreamConfig) -> Result<Self, TlsError> {
        let tasks = Tasks::default();
        Ok(Self {
            pools: RwLock::new(pools(config, &tasks)?),
            config: config.clone(),
            origin: config.url.clone(),
            timeout: timeout_of(config),
            exchanges: Arc::new(Semaphore::new(MAX_EXCHANGES)),
            tasks,
        })
    }

    /// Scheme, host and port requests go to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Reads CA bundle, certificate and key anew. Every request from now on goes over a new connection that
    /// uses them; the old connections close once the requests they carry are answered.
    ///
    /// # Errors
    ///
    /// When a file cannot be used: nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = pools(&self.config, &self.tasks)?;
        *self.pools.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// How long one exchange may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The host and port requests go to, for requests that must name it.
    pub fn authority(&self) -> &Authority {
        self.origin.authority()
    }

    /// Sends a request and waits for its whole answer, at most `max_response_bytes` of body. It is
    /// processed at most once: it is sent again, a bounded number of times, where the copy before was provably
    /// not processed. While no connection can be made, it waits for a few seconds.
    ///
    /// Of the request's URI only path and query are used. Header fields go out as they are; the client
    /// adds `host` and `content-length` and nothing else. Trailers of the answer are dropped.
    ///
    /// # Errors
    ///
    /// Whatever the error, the upstream may have acted on the request, except for
    /// [`UpstreamError::Connect`] and [`UpstreamError::Tls`].
    pub async fn send(
        &self,
        request: Request<Bytes>,
        max_response_bytes: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        // Nothing has been sent.
        let held = Arc::clone(&self.exchanges).try_acquire_owned().map_err(|_| UpstreamError::Connect)?;
        let (parts, body) = request.into_parts();
        let mut outgoing = Request::new(Full::new(body));
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = self.uri(parts.uri)?;
        *outgoing.headers_mut() = parts.headers;
        let pools = Arc::clone(&self.pools.read().unwrap_or_else(PoisonError::into_inner));
        let exchange = timeout(self.timeout, pools.deliver(outgoing, max_response_bytes));
        let exchange = async move {
            let _held = held;
            exchange.await.unwrap_or(Err(UpstreamError::Timeout))
        };
        Exchange { going_on: Some(Box::pin(exchange)), left_to: self.tasks.executor() }.await
    }

    fn uri(&self, uri: Uri) -> Result<Uri, UpstreamError> {
        let path = uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        Uri::builder()
            .scheme(self.origin.scheme().clone())
            .authority(self.origin.authority().clone())
            .path_and_query(path)
            .build()
            // Never: all three parts were parsed before.
            .map_err(|_| UpstreamError::Protocol)
    }
}

/// An exchange that its caller waits for. A caller who goes away in the middle does not break it off: it ends
/// in a task of its own, so that nobody upstream can tell which client it was by the moment it gave up.
struct Exchange<F: Future<Output = Answered> + Send + 'static> {
    going_on: Option<Pin<Box<F>>>,
    left_to: Executor,
}

type Answered = Result<Response<Bytes>, UpstreamError>;

impl<F: Future<Output = Answered> + Send> Future for Exchange<F> {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        // Never without one: it goes with its outcome, after which nobody polls; or with its panic.
        let Some(mut going_on) = self.going_on.take() else { return Poll::Pending };
        let answered = going_on.as_mut().poll(context);
        if answered.is_pending() {
            self.going_on = Some(going_on);
        }
        answered
    }
}

impl<F: Future<Output = Answered> + Send> Drop for Exchange<F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let (Some(going_on), Ok(_)) = (self.going_on.take(), Handle::try_current()) {
            self.left_to.execute(async move { drop(going_on.await) });
        }
    }
}

impl Pools {
    async fn deliver(
        self: Arc<Self>,
        request: Request<Full<Bytes>>,
        max_response_bytes: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let client = self.clients.get(turn).ok_or(UpstreamError::Protocol)?;
        let (mut may_resend, mut unsent, mut pauses) = (true, 0, pauses());
        loop {
            let answer = exchange(client, request.clone(), max_response_bytes).await;
            if answer.as_ref().err() == Some(&Failure::Unreachable) {
                if !self.outage.note(Instant::now()) {
                    return Err(UpstreamError::Connect);
                }
                sleep(pauses.next().unwrap_or_default()).await;
                continue;
            }
            self.outage.over();
            match answer {
                // The same pool, which learns only now, if not a moment later, that a connection is no good.
                Err(Failure::Unsent) if unsent < MAX_UNSENT => {
                    unsent += 1;
                    sleep(pauses.next().unwrap_or_default()).await;
                }
                Err(Failure::Unprocessed) if may_resend => may_resend = false,
                Err(Failure::Final(error)) => return Err(error),
                Err(_) => return Err(UpstreamError::Protocol),
                Ok(answer) => return Ok(answer),
            }
        }
    }
}

/// One attempt.
async fn exchange(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
    max_response_bytes: usize,
) -> Result<Response<Bytes>, Failure> {
    let harmless_alone = request.method().is_safe() || !request.body().is_end_stream();
    let response = client.request(request).await.map_err(|error| judge(&error, harmless_alone))?;
    let (mut parts, body) = response.into_parts();
    parts.extensions.clear();
    // Once there is a response, whatever goes wrong proves nothing.
    let body = Limited::new(body, max_response_bytes).collect().await.map_err(|error| {
        let too_large = error.is::<LengthLimitError>();
        Failure::Final(if too_large { UpstreamError::TooLarge } else { UpstreamError::Protocol })
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

fn pools(config: &UpstreamConfig, connections: &Tasks) -> Result<Arc<Pools>, TlsError> {
    let identity = config.identity.as_ref();
    let identity = identity.map(|identity| (identity.certificate.as_path(), identity.key.as_path()));
    let tls = client_config(config.ca.as_deref(), identity)?;
    let clients = (0..CONNECTIONS).map(|_| client(tls.clone(), connections)).collect();
    let outage = Outage::new(timeout_of(config));
    Ok(Arc::new(Pools { clients, next: AtomicUsize::new(0), outage }))
}

fn timeout_of(config: &UpstreamConfig) -> Duration {
    Duration::from_secs(config.timeout_secs.get())
}

fn client(
    tls: rustls::ClientConfig,
    connections: &Tasks,
) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Without it a request over HTTP/2 waits some 40 ms for a delayed acknowledgement.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    // `Origin` has seen to it that http is for loopback only.
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
    Client::builder(connections.executor())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_HTTP1)
        .http1_read_buf_exact_size(READ_BUFFER)
        .http2_keep_alive_interval(PROBE_INTERVAL)
        .http2_keep_alive_while_idle(true)
        // RFC 9458 §6.5: no repetition without proof that nothing was processed. Whether there is one is
        // decided here, once, and not by the pool, which would repeat without bound.
        .retry_canceled_requests(false)
        .build(https.wrap_connector(tcp))
}
