//! HTTPS as this client does it: hyper and rustls, shared by the exchanges with relays and those with
//! an authority.
//!
//! Nothing is sent twice without proof that nothing was processed (RFC 9458 §6.5), redirects are not
//! followed, cookies do not exist, TLS sessions are not resumed.

use crate::error::RelayError;
use crate::exchange::RelayResponse;
use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{
    self,
    connect::{Connected, HttpConnector},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// How long one exchange may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// Which part of that the TCP connection may take: a third.
const CONNECT_SHARE: u32 = 3;

/// How often a request is taken back that hyper has not touched: as often as the pool hands out a connection
/// that is just ending.
const MAX_UNSENT: u32 = 3;

/// The pause before it is sent after that.
const UNSENT_PAUSE: Duration = Duration::from_millis(20);

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The CA file holds no certificate, or one that cannot be read.
    #[error("the CA file holds no usable PEM certificate")]
    Ca,
    /// A token has characters that none has.
    #[error(
        "the token for a relay or the issuer is none: letters, digits and -._~+/= are allowed, no spaces"
    )]
    Token,
    /// A certificate to show and its key cannot be used together.
    #[error(
        "the certificate for a relay or the issuer, or its key, is no usable PEM, or they do not belong together"
    )]
    Identity,
    /// rustls and its provider disagree: a fault of the build.
    #[error("TLS is not available in this build: {0}")]
    Tls(Box<rustls::Error>),
}

/// How to connect.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The certificates to trust (PEM); `None`: the web's roots.
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) local_address: Option<IpAddr>,
    /// For one exchange.
    pub(crate) timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ca: None, local_address: None, timeout: DEFAULT_TIMEOUT }
    }
}

/// A certificate to show, and its key, both PEM.
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

/// An HTTP client; its clones share connections.
#[derive(Clone)]
pub(crate) struct Https {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Https {
    /// A client that shows `identity`, if any. Whoever calls it sees to it that `http` is for loopback
    /// only.
    pub(crate) fn new(settings: &Settings, identity: Option<&Identity>) -> Result<Self, BuildError> {
        let timeout = settings.timeout;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it a request over HTTP/2 waits some 40 ms for a delayed acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_local_address(settings.local_address);
        // A relay that does not even take the connection is left for another one in good time.
        tcp.set_connect_timeout(Some(timeout / CONNECT_SHARE));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(settings.ca.as_deref(), identity)?)
            .https_or_http();
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // Whether to send again is decided below, once, and not by the pool, which has no bound.
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
        let response = self.response(request, limit).await?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(RelayResponse {
            status: response.status().as_u16(),
            content_type: content_type.map(str::to_owned),
            body: response.body().to_vec(),
        })
    }

    /// As [`Https::exchange`], with all fields.
    pub(crate) async fn response(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Response<Bytes>, RelayError> {
        let exchange = tokio::time::timeout(self.timeout, self.send(request, limit)).await;
        exchange.unwrap_or(Err(RelayError::Timeout))
    }

    async fn send(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Response<Bytes>, RelayError> {
        let harmless_alone = request.method().is_safe() || !request.body().is_end_stream();
        let (mut may_resend, mut unsent) = (true, 0);
        let answered = loop {
            match self.http.request(request.clone()).await {
                Err(error) if unsent < MAX_UNSENT && is_unsent(&error) => {
                    unsent += 1;
                    sleep(UNSENT_PAUSE).await;
                }
                // The same bytes to the same server: it learns nothing from them that it could not know.
                Err(error) if may_resend && is_unprocessed(&error, harmless_alone) => may_resend = false,
                answered => break answered,
            }
        };
        let response = answered.map_err(|error| classify(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() { RelayError::TooLarge } else { RelayError::Broken }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

fn tls(ca: Option<&[u8]>, identity: Option<&Identity>) -> Result<ClientConfig, BuildError> {
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
    let config = config.with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BuildError::Identity)?;
            let config = config.with_client_auth_cert(chain.map_err(|_| BuildError::Identity)?, key);
            config.map_err(|_| BuildError::Identity)?
        }
    };
    // A resumed session would tell a relay that the same phone is back, from wherever.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// What hyper says of a request whose stream it has given up before its content.
const DROPPED: &str = "runtime dropped the dispatch task";

/// Proof that a request stayed here (RFC 9458 §6.5): hyper hands it back untouched, or its connection ended
/// before it was given any.
fn is_unsent(error: &legacy::Error) -> bool {
    cause(error).is_some_and(|cause| cause.is_canceled() || cause.is_closed())
}

/// Proof that a request was not processed, although it was sent, in whole or in part. The peer has refused its
/// stream (RFC 9113 §8.7). Or the peer goes away: its GOAWAY names an earlier stream as the last (RFC 9113
/// §6.8), or came while ours was being opened, so that the content was not sent; `harmless_alone` says that
/// the head is nothing without it, or a GET. A reset for another reason and the end of a connection prove
/// nothing.
fn is_unprocessed(error: &legacy::Error, harmless_alone: bool) -> bool {
    let Some(cause) = cause(error) else { return false };
    let rejected = |reason: &h2::Error| {
        let refused = reason.is_reset() && reason.reason() == Some(h2::Reason::REFUSED_STREAM);
        reason.is_remote() && (refused || (reason.is_go_away() && harmless_alone))
    };
    let is_http2 = error.connect_info().is_some_and(Connected::is_negotiated_h2);
    let dropped = |reason: &(dyn std::error::Error + 'static)| {
        is_http2 && harmless_alone && cause.is_user() && reason.to_string() == DROPPED
    };
    cause.source().is_some_and(|reason| reason.downcast_ref().is_some_and(rejected) || dropped(reason))
}

fn cause(error: &legacy::Error) -> Option<&hyper::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
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
