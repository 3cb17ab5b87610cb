//! One request, from its head to its answer.
//!
//! The body is read whole within its bounds, trailers are dropped, and the handler gets what it may
//! see: method, URI, header fields and body. A bound that is met, or a panic, becomes an answer.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    Limits, Log,
    metrics::{Bound, Metrics},
    peers::Peer,
    problem,
};

/// When a peer may try again after a 503, in seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("2");

/// What a role does with a request. The peer's address is not part of it, on purpose.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The shell adds `content-length` and nothing else. For HEAD, answer as
    /// for GET; the shell drops the body.
    ///
    /// The future is dropped when the peer goes away or the time is up.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;
}

/// What all connections of one listener share.
#[derive(Debug)]
pub(crate) struct Server<H> {
    handler: H,
    pub(crate) limits: Limits,
    max_request_bytes: usize,
    permits: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) log: Log,
}

impl<H: Handler> Server<H> {
    pub(crate) fn new(
        handler: H,
        limits: Limits,
        max_request_bytes: usize,
        metrics: Metrics,
        log: Log,
    ) -> Self {
        // Never more than the semaphore can count.
        let permits = Arc::new(Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS)));
        Self { handler, limits, max_request_bytes, permits, metrics, log }
    }

    /// Answers one request, whatever happens.
    pub(crate) async fn exchange<B>(&self, request: Request<B>, peer: Option<Peer>) -> Response<Full<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let head = request.method() == Method::HEAD;
        let response = match self.read(request).await {
            Ok((mut request, _permit)) => {
                // The one thing a handler learns of a connection, and of known peers only.
                request.extensions_mut().extend(peer.map(extension).unwrap_or_default());
                self.answer(request).await
            }
            Err(refusal) => refusal,
        };
        self.metrics.answered(response.status());
        finish(response, head)
    }

    async fn read<B>(&self, request: Request<B>) -> Result<(Request<Bytes>, Permit<'_>), Response<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        // Taken before the body is read: bodies being read are what fills the memory.
        let permit = self.permits.try_acquire().map_err(|_| self.busy())?;
        let (mut parts, body) = request.into_parts();
        parts.extensions = Extensions::new();
        let limit = self.max_request_bytes;
        // A body that announces its size is refused before it, or a 100 (Continue), is sent.
        if body.size_hint().lower() > limit as u64 {
            return Err(self.too_large());
        }
        match timeout(self.limits.request_timeout(), Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok((Request::from_parts(parts, body.to_bytes()), permit)),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(problem(StatusCode::BAD_REQUEST, "the body could not be read")),
            Err(_) => {
                self.metrics.refuse(Bound::BodyTime);
                Err(problem(StatusCode::REQUEST_TIMEOUT, "the body took too long"))
            }
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        // The call itself is inside, so that a handler that panics before its first await is caught too.
        let work = self.log.attach(async { self.handler.handle(request).await });
        match timeout(self.limits.request_timeout(), caught(work)).await {
            Ok(Ok(response)) => response,
            Ok(Err(Panicked)) => {
                self.metrics.panics.inc();
                problem(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
            Err(_) => {
                self.metrics.refuse(Bound::AnswerTime);
                problem(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long")
            }
        }
    }

    fn busy(&self) -> Response<Bytes> {
        self.metrics.refuse(Bound::Requests);
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once");
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECS);
        response
    }

    fn too_large(&self) -> Response<Bytes> {
        self.metrics.refuse(Bound::BodyBytes);
        problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
    }
}

fn extension(peer: Peer) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(peer);
    extensions
}

type Permit<'a> = tokio::sync::SemaphorePermit<'a>;

struct Panicked;

/// Polls `future` and stops at its first panic. The payload is dropped: it may quote the request.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => std::task::Poll::Ready(Err(Panicked)),
    })
    .await
}

/// RFC 9110 §9.3.2: HEAD has the fields of GET and no content. hyper sees to it in HTTP/1.1 only.
fn finish(response: Response<Bytes>, head: bool) -> Response<Full<Bytes>> {
    let (mut parts, body) = response.into_parts();
    if !head {
        return Response::from_parts(parts, Full::new(body));
    }
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(parts, Full::new(Bytes::new()))
}
