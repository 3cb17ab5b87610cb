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
    Address, Admin, Handler, Inherited, Limits, Listen, Log, LogConfig, Peer, Reload, Shell, ShellConfig,
    StartError, Task, UpstreamConfig, Visitor,
    log::LogBuffer,
    upstream::{Identity, Upstream},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus_client::registry::Registry;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::{TlsConnector, client::TlsStream};

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
    pub(crate) async fn start(&self, handler: impl Handler) -> Result<Shell, StartError> {
        self.start_with(handler, Vec::new()).await
    }

    pub(crate) async fn start_with(
        &self,
        handler: impl Handler,
        background: Vec<Task>,
    ) -> Result<Shell, StartError> {
        let (log, inherited) = (self.log.log(&LogConfig::default()), Inherited::default());
        Shell::start(ShellConfig { background, ..self.shell(&log, &inherited) }, handler).await
    }

    pub(crate) async fn start_to_reload(
        &self,
        handler: Echo,
        reloads: Vec<Reload>,
    ) -> Result<Shell, StartError> {
        let (log, inherited) = (self.log.log(&LogConfig::default()), Inherited::default());
        Shell::start(ShellConfig { reloads, ..self.shell(&log, &inherited) }, handler).await
    }

    /// As a role does that clients come to.
    pub(crate) async fn start_for(&self, clients: &str, handler: Echo) -> Shell {
        self.try_start_for(clients, handler).await.unwrap()
    }

    pub(crate) async fn try_start_for(&self, clients: &str, handler: Echo) -> Result<Shell, StartError> {
        let (log, inherited) = (self.log.log(&LogConfig::default()), Inherited::default());
        let clients = toml::from_str(clients).unwrap();
        Shell::start_for_clients(self.shell(&log, &inherited), &clients, handler).await
    }

    fn shell<'a>(&'a self, log: &'a Log, inherited: &'a Inherited) -> ShellConfig<'a> {
        ShellConfig {
            listen: &self.listen,
            admin: &self.admin,
            limits: &self.limits,
            max_request_bytes: 1024,
            log,
            registry: Registry::with_prefix("test"),
            background: Vec::new(),
            reloads: Vec::new(),
            inherited,
        }
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
        assert!(request.extensions().get::<Visitor>().is_none(), "it has not asked for it");
        Response::new(Bytes::from(format!("{:?}{peer}", request.version())))
    }
}

/// A certificate authority and one certificate for 127.0.0.1, in files.
pub(crate) struct Pki {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { folder: tempfile::tempdir().unwrap(), issuer: ca };
        std::fs::write(pki.ca(), pki.issuer.pem()).unwrap();
        pki.renew();
        pki
    }

    /// Puts a new certificate and key for 127.0.0.1 in the old ones' place, and returns the certificate.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    /// A certificate of this CA for a user to show; `params` may be anything.
    pub(crate) fn user(&self, name: &str, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        self.write_identity(name, &params.signed_by(&key, &self.issuer).unwrap(), &key)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Lets in those who show a certificate of this CA.
    pub(crate) fn listen_to_users(&self) -> Listen {
        Listen::MutualTls {
            address: loopback(),
            certificate: self.certificate(),
            key: self.key(),
            peers: Vec::new(),
            issuer: Some(self.ca()),
        }
    }

    /// Shakes hands over `stream`, for HTTP/2 only, trusting this CA only.
    pub(crate) async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(&self, stream: IO) -> TlsStream<IO> {
        self.handshake_in(rustls::DEFAULT_VERSIONS, stream).await
    }

    /// The same in one of these versions of TLS.
    pub(crate) async fn handshake_in<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        stream: IO,
    ) -> TlsStream<IO> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
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
        config.ca = Some(self.ca());
        Upstream::new(&config).unwrap()
    }

    /// Makes a certificate of its own for a peer to show; nobody else has signed it.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["peer.example".to_owned()]).unwrap().self_signed(&key);
        self.write_identity(name, &certificate.unwrap(), &key)
    }

    fn write_identity(&self, name: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> Identity {
        let identity = Identity {
            certificate: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).unwrap();
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
        config.ca = Some(self.ca());
        config.identity = Some(identity.clone());
        Upstream::new(&config).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The certificate that the server showed.
pub(crate) fn shown<IO>(stream: &TlsStream<IO>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned()
}

/// Sends requests over one HTTP/2 connection of its own.
pub(crate) struct OneConnection {
    sender: SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

impl OneConnection {
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { connection.await.unwrap() });
        Self { sender, _connection: tasks }
    }

    pub(crate) async fn get(&mut self, path: &str) -> String {
        let request = Request::get(format!("http://127.0.0.1{path}")).body(Full::default()).unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
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

/// Whether the metrics of a server with an admin listener have this line.
pub(crate) async fn counts(shell: &Shell, line: &str) -> bool {
    let metrics = upstream(shell.admin_addr().unwrap()).send(get("/metrics"), 65_536).await.unwrap();
    let text = String::from_utf8(metrics.body().to_vec()).unwrap();
    assert!(!text.contains("192.0.2.") && !text.contains("2001:db8"), "{text}");
    text.lines().any(|found| found == line)
}

/// All that comes until the server closes.
pub(crate) async fn rest(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ = socket.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// What comes back for `bytes` on a new connection.
pub(crate) async fn say(shell: &Shell, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(shell.addr()).await.unwrap();
    let _ = socket.write_all(bytes).await;
    rest(socket).await
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}
