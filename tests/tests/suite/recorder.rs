//! Stands in front of every role and writes down what that role received and answered.

use bytes::Bytes;
use discreet_serve::log::LogBuffer;
use discreet_serve::{
    Admin, Handler, Inherited, Limits, Listen, LogConfig, Shell, ShellConfig, Upstream, UpstreamConfig,
};
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use tokio::runtime::Runtime;

/// One request and its answer, as they were on the wire but for HTTP/2 and TLS.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) role: String,
    pub(crate) request: Request<Bytes>,
    pub(crate) response: Response<Bytes>,
}

/// Everything that was said on all hops. Runs on threads of its own, since it is put in place while
/// the network starts.
pub(crate) struct Recorder {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    shells: Arc<Mutex<Vec<Shell>>>,
    runtime: Option<Runtime>,
}

struct Hop {
    role: String,
    upstream: Upstream,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Handler for Hop {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let mut onwards = request.clone();
        *onwards.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        onwards.headers_mut().remove("host");
        let response = self.upstream.send(onwards, 65_536).await.unwrap();
        let exchange = Exchange { role: self.role.clone(), request, response: response.clone() };
        self.exchanges.lock().unwrap().push(exchange);
        response
    }
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { exchanges: Arc::default(), shells: Arc::default(), runtime: Some(runtime.unwrap()) }
    }

    /// For [`tests::NetBuilder::front`].
    pub(crate) fn front(&self) -> impl Fn(&str, SocketAddr, &Path, &Path) -> SocketAddr + 'static {
        let handle = self.runtime.as_ref().unwrap().handle().clone();
        let (exchanges, shells) = (Arc::clone(&self.exchanges), Arc::clone(&self.shells));
        move |role, behind, certificate, key| {
            let mut upstream = UpstreamConfig::new(format!("https://{behind}").parse().unwrap());
            upstream.ca = Some(certificate.with_file_name("ca.pem"));
            let upstream = Upstream::new(&upstream).unwrap();
            let hop = Hop { role: role.to_owned(), upstream, exchanges: Arc::clone(&exchanges) };
            let listen = Listen::Tls {
                address: "127.0.0.1:0".parse().unwrap(),
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            };
            let (started, shell) = mpsc::channel();
            handle.spawn(async move { started.send(start(&listen, hop).await).unwrap() });
            let shell = shell.recv().unwrap();
            let addr = shell.addr();
            shells.lock().unwrap().push(shell);
            addr
        }
    }

    /// Lookups that `role` received: the POSTs.
    pub(crate) fn lookups(&self, role: &str) -> Vec<Exchange> {
        self.of(role).into_iter().filter(|exchange| exchange.request.method() == "POST").collect()
    }

    /// Everything that roles whose name begins with `role` received.
    pub(crate) fn of(&self, role: &str) -> Vec<Exchange> {
        let exchanges = self.exchanges.lock().unwrap();
        exchanges.iter().filter(|exchange| exchange.role.starts_with(role)).cloned().collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shells.lock().unwrap().clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn start(listen: &Listen, hop: Hop) -> Shell {
    let config = ShellConfig {
        listen,
        admin: &Admin::Disabled,
        limits: &Limits::default(),
        max_request_bytes: 65_536,
        log: &LogBuffer::default().log(&LogConfig::default()),
        registry: Default::default(),
        background: Vec::new(),
        reloads: Vec::new(),
        inherited: &Inherited::default(),
    };
    Shell::start(config, hop).await.unwrap()
}

/// Every lookup on both hops had 4096 bytes up and 8192 down, and there were `count` of them.
pub(crate) fn assert_one_size(recorder: &Recorder, count: usize) {
    for hop in ["relay", "gateway"] {
        let lookups = recorder.lookups(hop);
        assert_eq!(lookups.len(), count, "{hop}");
        for exchange in lookups {
            assert_eq!(exchange.response.status(), 200, "{hop}");
            assert_eq!(
                (exchange.request.body().len(), exchange.response.body().len()),
                (4096, 8192),
                "{hop}"
            );
            assert_eq!(exchange.request.headers()["content-length"], "4096");
            assert_eq!(exchange.response.headers()["content-length"], "8192");
        }
    }
}

/// Names of the fields, sorted.
pub(crate) fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}
