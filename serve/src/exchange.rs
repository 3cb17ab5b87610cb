//! One request, from its head to its answer.
//!
//! The body is read whole within its bounds, trailers are dropped, and the handler gets what it may
//! see: method, URI, header fields and body. A bound that is met, or a panic, becomes an answer. Work
//! begins when the whole request is there, so that a slow client holds nothing that others need.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    Limits, Log,
    addresses::{Empty, Origin},
    bodies::Bodies,
    clients::{Admission, Refused},
    metrics::{Bound, Metrics},
    peers::{Peer, Visitor},
    places::{Place, Places},
    problem,
};

/// When a peer may try again after a 503, in seconds.
const BUSY_SECS: u64 = 2;

/// What a role does with a request. The peer's address is not part of it, on purpose.
pub trait Handler: Send + Sync + 'static {
    /// Whether it is told the subject of a client's certificate ([`Visitor`]). Only a role whose
    /// clients have accounts with it anyway says so.
    const NAMES_VISITORS: bool = false;

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
    pub(crate) admission: Admission,
    pub(crate) places: Arc<Places>,
    bodies: Bodies,
    permits: Semaphore,
    pub(crate) metrics: Metrics,
    pub(crate) log: Log,
}

/// What all requests of one connection share.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) place: Place,
    /// What is kept of the client's address, where it bounds anything.
    pub(crate) origin: Option<Origin>,
    /// Who it is, where only known peers are let in.
    pub(crate) peer: Option<Peer>,
    /// The subject of its certificate, where the handler asks for it.
    pub(crate) visitor: Option<Visitor>,
}

impl<H: Handler> Server<H> {
    pub(crate) fn new(
        handler: H,
        limits: Limits,
        max_request_bytes: usize,
        admission: Admission,
        metrics: Metrics,
        log: Log,
    ) -> Self {
        // Never more than the semaphore can count.
        let permits = Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS));
        metrics.set_places(limits.max_connections);
        let (places, bodies) = (Places::new(limits.max_connections), Bodies::new(limits.max_bodies));
        Self { handler, limits, max_request_bytes, admission, places, bodies, permits, metrics, log }
    }

    /// Answers one request, whatever happens.
    pub(crate) async fn exchange<B>(&self, request: Request<B>, visit: &Visit) -> Response<Full<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let head = request.method() == Method::HEAD;
        let response = self.work(request, visit).await.unwrap_or_else(|refusal| refusal);
        self.metrics.answered(response.status());
        finish(response, head)
    }

    async fn work<B>(
        &self,
        mut request: Request<B>,
        visit: &Visit,
    ) -> Result<Response<Bytes>, Response<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let admitted = self.admission.asked(request.headers_mut(), visit.origin);
        admitted.map_err(|refused| self.not_admitted(refused))?;
        let mut request = self.read(request).await?;
        // Taken only now: nobody holds them by being slow.
        let _permit = self.permits.try_acquire().map_err(|_| self.busy())?;
        // This connection leaves, the server has room: no `Retry-After`, which a relay would take for all.
        let leaving = || problem(StatusCode::SERVICE_UNAVAILABLE, "this connection is being closed");
        let _work = visit.place.work().ok_or_else(leaving)?;
        // All that a handler learns of a connection: a known peer, and a visitor if it asks for it.
        request.extensions_mut().extend(visit.peer.clone().map(extension).unwrap_or_default());
        request.extensions_mut().extend(visit.visitor.clone().map(extension).unwrap_or_default());
        Ok(self.answer(request).await)
    }

    async fn read<B>(&self, request: Request<B>) -> Result<Request<Bytes>, Response<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (mut parts, body) = request.into_parts();
        parts.extensions = Extensions::new();
        let limit = self.max_request_bytes;
        // A body that announces its size is refused before it, or a 100 (Continue), is sent.
        if body.size_hint().lower() > limit as u64 {
            return Err(self.too_large());
        }
        let mut body = pin!(Limited::new(body, limit).collect());
        // Most come with their head, and neither wait nor take a place.
        let read = match at_once(body.as_mut()).await {
            Some(read) => read,
            None => self.wait_for(body).await?,
        };
        match read {
            Ok(body) => Ok(Request::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Err(_) => Err(problem(StatusCode::BAD_REQUEST, "the body could not be read")),
        }
    }

    /// The end of a body that is arriving, or why it is not waited for.
    async fn wait_for<F: Future>(&self, body: F) -> Result<F::Output, Response<Bytes>> {
        let arriving = self.bodies.begin();
        let (bound, title) = tokio::select! {
            read = body => return Ok(read),
            () = arriving.given_up() => (Bound::Bodies, "the body came too slowly while others waited"),
            () = sleep(self.limits.body_timeout()) => (Bound::BodyTime, "the body took too long"),
        };
        self.metrics.refuse(bound);
        Err(problem(StatusCode::REQUEST_TIMEOUT, title))
    }

    /// Whether a body is arriving that is not whole yet.
    #[cfg(test)]
    pub(crate) fn is_reading(&self) -> bool {
        !self.bodies.is_empty()
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        // HTTP/1.1 is answered in the connection's task, whose log is this one; a stream has a task of its own.
        let has_log = request.version() != Version::HTTP_2;
        // The call itself is inside, so that a handler that panics before its first await is caught too.
        let work = async {
            let work = self.handler.handle(request);
            if has_log { work.await } else { self.log.attach(work).await }
        };
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
        let response = problem(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once");
        retry_after(response, BUSY_SECS)
    }

    fn not_admitted(&self, refused: Refused) -> Response<Bytes> {
        match refused {
            // RFC 6585 §4.
            Refused::Rate(Empty { retry_after_secs }) => {
                self.metrics.refuse(Bound::Rate);
                let response = problem(StatusCode::TOO_MANY_REQUESTS, "too many requests from one address");
                retry_after(response, retry_after_secs)
            }
            Refused::ForwardedFor => {
                self.metrics.refuse(Bound::ForwardedFor);
                problem(StatusCode::BAD_REQUEST, "the proxies in front do not say for whom they ask")
            }
        }
    }

    fn too_large(&self) -> Response<Bytes> {
        self.metrics.refuse(Bound::BodyBytes);
        problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
    }
}

fn extension<T: Clone + Send + Sync + 'static>(who: T) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(who);
    extensions
}

fn retry_after(mut response: Response<Bytes>, seconds: u64) -> Response<Bytes> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The outcome of `future` if it is there without waiting.
async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

struct Panicked;

/// Polls `future` and stops at its first panic. The payload is dropped: it may quote the request.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
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
