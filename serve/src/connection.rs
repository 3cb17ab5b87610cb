//! One connection: TLS handshake, HTTP, idle time, goodbye.

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
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::{
    exchange::{Handler, Server},
    peers::{Peer, Tls},
    socket::Socket,
    tasks::{Executor, Tasks},
};

/// How long a peer may take to collect its last answer and close, once we have said goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Bytes one HTTP/2 stream may send ahead of the handler; hyper's default of 1 MiB is for large bodies.
const STREAM_WINDOW: u32 = 65_535;
/// Bytes all streams of one HTTP/2 connection may send ahead together.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Serves an accepted socket until it is closed by either side.
pub(crate) async fn serve_socket<H: Handler>(
    socket: Socket,
    tls: Option<Tls>,
    server: Arc<Server<H>>,
    stop: watch::Receiver<bool>,
) {
    let Some(tls) = tls else {
        return serve(socket, None, &server, stop).await;
    };
    match timeout(server.limits.tls_handshake_timeout(), tls.acceptor.accept(socket)).await {
        Ok(Ok(stream)) => {
            let peer = peer(&tls, stream.get_ref().1.peer_certificates());
            serve(stream, peer, &server, stop).await;
        }
        Ok(Err(_)) | Err(_) => {
            server.metrics.handshake_failures.inc();
        }
    }
}

/// Who shows this certificate, where only known peers get through the handshake.
fn peer(tls: &Tls, chain: Option<&[CertificateDer<'_>]>) -> Option<Peer> {
    tls.peers.as_ref()?.whose(chain?.first()?).cloned()
}

/// Serves HTTP/1.1 or HTTP/2, whichever the peer speaks.
pub(crate) async fn serve<H, IO>(
    io: IO,
    peer: Option<Peer>,
    server: &Arc<Server<H>>,
    stop: watch::Receiver<bool>,
) where
    H: Handler,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let activity = Activity::default();
    let service = service_fn(|request| {
        let (server, peer, busy) = (Arc::clone(server), peer.clone(), activity.begin());
        async move {
            let _busy = busy;
            Ok::<_, Infallible>(server.exchange(request, peer).await)
        }
    });
    let builder = http(server, tasks.executor());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        biased; // A stop is seen before an answer goes out, so that the answer can announce the close.
        () = stopped(stop) => {}
        _ = connection.as_mut() => return,
        () = activity.idle_for(server.limits.idle_timeout()) => {}
    }
    // `connection: close` or GOAWAY: requests in flight are answered, no new one is taken.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = activity.idle_for(GOODBYE) => {}
    }
}

/// Resolves once the server is told to stop, or is gone.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
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
        .max_concurrent_streams(limits.max_streams_per_connection);
    builder
}

/// How many requests of one connection are in flight.
#[derive(Default)]
struct Activity(watch::Sender<usize>);

/// One request in flight, until dropped.
struct Busy(watch::Sender<usize>);

impl Activity {
    fn begin(&self) -> Busy {
        self.0.send_modify(|count| *count += 1);
        Busy(self.0.clone())
    }

    /// Resolves after `duration` without a request.
    fn idle_for(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let mut count = self.0.subscribe();
        async move {
            loop {
                if count.wait_for(|count| *count == 0).await.is_err() {
                    return;
                }
                if timeout(duration, count.changed()).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
