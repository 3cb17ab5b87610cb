//! Connections that are as slow as they may be. Whenever the server ends one, it is opened again, so
//! that their number stays.

use crate::stress::link::{Connector, PATIENCE, connect, server_name};
use anyhow::{Context, Result};
use rustls::ClientConnection;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

/// Handshakes at once: this is no flood of handshakes.
const OPENING: usize = 32;
/// Loopback addresses they come from; one has some 28,000 ports.
const ADDRESSES: usize = 50;
/// From one byte of a head to the next.
const DRIP: Duration = Duration::from_secs(1);
/// From one half body of a connection to the next.
const NEXT_BODY: Duration = Duration::from_secs(5);
/// Streams that one connection leaves half done at most: the server is to bound them by time.
const MAX_STREAMS: u32 = 50;
/// Answers that one connection asks for and never reads.
const UNREAD_ANSWERS: u32 = 20;
/// After which a connection that reads nothing is made anew: it would not see that it was ended.
const UNREAD: Duration = Duration::from_secs(60);
/// Before a connection that was ended is made anew.
const AGAIN: Duration = Duration::from_millis(500);
/// RFC 9113 §3.4, and a SETTINGS frame without settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// SETTINGS_INITIAL_WINDOW_SIZE = 0: no byte of an answer may be sent.
const NO_WINDOW: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// RFC 9113 §4.1: the kinds of frames, and their flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;
/// Half of what a body announces, in bytes.
const HALF: usize = 2048;

/// The ways of being slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TCP, and then nothing.
    Silent,
    /// Half a ClientHello.
    HalfHello,
    /// TLS, and the head of an HTTP/1.1 request, a byte at a time.
    SlowHead,
    /// TLS, and the preface of HTTP/2 without the SETTINGS that must follow.
    PrefaceOnly,
    /// HTTP/2, and half a body, on one stream after the other.
    HalfBody,
    /// HTTP/2, requests, and no window for their answers, which stay unread.
    Unread,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Silent, Self::HalfHello, Self::SlowHead, Self::PrefaceOnly, Self::HalfBody, Self::Unread];
}

/// Slow connections to one server. Dropping it closes them.
pub(super) struct Loris {
    shared: Arc<Shared>,
    connections: JoinSet<()>,
}

struct Shared {
    connector: Connector,
    to: SocketAddr,
    opening: Semaphore,
    open: AtomicUsize,
    begun: AtomicUsize,
    ended: [AtomicU64; Kind::ALL.len()],
}

impl Loris {
    /// Begins to open `count` connections, of all kinds alike.
    pub(super) fn start(connector: &Connector, to: SocketAddr, count: usize) -> Self {
        let shared = Arc::new(Shared {
            connector: connector.clone(),
            to,
            opening: Semaphore::new(OPENING),
            open: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            ended: Default::default(),
        });
        let mut connections = JoinSet::new();
        for (index, (number, kind)) in (0..count).zip(Kind::ALL.into_iter().enumerate().cycle()) {
            let shared = Arc::clone(&shared);
            connections.spawn(async move {
                let from = Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(index % ADDRESSES).unwrap_or(0));
                let mut first = true;
                loop {
                    // Whether it was refused or ended: it comes again.
                    let _ = shared.hold(kind, from, &mut first).await;
                    if let Some(ended) = shared.ended.get(number) {
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(AGAIN).await;
                }
            });
        }
        Self { shared, connections }
    }

    /// How many have been opened at least once.
    pub(super) fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// How many are open now.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many of each kind the server has ended or refused so far. Those that read nothing end by
    /// themselves.
    pub(super) fn ended(&self) -> [u64; Kind::ALL.len()] {
        self.shared.ended.each_ref().map(|ended| ended.load(Ordering::Relaxed))
    }

    /// Closes all of them.
    pub(super) async fn stop(mut self) {
        self.connections.shutdown().await;
    }
}

/// Counts an open connection until dropped.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// One connection, until the server ends it.
    async fn hold(&self, kind: Kind, from: Ipv4Addr, first: &mut bool) -> Result<()> {
        let turn = self.opening.acquire().await?;
        let opened = match kind {
            Kind::Silent | Kind::HalfHello => {
                let mut socket = timeout(PATIENCE, connect(self.to, from)).await??;
                if kind == Kind::HalfHello {
                    socket.write_all(&self.half_hello()?).await?;
                }
                Opened::Plain(socket)
            }
            Kind::SlowHead => {
                Opened::Secure(Box::new(self.connector.secure(self.to, from, "http/1.1").await?))
            }
            Kind::PrefaceOnly | Kind::HalfBody | Kind::Unread => {
                Opened::Secure(Box::new(self.connector.secure(self.to, from, "h2").await?))
            }
        };
        drop(turn);
        self.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(&self.open);
        if std::mem::take(first) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        match opened {
            Opened::Plain(socket) => until_ended(socket).await,
            Opened::Secure(stream) => self.be_slow(kind, *stream).await,
        }
    }

    async fn be_slow(&self, kind: Kind, mut stream: TlsStream<TcpStream>) -> Result<()> {
        let host = self.to.to_string();
        match kind {
            Kind::Silent | Kind::HalfHello => until_ended(stream).await,
            Kind::SlowHead => slow_head(stream, &host).await,
            Kind::PrefaceOnly => {
                stream.write_all(PREFACE).await?;
                until_ended(stream).await
            }
            Kind::HalfBody => half_bodies(stream, &host).await,
            Kind::Unread => {
                stream.write_all(&[PREFACE, &NO_WINDOW].concat()).await?;
                for number in 0..UNREAD_ANSWERS {
                    stream.write_all(&policy_request(1 + 2 * number, &host)).await?;
                }
                sleep(UNREAD).await;
                Ok(())
            }
        }
    }

    fn half_hello(&self) -> Result<Vec<u8>> {
        let mut hello = Vec::new();
        let mut tls = ClientConnection::new(self.connector.config(), server_name(self.to))?;
        tls.write_tls(&mut hello).context("a ClientHello")?;
        hello.truncate(hello.len() / 2);
        Ok(hello)
    }
}

enum Opened {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Reads until there is no more, and says nothing.
async fn until_ended(mut stream: impl AsyncRead + Unpin) -> Result<()> {
    let mut buffer = [0; 256];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn slow_head(stream: TlsStream<TcpStream>, host: &str) -> Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let head = format!("POST /dp HTTP/1.1\r\nhost: {host}\r\nx-slow: ");
    let drip = async {
        for byte in head.bytes().chain(std::iter::repeat(b'a')) {
            writer.write_all(&[byte]).await?;
            writer.flush().await?;
            sleep(DRIP).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = until_ended(reader) => ended,
        ended = drip => ended,
    }
}

async fn half_bodies(stream: TlsStream<TcpStream>, host: &str) -> Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let halves = async {
        writer.write_all(&[PREFACE, &SETTINGS].concat()).await?;
        for number in 0..MAX_STREAMS {
            half_body(&mut writer, 1 + 2 * number, host).await?;
            sleep(NEXT_BODY).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = until_ended(reader) => ended,
        ended = halves => ended,
    }
}

/// A POST that announces 4096 bytes, and half of them.
async fn half_body(writer: &mut (impl AsyncWrite + Unpin), stream: u32, host: &str) -> Result<()> {
    // HPACK (RFC 7541): ":method: POST", ":scheme: https", and literals with names of the static table.
    let mut block = vec![0x83, 0x87];
    for (name, value) in [
        (&[0x04][..], "/dp"),
        (&[0x01], host),
        (&[0x0f, 0x10], "message/ohttp-req"), // content-type
        (&[0x0f, 0x0d], "4096"),              // content-length
    ] {
        literal(&mut block, name, value);
    }
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &block);
    bytes.extend(frame(DATA, 0, stream, &[0; HALF]));
    writer.write_all(&bytes).await?;
    Ok(writer.flush().await?)
}

fn policy_request(stream: u32, host: &str) -> Vec<u8> {
    // ":method: GET", ":scheme: https".
    let mut block = vec![0x82, 0x87];
    literal(&mut block, &[0x04], "/dp/policy");
    literal(&mut block, &[0x01], host);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

/// Never longer than 126 bytes: one byte tells the length.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &str) {
    block.extend(name);
    block.push(value.len() as u8);
    block.extend(value.bytes());
}

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
