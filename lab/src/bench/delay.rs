//! Distance: a TCP forwarder that holds every byte back, in both directions, for half a round trip.

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Pieces under way on one connection in one direction.
const UNDER_WAY: usize = 1024;
/// The largest piece, in bytes.
const PIECE: usize = 65_536;

/// A running forwarder. Dropping it stops it.
pub(crate) struct Distance {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Distance {
    /// Puts `to` at a distance of this round trip.
    pub(crate) async fn new(to: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, to, round_trip / 2));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, delay: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                connections.spawn(forward(near, to, delay));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(near: TcpStream, to: SocketAddr, delay: Duration) {
    // The handshake of TCP takes a round trip, too.
    sleep_until(Instant::now() + 2 * delay).await;
    let Ok(far) = TcpStream::connect(to).await else { return };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::join!(pass(near_read, far_write, delay), pass(far_read, near_write, delay));
}

async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration) {
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tokio::join!(read(from, sender, delay), write(to, receiver));
}

async fn read(mut from: OwnedReadHalf, sender: mpsc::Sender<(Instant, Bytes)>, delay: Duration) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let piece = buffer.split().freeze();
                if sender.send((Instant::now() + delay, piece)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut receiver: mpsc::Receiver<(Instant, Bytes)>) {
    while let Some((due, piece)) = receiver.recv().await {
        sleep_until(due).await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
    // The other side has closed; a failure changes nothing.
    let _ = to.shutdown().await;
}
