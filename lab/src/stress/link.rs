//! One connection to a relay: real TCP, TLS and HTTP/2, with as little memory of its own as can be.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use discreet_client::{MAX_POLICY, RelayResponse};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a connection may take to be made, and how long an exchange: what the client library
/// waits for, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// The largest body read: a policy.
const MAX_BODY: usize = MAX_POLICY;
/// Bytes a stream may send ahead: more than one answer.
const STREAM_WINDOW: u32 = 16_384;
/// Bytes kept for a request that is on its way.
const SEND_BUFFER: usize = 8192;

/// Makes connections to servers whose certificates come from one CA.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
}

/// An open connection. Dropping it closes it.
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinSet<()>,
}

impl Connector {
    /// A connector that trusts `ca`, PEM. No session is resumed: every handshake is a whole one.
    pub(crate) fn new(ca: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.context("the CA certificate")?)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// The TLS configuration, for handshakes by hand.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// A connection over TLS that offers one protocol.
    pub(crate) async fn secure(
        &self,
        to: SocketAddr,
        from: Ipv4Addr,
        protocol: &str,
    ) -> Result<TlsStream<TcpStream>> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connecting = async {
            let socket = connect(to, from).await?;
            socket.set_nodelay(true)?;
            let name = server_name(to);
            TlsConnector::from(Arc::new(config)).connect(name, socket).await.context("TLS")
        };
        timeout(PATIENCE, connecting).await.context("no connection in time")?
    }

    /// An HTTP/2 connection.
    pub(crate) async fn link(&self, to: SocketAddr, from: Ipv4Addr) -> Result<Link> {
        let stream = self.secure(to, from, "h2").await?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .adaptive_window(false);
        let handshake = builder.handshake(TokioIo::new(stream));
        let (sender, connection) = timeout(PATIENCE, handshake).await.context("no HTTP/2 in time")??;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends shows in the exchanges.
            let _ = connection.await;
        });
        Ok(Link { sender, driver })
    }

    /// The certificate that a server shows now.
    pub(crate) async fn certificate(&self, of: SocketAddr) -> Result<CertificateDer<'static>> {
        let stream = self.secure(of, Ipv4Addr::LOCALHOST, "h2").await?;
        let chain = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        Ok(chain.context("a server without a certificate")?.clone().into_owned())
    }
}

impl Link {
    /// Whether the other side has not closed it.
    pub(crate) fn is_open(&mut self) -> bool {
        !self.sender.is_closed() && self.driver.try_join_next().is_none()
    }

    /// Fetches a document.
    pub(crate) async fn get(&mut self, url: &str) -> Result<RelayResponse> {
        self.exchange(Request::get(url.parse::<Uri>()?).body(Full::default())?).await
    }

    /// Posts `body` and waits for the whole answer.
    pub(crate) async fn post(
        &mut self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<RelayResponse> {
        let request = Request::post(url.parse::<Uri>()?).header(CONTENT_TYPE, content_type);
        self.exchange(request.body(Full::new(Bytes::from(body)))?).await
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<RelayResponse> {
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(anyhow::Error::from_boxed)?;
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            Ok(RelayResponse {
                status: head.status.as_u16(),
                content_type: content_type.map(str::to_owned),
                body: body.to_bytes().to_vec(),
            })
        };
        timeout(PATIENCE, exchange).await.context("no answer in time")?
    }
}

/// A TCP connection from one of this host's loopback addresses.
pub(crate) async fn connect(to: SocketAddr, from: Ipv4Addr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    ensure!(from.is_loopback() && to.ip().is_loopback(), "stress stays on this host");
    if from != Ipv4Addr::LOCALHOST {
        socket.bind((IpAddr::V4(from), 0).into()).context("no local port")?;
    }
    socket.connect(to).await.context("no TCP connection")
}

/// The name in the certificate of a server of ours: its address.
pub(crate) fn server_name(of: SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(of.ip().into())
}
