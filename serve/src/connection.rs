//! One connection: a balancer's header, TLS handshake, HTTP, idle time, goodbye.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};
use tokio_rustls::{rustls::pki_types::CertificateDer, server::TlsStream};

use crate::{
    addresses::Origin,
    clients::Unwelcome,
    exchange::{Handler, Server, Visit},
    peers::{Peer, Tls, Visitor},
    socket::Socket,
    tasks::{Executor, Tasks},
};

/// How long a peer may take to collect its last answer and close, once we have said goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// The same for a connection that had to make room: its place is another's already.
const SHORT_GOODBYE: Duration = Duration::from_secs(1);
/// How long a connection that has had no request yet may take for its first one after a stop. The peer has
/// only just made it, and a request on its way into a connection that ends without a word is lost.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// Bytes one HTTP/2 stream may send ahead of the handler; hyper's default of 1 MiB is for large bodies.
const STREAM_WINDOW: u32 = 65_535;
/// Bytes all streams of one HTTP/2 connection may send ahead together.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// Bytes of one HTTP/2 stream's answer that are copied ahead of what the peer takes; hyper's 400 KiB are
/// for large answers.
const SEND_BUFFER: usize = 16_384;
/// Streams that a peer may open and reset faster than they are looked at ("rapid reset"). Over it the
/// connection is closed with ENHANCE_YOUR_CALM.
const MAX_RESETS_PENDING: usize = 20;
/// Streams of one connection that we may have to reset for the peer's errors. Over it, the same.
const MAX_RESETS_OF_OURS: usize = 128;

/// Serves an accepted socket until it is closed by either side.
pub(crate) async fn serve_socket<H: Handler>(
    socket: Socket,
    tls: Option<Tls>,
    server: Arc<Server<H>>,
    visit: Visit,
    stop: watch::Receiver<bool>,
) {
    let opened = tokio::select! {
        opened = timeout(server.limits.tls_handshake_timeout(), open(socket, tls, &server, visit.origin)) => {
            opened.unwrap_or(Err(Failed::Handshake))
        }
        () = visit.place.lost() => return,
    };
    match opened {
        Ok(Opened { stream: Stream::Plain(stream), origin, .. }) => {
            serve(stream, Visit { origin, ..visit }, &server, stop).await;
        }
        Ok(Opened { stream: Stream::Tls(stream), origin, peer }) => {
            let visitor = visitor::<H>(stream.get_ref().1.peer_certificates());
            serve(stream, Visit { origin, peer, visitor, ..visit }, &server, stop).await;
        }
        Err(Failed::Unwelcome(reason)) => server.metrics.unwelcome(reason),
        Err(Failed::Handshake) => {
            server.metrics.handshake_failures.inc();
        }
    }
}

/// A connection that HTTP can begin on.
struct Opened {
    stream: Stream,
    origin: Option<Origin>,
    peer: Option<Peer>,
}

enum Stream {
    Plain(Socket),
    // Large, and the other is not.
    Tls(Box<TlsStream<Socket>>),
}

/// Why HTTP does not begin.
enum Failed {
    Unwelcome(Unwelcome),
    Handshake,
}

/// What comes before HTTP: a balancer's header, TLS.
async fn open<H: Handler>(
    mut socket: Socket,
    tls: Option<Tls>,
    server: &Server<H>,
    origin: Option<Origin>,
) -> Result<Opened, Failed> {
    let origin = server.admission.greeted(&mut socket, origin).await.map_err(Failed::Unwelcome)?;
    let Some(tls) = tls else {
        return Ok(Opened { stream: Stream::Plain(socket), origin, peer: None });
    };
    let stream = tls.acceptor.accept(socket).await.map_err(|_| Failed::Handshake)?;
    let peer = peer(&tls, stream.get_ref().1.peer_certificates());
    Ok(Opened { stream: Stream::Tls(Box::new(stream)), origin, peer })
}

/// Who shows this certificate, where only known peers get through the handshake.
fn peer(tls: &Tls, chain: Option<&[CertificateDer<'_>]>) -> Option<Peer> {
    tls.peers.as_ref()?.whose(chain?.first()?).cloned()
}

/// The subject of a client's certificate, if the handler asks for it.
fn visitor<H: Handler>(chain: Option<&[CertificateDer<'_>]>) -> Option<Visitor> {
    if H::NAMES_VISITORS { Visitor::of(chain?.first()?) } else { None }
}

/// Serves HTTP/1.1 or HTTP/2, whichever the peer speaks.
pub(crate) async fn serve<H, IO>(io: IO, visit: Visit, server: &Arc<Server<H>>, stop: watch::Receiver<bool>)
where
    H: Handler,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let visit = Arc::new(visit);
    let begun = visit.place.begun();
    let service = service_fn(|request| {
        let (server, visit) = (Arc::clone(server), Arc::clone(&visit));
        async move { Ok::<_, Infallible>(server.exchange(request, &visit).await) }
    });
    let builder = http(server, tasks.executor());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut leaving = None;
    // A body that is arriving at a stop is no work yet, and must not be cut off.
    let patient = GOODBYE.max(server.limits.body_timeout());
    let goodbye = tokio::select! {
        biased; // A stop is seen before an answer goes out, so that the answer can announce the close.
        () = leave_at(stop, begun) => patient,
        _ = connection.as_mut() => return,
        () = visit.place.lost() => {
            leaving = visit.place.goodbye();
            if leaving.is_some() { SHORT_GOODBYE } else { return }
        }
        () = visit.place.idle_for(server.limits.idle_timeout()) => GOODBYE,
    };
    // `connection: close` or GOAWAY: requests in flight are answered, no new one is taken.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = visit.place.idle_for(goodbye) => {}
    }
    drop(leaving);
}

/// Resolves once the server is told to stop, or is gone.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Resolves once the server is told to stop and the connection has had a request, or none in time.
async fn leave_at(stop: watch::Receiver<bool>, begun: impl Future<Output = ()>) {
    stopped(stop).await;
    let _ = timeout(FIRST_REQUEST, begun).await;
}

fn http<H: Handler>(server: &Server<H>, executor: Executor) -> Builder<Executor> {
    let limits = &server.limits;
    let mut builder = Builder::new(executor);
    // No `date`, although RFC 9110 §6.6.1 asks for one: our clock is nobody's business, and the same
    // section has recipients go by the time of receipt instead.
    builder
        .http1()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .header_read_timeout(limits.header_timeout())
        .max_buf_size(limits.max_header_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_header_list_size(limits.max_header_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(MAX_RESETS_PENDING)
        .max_local_error_reset_streams(MAX_RESETS_OF_OURS)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(limits.max_streams_per_connection);
    builder
}

#[cfg(test)]
mod tests;
