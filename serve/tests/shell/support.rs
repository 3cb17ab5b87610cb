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
    Address, Admin, Handler, Inherited, Limits, Listen, LogConfig, Peer, Shell, ShellConfig, StartError,
    Task, UpstreamConfig,
    log::LogBuffer,
    upstream::{Identity, Upstream},
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
            reloads: Vec::new(),
            inherited: &Inherited::default(),
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
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map(|peer| format!(" by {}", peer.name())).unwrap_or_default();
        Response::new(Bytes::from(format!("{:?}{peer}", request.version())))
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

    /// Makes a certificate of its own for a peer to show; nobody else has signed it.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["peer.example".to_owned()]).unwrap().self_signed(&key);
        let identity = Identity {
            certificate: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
        };
        std::fs::write(&identity.certificate, certificate.unwrap().pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    /// Lets in those who show one of these certificates.
    pub(crate) fn listen_to(&self, peers: &[&Identity]) -> Listen {
        let peers = peers.iter().map(|peer| peer.certificate.clone()).collect();
        Listen::MutualTls {
            address: loopback(),
            certificate: self.certificate(),
            key: self.key(),
            peers,
            issuer: None,
        }
    }

    pub(crate) fn upstream_as(&self, identity: &Identity, address: SocketAddr) -> Upstream {
        let mut config = UpstreamConfig::new(format!("https://{address}").parse().unwrap());
        config.ca = Some(self.file("ca.pem"));
        config.identity = Some(identity.clone());
        Upstream::new(&config).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

pub(crate) fn loopback() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
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
