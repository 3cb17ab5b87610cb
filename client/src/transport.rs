//! The thin HTTP transport: hyper and rustls around the [`Core`].
//!
//! Requests carry `content-type` and nothing else that a relay could tell clients apart by; nothing
//! is sent twice (RFC 9458 §6.5), redirects are not followed, cookies do not exist.

use crate::answer::Answer;
use crate::core::{Core, MAX_ANSWER, MAX_POLICY};
use crate::error::{Error, RelayError};
use crate::exchange::{Query, RelayResponse};
use crate::profile::Profile;
use crate::storage::{MemoryStorage, Storage};
use bytes::Bytes;
use discreet_protocol::time::Timestamp;
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long one exchange with a relay may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type ClockFn = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A client with its own HTTP stack; needs a tokio runtime.
pub struct Client {
    core: Core,
    http: Http,
    timeout: Duration,
    clock: ClockFn,
    /// One fetch of the policy serves all lookups that wait for it.
    fetching: tokio::sync::Mutex<()>,
}

/// Builds a [`Client`].
pub struct ClientBuilder {
    profile: Profile,
    storage: Box<dyn Storage>,
    ca: Option<Vec<u8>>,
    local_address: Option<IpAddr>,
    timeout: Duration,
    clock: ClockFn,
}

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

impl Client {
    /// Begins to build a client of `profile`.
    pub fn builder(profile: Profile) -> ClientBuilder {
        ClientBuilder {
            profile,
            storage: Box::new(MemoryStorage::default()),
            ca: None,
            local_address: None,
            timeout: DEFAULT_TIMEOUT,
            clock: Arc::new(|| {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }),
        }
    }

    /// Looks up one identifier and verifies the answer.
    ///
    /// # Errors
    ///
    /// [`Error`], which says who is at fault; [`Error::fault`] says it to programs.
    pub async fn lookup(&self, query: Query) -> Result<Answer, Error> {
        self.refresh_policy().await?;
        let prepared = self.core.prepare(query, self.now())?;
        let request = Request::post(&prepared.url)
            .header(CONTENT_TYPE, HeaderValue::from_static(prepared.content_type))
            .body(Full::new(Bytes::from(prepared.body)));
        let response = self.exchange(request, &prepared.url, MAX_ANSWER).await?;
        self.core.finish(prepared.pending, &response, self.now())
    }

    async fn refresh_policy(&self) -> Result<(), Error> {
        let _one_at_a_time = self.fetching.lock().await;
        let requests = self.core.policy_requests(self.now())?;
        let [first, second] = requests.as_slice() else { return Ok(()) };
        let (one, other) = tokio::join!(self.get(&first.url), self.get(&second.url));
        let fetched = [(first.clone(), one?), (second.clone(), other?)];
        self.core.accept_policies(&fetched, self.now())
    }

    async fn get(&self, url: &str) -> Result<RelayResponse, Error> {
        self.exchange(Request::get(url).body(Full::default()), url, MAX_POLICY).await
    }

    async fn exchange(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
        url: &str,
        limit: usize,
    ) -> Result<RelayResponse, Error> {
        let request = request.map_err(|_| Error::Prepare("the request cannot be built"))?;
        let response = tokio::time::timeout(self.timeout, self.send(request, limit)).await;
        response.unwrap_or(Err(RelayError::Timeout)).map_err(|error| {
            let relay =
                url.parse::<http::Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
            Error::Relay { relay: relay.unwrap_or_default(), error }
        })
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

    fn now(&self) -> Timestamp {
        Timestamp::from_unix((self.clock)())
    }
}

impl ClientBuilder {
    /// Where the client remembers what it has seen; default: in memory only.
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Box::new(storage);
        self
    }

    /// PEM certificates to trust for the relays, instead of the web's roots.
    pub fn ca(mut self, pem: Vec<u8>) -> Self {
        self.ca = Some(pem);
        self
    }

    /// The local address to connect from.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// How long one exchange with a relay may take; default: 15 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Seconds since the Unix epoch, from elsewhere than the system's clock.
    pub fn clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// When the CA certificates cannot be used.
    pub fn build(self) -> Result<Client, BuildError> {
        let tls = tls(self.ca.as_deref())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it a request over HTTP/2 waits some 40 ms for a delayed acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_local_address(self.local_address);
        // The profile has seen to it that http is for loopback only.
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // RFC 9458 §6.5: nothing is sent twice on the pool's belief that it was not sent.
            .retry_canceled_requests(false)
            .build(https.wrap_connector(tcp));
        Ok(Client {
            core: Core::new(self.profile, self.storage),
            http,
            timeout: self.timeout,
            clock: self.clock,
            fetching: tokio::sync::Mutex::new(()),
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
