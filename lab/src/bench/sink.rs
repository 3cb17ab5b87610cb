//! A gateway that answers everything at once with the same bytes: what stands behind relays when only the
//! relay is of interest. It runs in this process, whose processor time is not counted.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Bytes of every answer.
pub(crate) const ANSWER: usize = 8192;

/// A running sink. Dropping it stops it.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Sink {
    /// Listens, with the certificate and key of these files if there are some.
    pub(crate) async fn start(identity: Option<(&Path, &Path)>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = identity.map(|(certificate, key)| acceptor(certificate, key)).transpose()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor));
        Ok(Self { address, _tasks: tasks })
    }
}

/// The content of every answer.
pub(crate) fn answer() -> Bytes {
    Bytes::from_static(&[0x5a; ANSWER])
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key).context("the sink's key")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, acceptor.clone()));
            }
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    let builder = Builder::new(TokioExecutor::new());
    let service = service_fn(respond);
    // How a connection ends shows at the other side.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match acceptor {
        None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // An answer before the request is read would make the next one wait.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(answer()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("message/ohttp-res"));
    Ok(response)
}
