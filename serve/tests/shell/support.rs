//! A server to test against, and a certificate authority of its own.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use discreet_serve::{
    Admin, Handler, Limits, Listen, LogConfig, Shell, ShellConfig, StartError, Task, UpstreamConfig,
    log::LogBuffer, upstream::Upstream,
};
use http::{Request, Response};
use prometheus_client::registry::Registry;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::sync::Notify;

/// A shell's configuration with defaults for tests.
pub(crate) struct Config {
    pub(crate) listen: Listen,
    pub(crate) admin: Admin,
    pub(crate) limits: Limits,
    pub(crate) log: LogBuffer,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: plaintext(),
            admin: Admin::Disabled,
            limits: Limits::default(),
            log: LogBuffer::default(),
        }
    }
}

impl Config {
    pub(crate) async fn start(&self, handler: Echo) -> Result<Shell, StartError> {
        self.start_with(handler, Vec::new()).await
    }

    pub(crate) async fn start_with(&self, handler: Echo, background: Vec<Task>) -> Result<Shell, StartError> {
        let config = ShellConfig {
            listen: &self.listen,
            admin: &self.admin,
            limits: &self.limits,
            max_request_bytes: 1024,
            log: &self.log.log(&LogConfig::default()),
            registry: Registry::with_prefix("test"),
            background,
        };
        Shell::start(config, handler).await
    }
}

/// Answers with the HTTP version; on `/wait` only once released.
#[derive(Clone, Default)]
pub(crate) struct Echo(Arc<State>);

#[derive(Default)]
struct State {
    entered: Notify,
    release: Notify,
    hits: AtomicUsize,
}

impl Echo {
    pub(crate) async fn entered(&self) {
        self.0.entered.notified().await;
    }

    pub(crate) fn release(&self) {
        self.0.release.notify_one();
    }

    pub(crate) fn hits(&self) -> usize {
        self.0.hits.load(Ordering::SeqCst)
    }
}

impl Handler for Echo {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.hits.fetch_add(1, Ordering::SeqCst);
        if request.uri().path() == "/wait" {
            self.0.entered.notify_one();
            self.0.release.notified().await;
        }
        Response::new(Bytes::from(format!("{:?}", request.version())))
    }
}

/// A certificate authority and one certificate for 127.0.0.1, in files.
pub(crate) struct Pki(tempfile::TempDir);

impl Pki {
    pub(crate) fn new() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &ca).unwrap();
        let files = Self(tempfile::tempdir().unwrap());
        std::fs::write(files.file("ca.pem"), ca.pem()).unwrap();
        std::fs::write(files.certificate(), certificate.pem()).unwrap();
        std::fs::write(files.key(), key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("server.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.file("server.key")
    }

    pub(crate) fn listen(&self) -> Listen {
        Listen::Tls { address: loopback(), certificate: self.certificate(), key: self.key() }
    }

    pub(crate) fn upstream(&self, address: SocketAddr) -> Upstream {
        let mut config = UpstreamConfig::new(format!("https://{address}").parse().unwrap());
        config.ca = Some(self.file("ca.pem"));
        Upstream::new(&config).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn plaintext() -> Listen {
    Listen::Plaintext { address: loopback() }
}

pub(crate) fn upstream(address: SocketAddr) -> Upstream {
    let config = UpstreamConfig::new(format!("http://{address}").parse().unwrap());
    Upstream::new(&config).unwrap()
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}
