//! Accepting connections, and letting them go.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    addresses::Origin,
    connection::{serve_socket, stopped},
    exchange::{Handler, Server, Visit},
    metrics::Metrics,
    peers::Tls,
    socket::{Listener, Socket},
};

/// How long to wait when the system has no connection to give, most often for want of descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Connections that did not finish within the drain time.
    pub(crate) cut_off: usize,
    /// Connections whose task panicked.
    pub(crate) panicked: usize,
}

/// Serves until told to stop, then drains. Dropping the future closes everything at once.
///
/// Each handshake uses what `tls` holds when its connection is accepted.
pub(crate) async fn serve_listener<H: Handler>(
    listener: Listener,
    tls: Option<watch::Receiver<Tls>>,
    server: Arc<Server<H>>,
    stop: watch::Receiver<bool>,
) -> Ended {
    let mut connections = JoinSet::new();
    let mut ended = Ended::default();
    let mut stopping = std::pin::pin!(stopped(stop.clone()));
    // Accepted, and waiting for a place; meanwhile the kernel queues the others.
    let mut arrived = None;
    let admit = |(socket, origin), place, evicted: bool| {
        if evicted {
            server.metrics.evicted.inc();
        }
        let open = server.metrics.connection();
        let visit = Visit { place, origin, peer: None, visitor: None };
        let tls = tls.as_ref().map(|tls| tls.borrow().clone());
        let (shared, stop) = (Arc::clone(&server), stop.clone());
        server.log.attach(async move {
            let _open = open;
            serve_socket(socket, tls, shared, visit, stop).await;
        })
    };
    loop {
        tokio::select! {
            () = stopping.as_mut() => break,
            Some(result) = connections.join_next() => ended.note(&result, &server.metrics),
            arrival = next(&listener, &server), if arrived.is_none() => arrived = Some(arrival),
            (place, evicted) = server.places.take(), if arrived.is_some() => {
                if let Some(arrival) = arrived.take() {
                    connections.spawn(admit(arrival, place, evicted));
                }
            }
        }
    }
    // Closed first: from here on the system refuses new connections.
    drop(listener);
    let drained = timeout(server.limits.drain(), async {
        loop {
            tokio::select! {
                Some(result) = connections.join_next() => ended.note(&result, &server.metrics),
                // It was accepted, so nobody else can serve it.
                (place, evicted) = server.places.take(), if arrived.is_some() => {
                    if let Some(arrival) = arrived.take() {
                        connections.spawn(admit(arrival, place, evicted));
                    }
                }
                else => break,
            }
        }
    });
    if drained.await.is_err() {
        ended.cut_off = connections.len();
        connections.shutdown().await;
    }
    ended
}

impl Ended {
    fn note(&mut self, result: &Result<(), tokio::task::JoinError>, metrics: &Metrics) {
        if result.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
            self.panicked += 1;
            metrics.panics.inc();
        }
    }
}

/// The next connection that is let in, and what is kept of its address, if anything.
async fn next<H: Handler>(listener: &Listener, server: &Server<H>) -> (Socket, Option<Origin>) {
    loop {
        match listener.accept().await {
            // The peer's address ends here.
            Ok((socket, peer)) => match server.admission.accepted(peer) {
                Ok(origin) => return (socket, origin),
                Err(reason) => server.metrics.unwelcome(reason),
            },
            Err(error) if gone_already(&error) => {}
            Err(_) => {
                server.metrics.accept_failures.inc();
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// The peer left before we looked: no reason to wait.
fn gone_already(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
