//! Requests as fast as they are answered: so many connections, one request at a time on each.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer read.
const MAX_ANSWER: usize = 65_536;

/// How a connection is made.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/2 over TLS.
    Tls(Arc<ClientConfig>),
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
}

/// What is asked, and whether an answer is right.
pub(crate) trait Stock: Send + Sync + 'static {
    /// The request of this number; `None` when there are no more.
    fn request(&self, number: usize) -> Option<Bytes>;

    /// Takes the answer to the request of this number.
    ///
    /// # Errors
    ///
    /// When it is seen at once that it is wrong.
    fn take(&self, number: usize, answer: Bytes) -> Result<()>;
}

/// What came of a volley.
#[derive(Debug, Default)]
pub(crate) struct Volley {
    /// How long each answer took.
    pub(crate) times: Vec<Duration>,
    /// What else happened, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Open connections to one target.
pub(crate) struct Connections {
    target: Target,
    open: Vec<Link>,
}

impl Connections {
    /// Opens `count` connections.
    pub(crate) async fn open(target: &Target, count: usize) -> Result<Self> {
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(Link::open(target).await?);
        }
        Ok(Self { target: target.clone(), open })
    }

    /// Fires requests of `stock` from all connections until the time is over or there are no more.
    pub(crate) async fn fire(self, stock: Arc<dyn Stock>, time: Duration) -> Result<Volley> {
        let next = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for link in self.open {
            let gun = Gun { link, target: self.target.clone(), stock: Arc::clone(&stock) };
            workers.spawn(gun.fire(Arc::clone(&next), start + time));
        }
        let mut all = Volley::default();
        while let Some(one) = workers.join_next().await {
            let Volley { times, failures, .. } = one.context("a worker of the load generator")?;
            all.times.extend(times);
            for (what, count) in failures {
                *all.failures.entry(what).or_default() += count;
            }
        }
        all.elapsed = start.elapsed();
        Ok(all)
    }
}

/// One connection that fires.
struct Gun {
    link: Link,
    target: Target,
    stock: Arc<dyn Stock>,
}

impl Gun {
    async fn fire(mut self, next: Arc<AtomicUsize>, until: Instant) -> Volley {
        let mut volley = Volley::default();
        while Instant::now() < until {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.stock.request(number) else { break };
            let start = Instant::now();
            match self.shoot(number, request).await {
                Ok(()) => volley.times.push(start.elapsed()),
                Err(error) => {
                    *volley.failures.entry(format!("{error:#}")).or_default() += 1;
                    // A connection that failed says no more.
                    match Link::open(&self.target).await {
                        Ok(link) => self.link = link,
                        Err(_) => break,
                    }
                }
            }
        }
        volley
    }

    async fn shoot(&mut self, number: usize, request: Bytes) -> Result<()> {
        let answer = self.link.post(&self.target, request).await?;
        self.stock.take(number, answer)
    }
}

/// One exchange on a connection of its own, as a phone does that has just woken up.
pub(crate) async fn cold(target: &Target, request: Bytes) -> Result<Bytes> {
    Link::open(target).await?.post(target, request).await
}

/// An open connection.
pub(crate) struct Link {
    sender: Sender,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Link {
    /// Connects.
    pub(crate) async fn open(target: &Target) -> Result<Self> {
        ensure!(target.address.ip().is_loopback(), "the benchmark stays on this host");
        let stream = TcpStream::connect(target.address).await.context("no TCP connection")?;
        stream.set_nodelay(true)?;
        match &target.wire {
            Wire::Plain => Self::http1(stream).await,
            Wire::Tls(config) => {
                let name = super::super::stress::link::server_name(target.address);
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                Self::http2(stream.context("no TLS connection")?).await
            }
        }
    }

    async fn http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("HTTP/1.1")?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends shows in the exchanges.
            let _ = connection.await;
        });
        Ok(Self { sender: Sender::Http1(sender), _driver: driver })
    }

    async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self> {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.context("HTTP/2")?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender: Sender::Http2(sender), _driver: driver })
    }

    /// Posts `content` and returns the content of the answer, which must be a 200.
    pub(crate) async fn post(&mut self, target: &Target, content: Bytes) -> Result<Bytes> {
        let request = Request::post(self.uri(target)?).header(CONTENT_TYPE, target.content_type);
        let request = match self.sender {
            Sender::Http1(_) => request.header(HOST, target.address.to_string()),
            Sender::Http2(_) => request,
        };
        self.exchange(request.body(Full::new(content))?).await
    }

    /// Gets a document.
    pub(crate) async fn get(&mut self, target: &Target) -> Result<Bytes> {
        let request = Request::get(self.uri(target)?).header(HOST, target.address.to_string());
        self.exchange(request.body(Full::default())?).await
    }

    fn uri(&self, target: &Target) -> Result<Uri> {
        Ok(match self.sender {
            Sender::Http1(_) => target.path.parse()?,
            Sender::Http2(_) => format!("https://{}{}", target.address, target.path).parse()?,
        })
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        let exchange = async {
            let answer = match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
            };
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
            if head.status != 200 {
                bail!("answered {}", head.status);
            }
            Ok(body.to_bytes())
        };
        tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time")?
    }
}
