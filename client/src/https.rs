//! HTTPS as this client does it: hyper and rustls, shared by the exchanges with relays and those with
//! an authority.
//!
//! Nothing is sent twice (RFC 9458 §6.5), redirects are not followed, cookies do not exist, TLS
//! sessions are not resumed.

use crate::error::RelayError;
use crate::exchange::RelayResponse;
use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long one exchange may take.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// Which part of that the TCP connection may take: a third.
const CONNECT_SHARE: u32 = 3;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The CA file holds no certificate, or one that cannot be read.
    #[error("the CA file holds no usable PEM certificate")]
    Ca,
    /// rustls and its provider disagree: a fault of the build.
    #[error("TLS is not available in this build: {0}")]
    Tls(Box<rustls::Error>),
}

/// An HTTP client; its clones share connections.
#[derive(Clone)]
pub(crate) struct Https {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Https {
    /// A client that trusts `ca` (PEM), or else the web's roots. Whoever calls it sees to it that
    /// `http` is for loopback only.
    pub(crate) fn new(
        ca: Option<&[u8]>,
        local_address: Option<IpAddr>,
        timeout: Duration,
    ) -> Result<Self, BuildError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it a request over HTTP/2 waits some 40 ms for a delayed acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_local_address(local_address);
        // A relay that does not even take the connection is left for another one in good time.
        tcp.set_connect_timeout(Some(timeout / CONNECT_SHARE));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls(ca)?).https_or_http();
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // RFC 9458 §6.5: nothing is sent twice on the pool's belief that it was not sent.
            .retry_canceled_requests(false)
            .build(https.enable_all_versions().wrap_connector(tcp));
        Ok(Self { http, timeout })
    }

    /// One exchange: at most `limit` bytes of answer, within the timeout.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<RelayResponse, RelayError> {
        let exchange = tokio::time::timeout(self.timeout, self.send(request, limit)).await;
        exchange.unwrap_or(Err(RelayError::Timeout))
    }

    async fn send(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<RelayResponse, RelayError> {
        let response = self.http.request(request).await.map_err(|error| classify(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() { RelayError::TooLarge } else { RelayError::Broken }
        })?;
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(RelayResponse {
            status: head.status.as_u16(),
            content_type: content_type.map(str::to_owned),
            body: body.to_bytes().to_vec(),
        })
    }
}

fn tls(ca: Option<&[u8]>) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|_| BuildError::Ca)?).map_err(|_| BuildError::Ca)?;
            }
        }
    }
    if roots.is_empty() {
        return Err(BuildError::Ca);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| BuildError::Tls(Box::new(error)))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A resumed session would tell a relay that the same phone is back, from wherever.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn classify(error: &legacy::Error) -> RelayError {
    match (error.is_connect(), is_tls(error)) {
        (true, true) => RelayError::Untrusted,
        (true, false) => RelayError::Unreachable,
        (false, _) => RelayError::Broken,
    }
}

/// rustls hides its errors inside `io::Error`, whose `source` skips the error itself.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || inner.is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}
