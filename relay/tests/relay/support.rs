//! A gateway that records what it receives, and a relay in front of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::leaks::Searched;
use bytes::Bytes;
use discreet_relay::{Config, Relay};
use discreet_serve::{
    Address, Admin, Clock, Environment, Handler, Inherited, Limits, Listen, Log, LogConfig, Shell,
    ShellConfig, Upstream, UpstreamConfig, log::LogBuffer,
};
use http::{Method, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, watch},
};

pub(crate) const COSE: &str = "application/cose; cose-type=\"cose-sign1\"";

type Answer = dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync;

/// A server in the gateway's place: keeps every request and answers as it is told.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<State>);

struct State {
    seen: Mutex<Vec<Request<Bytes>>>,
    answer: Mutex<Box<Answer>>,
    entered: Notify,
    holding: watch::Sender<bool>,
}

impl Gateway {
    pub(crate) fn new(answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        let answer: Box<Answer> = Box::new(answer);
        Self(Arc::new(State {
            seen: Mutex::default(),
            answer: Mutex::new(answer),
            entered: Notify::new(),
            holding: watch::Sender::new(false),
        }))
    }

    /// Changes its mind.
    pub(crate) fn answer(&self, answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static) {
        *self.0.answer.lock().unwrap() = Box::new(answer);
    }

    /// Keeps all GETs waiting from now on, or lets them go.
    pub(crate) fn hold(&self, holding: bool) {
        self.0.holding.send_replace(holding);
    }

    /// Returns once a GET is kept waiting, or a request has come whose content is `never`, which will not
    /// be answered.
    pub(crate) async fn entered(&self) {
        self.0.entered.notified().await;
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Request<Bytes>> {
        self.0.seen.lock().unwrap().clone()
    }
}

impl Handler for Gateway {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.seen.lock().unwrap().push(request.clone());
        if request.body().as_ref() == b"never" {
            self.0.entered.notify_one();
            std::future::pending::<()>().await;
        }
        let mut holding = self.0.holding.subscribe();
        if request.method() == Method::GET && *holding.borrow_and_update() {
            self.0.entered.notify_one();
            holding.wait_for(|holding| !holding).await.unwrap();
        }
        (self.0.answer.lock().unwrap())(&request)
    }
}

/// A relay with one gateway, `dp`, and what a test needs around it.
pub(crate) struct Setup {
    pub(crate) relay: Relay,
    pub(crate) gateway: Gateway,
    pub(crate) gateway_shell: Option<Shell>,
    pub(crate) client: Upstream,
    pub(crate) clock: Clock,
    /// What the relay logged; searched when it is dropped.
    pub(crate) log: Searched,
}

impl Setup {
    pub(crate) async fn new(gateway: Gateway) -> Self {
        Self::with(gateway, |_| ()).await
    }

    /// As `new`, with a configuration changed by `adjust`.
    pub(crate) async fn with(gateway: Gateway, adjust: impl FnOnce(&mut Config)) -> Self {
        let log = Log::off();
        let listen = plaintext();
        let config = ShellConfig {
            listen: &listen,
            admin: &Admin::Disabled,
            limits: &Limits::default(),
            max_request_bytes: 65_536,
            log: &log,
            registry: Default::default(),
            background: Vec::new(),
            reloads: Vec::new(),
            inherited: &Inherited::default(),
        };
        let shell = Shell::start(config, gateway.clone()).await.unwrap();
        let (clock, log) = (Clock::manual(1_700_000_000), Searched::default());
        let relay = relay_with(shell.addr(), &clock, &log, adjust).await;
        let client = upstream(relay.addr());
        Self { relay, gateway, gateway_shell: Some(shell), client, clock, log }
    }

    /// The relay's answer.
    pub(crate) async fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.client.send(request, 100_000).await.unwrap()
    }

    /// The text of the relay's metrics.
    pub(crate) async fn metrics(&self) -> String {
        let admin = upstream(self.relay.admin_addr().unwrap());
        let answer = admin.send(get("/metrics"), 100_000).await.unwrap();
        String::from_utf8(answer.into_body().to_vec()).unwrap()
    }

    /// The gateway is gone when this returns.
    pub(crate) async fn stop_gateway(&mut self) {
        let shell = self.gateway_shell.take().unwrap();
        shell.shutdown();
        shell.join().await.unwrap();
    }
}

/// A relay in front of the gateway at `address`.
pub(crate) async fn relay(address: SocketAddr, clock: &Clock, log: &LogBuffer) -> Relay {
    relay_with(address, clock, log, |_| ()).await
}

async fn relay_with(
    address: SocketAddr,
    clock: &Clock,
    log: &LogBuffer,
    adjust: impl FnOnce(&mut Config),
) -> Relay {
    let mut config = Config::new(plaintext());
    config.admin = Admin::Enabled { address: loopback() };
    let gateway = UpstreamConfig::new(format!("http://{address}").parse().unwrap());
    config.gateways.insert("dp".parse().unwrap(), gateway);
    adjust(&mut config);
    let log_config: LogConfig =
        LogConfig { level: discreet_serve::log::LogLevel::Debug, ..LogConfig::default() };
    let environment = Environment::new(log.log(&log_config), clock.clone());
    Relay::bind_in(config, environment).await.unwrap()
}

pub(crate) fn loopback() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) fn plaintext() -> Listen {
    Listen::Plaintext { address: loopback() }
}

pub(crate) fn upstream(address: SocketAddr) -> Upstream {
    Upstream::new(&UpstreamConfig::new(format!("http://{address}").parse().unwrap())).unwrap()
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

/// An encapsulated request as far as a relay can tell.
pub(crate) fn sealed(content: &'static str) -> Request<Bytes> {
    Request::post("/dp")
        .header("content-type", "message/ohttp-req")
        .body(Bytes::from_static(content.as_bytes()))
        .unwrap()
}

/// An answer with one content type.
pub(crate) fn answer(status: u16, content_type: &str, content: &'static str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Bytes::from_static(content.as_bytes()))
        .unwrap()
}

/// A document as a gateway publishes it, with fields that are nobody's business.
pub(crate) fn document(
    content_type: &str,
    cache_control: &str,
    content: impl Into<Bytes>,
) -> Response<Bytes> {
    Response::builder()
        .header("content-type", content_type)
        .header("cache-control", cache_control)
        .header("etag", "\"for-you\"")
        .header("set-cookie", "who=you")
        .body(content.into())
        .unwrap()
}

/// Publishes keys for ten minutes and a policy for a year, and tells the fetches apart.
pub(crate) fn publishing() -> Gateway {
    let count = AtomicUsize::new(0);
    Gateway::new(move |request| published(request, count.fetch_add(1, Ordering::SeqCst)))
}

/// The document that is published as number `turn`.
pub(crate) fn published(request: &Request<Bytes>, turn: usize) -> Response<Bytes> {
    let content = format!("document {turn}");
    match request.uri().path() {
        "/.well-known/ohttp-gateway" => document("application/ohttp-keys", "max-age=600", content),
        "/.well-known/discreet" => document(COSE, "public, max-age=31536000", content),
        _ => answer(404, "text/plain", "no"),
    }
}

/// A gateway that opens everything.
pub(crate) fn oblivious() -> Gateway {
    Gateway::new(|_| answer(200, "message/ohttp-res", "sealed answer"))
}

pub(crate) fn field_names(headers: &http::HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// What comes back for `text` over a bare socket, which adds nothing and never times out.
pub(crate) async fn say(setup: &Setup, text: &str) -> String {
    let mut socket = TcpStream::connect(setup.relay.addr()).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response
}
