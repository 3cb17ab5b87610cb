//! The thin HTTP transport: hyper and rustls around the [`Core`].
//!
//! Requests carry `content-type` and nothing else that a relay could tell clients apart by, unless it asks
//! for credentials and the app has given some for it. Nothing is sent twice (RFC 9458 §6.5), with three
//! exceptions that prove that nothing was processed: the connection to the relay could not be made, so that
//! another one is drawn; the relay has provably not processed it, so that the same bytes go to the same
//! relay; the gateway asks for a date. Each at most once, but for what never left this machine.

use crate::answer::Answer;
use crate::core::{
    Core, Finished, FinishedChange, MAX_ANSWER, MAX_POLICY, PolicyRequest, Prepared, PreparedChange,
};
use crate::credentials::{Credential, Credentials, Secret};
use crate::error::{Error, RelayError};
use crate::exchange::RelayResponse;
use crate::https::{BuildError, Https, Identity, Settings};
use crate::issuer::IssuerHttps;
use crate::lookup::{Query, Recalled};
use crate::profile::Profile;
use crate::publishing::{Change, Withdrawal};
use crate::storage::{MemoryStorage, Storage};
use bytes::Bytes;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::time::Timestamp;
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body_util::Full;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// How long a relay that cannot be reached is waited for, when no other one can hand out a policy to
/// compare with: one that is restarted is back by then.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause between two attempts meanwhile.
const PAUSE: Duration = Duration::from_millis(200);

/// Seconds since 1970.
pub(crate) type ClockFn = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A client with its own HTTP stack; needs a tokio runtime.
pub struct Client {
    core: Core,
    https: Https,
    credentials: Credentials,
    issuer: IssuerHttps,
    clock: ClockFn,
    /// One fetch of the policy serves all lookups that wait for it.
    fetching: tokio::sync::Mutex<()>,
}

/// Where one refresh of the policy has asked, and until when it may go on.
struct Attempts {
    tried: Vec<PolicyRequest>,
    until: Instant,
}

/// Builds a [`Client`].
pub struct ClientBuilder {
    profile: Profile,
    storage: Box<dyn Storage>,
    settings: Settings,
    credentials: Vec<Credential>,
    issuer_bearer: Option<Zeroizing<String>>,
    issuer_identity: Option<Identity>,
    fresh_tokens: bool,
    clock: ClockFn,
}

/// A publication or withdrawal that was sent.
#[derive(Debug)]
pub struct Sent {
    /// The relay resource it went through.
    pub relay: String,
    /// Whether the directory has taken it in. After an error other than [`Error::Publish`] it may
    /// have, all the same.
    pub outcome: Result<(), Error>,
}

impl Client {
    /// Begins to build a client of `profile`.
    pub fn builder(profile: Profile) -> ClientBuilder {
        ClientBuilder {
            profile,
            storage: Box::new(MemoryStorage::default()),
            settings: Settings::default(),
            credentials: Vec::new(),
            issuer_bearer: None,
            issuer_identity: None,
            fresh_tokens: false,
            clock: Arc::new(|| {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }),
        }
    }

    /// Looks up one identifier and verifies the answer, which is kept for [`Client::recall`].
    ///
    /// # Errors
    ///
    /// [`Error`], which says who is at fault; [`Error::fault`] says it to programs.
    pub async fn lookup(&self, query: Query) -> Result<Answer, Error> {
        self.lookup_avoiding(query, None).await
    }

    /// The answer that an earlier lookup of the same got, as long as it may be used: nothing is sent, not
    /// even for the policy.
    ///
    /// # Errors
    ///
    /// When the storage cannot be read.
    pub fn recall(&self, query: &Query) -> Result<Option<Recalled>, Error> {
        self.core.recall(query, self.now())
    }

    /// As [`Client::lookup`], but not through the relay resource `avoid`, nor another one of the same
    /// operator.
    ///
    /// # Errors
    ///
    /// As [`Client::lookup`].
    pub async fn lookup_avoiding(&self, query: Query, avoid: Option<&str>) -> Result<Answer, Error> {
        self.refresh_policy().await?;
        self.ask(self.core.prepare_avoiding(query, avoid, self.now())?).await
    }

    /// Posts a lookup, and once more where nothing was processed.
    pub(crate) async fn ask(&self, mut prepared: Prepared) -> Result<Answer, Error> {
        loop {
            let Prepared { url, content_type, body, pending } = prepared;
            prepared = match self.post(&url, content_type, body).await {
                Err(error) if is_unreachable(&error) => self.core.prepare_elsewhere(pending)?,
                Err(error) => return Err(error),
                Ok(response) => match self.core.finish(pending, &response, self.now())? {
                    Finished::Answer(answer) => return Ok(answer),
                    Finished::Again(prepared) => *prepared,
                },
            };
        }
    }

    /// Publishes a mapping that [`crate::IdentityFile::mapping`] has signed. Nothing is sent twice:
    /// after a lost answer the caller publishes anew, under a higher serial.
    ///
    /// # Errors
    ///
    /// When nothing was sent; else the outcome is in [`Sent`].
    pub async fn publish(&self, mapping: VerifiableMapping, avoid: Option<&str>) -> Result<Sent, Error> {
        self.change(&Change::Publish(mapping), avoid).await
    }

    /// Withdraws, by a statement that [`crate::IdentityFile::withdrawal`] has signed.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    pub async fn withdraw(&self, withdrawal: Withdrawal, avoid: Option<&str>) -> Result<Sent, Error> {
        self.change(&Change::Withdraw(withdrawal), avoid).await
    }

    /// The provider's policy: whose credentials count, and under which keys.
    ///
    /// # Errors
    ///
    /// When the relays do not hand out one that verifies.
    pub async fn policy(&self) -> Result<Policy, Error> {
        self.refresh_policy().await?;
        self.core.policy(self.now()).ok_or(Error::Prepare("the policy has not been fetched"))
    }

    async fn change(&self, change: &Change, avoid: Option<&str>) -> Result<Sent, Error> {
        self.refresh_policy().await?;
        let mut prepared = self.core.prepare_publish(change, avoid, self.now())?;
        loop {
            let PreparedChange { url, content_type, body, pending } = prepared;
            let finished = match self.post(&url, content_type, body).await {
                Err(error) if is_unreachable(&error) => {
                    self.core.prepare_publish_elsewhere(pending).map(Box::new).map(FinishedChange::Again)
                }
                Err(error) => Err(error),
                Ok(response) => self.core.finish_publish(pending, &response, self.now()),
            };
            prepared = match finished {
                Ok(FinishedChange::Again(prepared)) => *prepared,
                Ok(FinishedChange::Taken) => return Ok(Sent { relay: url, outcome: Ok(()) }),
                Err(error) => return Ok(Sent { relay: url, outcome: Err(error) }),
            };
        }
    }

    async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<RelayResponse, Error> {
        let request = Request::post(url).header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.exchange(request.body(Full::new(Bytes::from(body))), url, MAX_ANSWER).await
    }

    pub(crate) async fn refresh_policy(&self) -> Result<(), Error> {
        let _one_at_a_time = self.fetching.lock().await;
        let requests = self.core.policy_requests(self.now())?;
        let [first, second] = requests.as_slice() else { return Ok(()) };
        let (one, other) = tokio::join!(self.get(&first.url), self.get(&second.url));
        let mut attempts = Attempts { tried: requests.clone(), until: Instant::now() + PATIENCE };
        let one = self.or_elsewhere(first, one, second, &mut attempts).await?;
        let other = self.or_elsewhere(second, other, &one.0, &mut attempts).await?;
        self.core.accept_policies(&[one, other], self.now())
    }

    /// What was fetched; or, as long as relays cannot be reached, what another one hands out, or the same
    /// one a moment later. A policy is the same for everybody, so it may be asked for again.
    async fn or_elsewhere(
        &self,
        request: &PolicyRequest,
        mut fetched: Result<RelayResponse, Error>,
        kept: &PolicyRequest,
        attempts: &mut Attempts,
    ) -> Result<(PolicyRequest, RelayResponse), Error> {
        let mut request = request.clone();
        loop {
            let relay = match fetched {
                Ok(response) => return Ok((request, response)),
                Err(Error::Relay { relay, error: RelayError::Unreachable }) => relay,
                Err(error) => return Err(error),
            };
            match self.core.policy_request_elsewhere(&attempts.tried, kept)? {
                Some(elsewhere) => {
                    attempts.tried.push(elsewhere.clone());
                    request = elsewhere;
                }
                None if Instant::now() < attempts.until => sleep(PAUSE).await,
                None => return Err(Error::Unconfirmed { relay }),
            }
            fetched = self.get(&request.url).await;
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<RelayResponse, Error> {
        self.exchange(Request::get(url).body(Full::default()), url, MAX_POLICY).await
    }

    async fn exchange(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
        url: &str,
        limit: usize,
    ) -> Result<RelayResponse, Error> {
        let mut request = request.map_err(|_| Error::Prepare("the request cannot be built"))?;
        let https = self.credentials.show(url, &mut request).unwrap_or(&self.https);
        https.exchange(request, limit).await.map_err(|error| {
            let relay =
                url.parse::<http::Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
            Error::Relay { relay: relay.unwrap_or_default(), error }
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix((self.clock)())
    }

    pub(crate) fn clock(&self) -> ClockFn {
        Arc::clone(&self.clock)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn issuer(&self) -> &IssuerHttps {
        &self.issuer
    }
}

/// Nothing was sent: the only failure after which the same may go elsewhere.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Relay { error: RelayError::Unreachable, .. })
}

impl ClientBuilder {
    /// Where the client remembers what it has seen; default: in memory only.
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Box::new(storage);
        self
    }

    /// PEM certificates to trust for the relays, instead of the web's roots.
    pub fn ca(mut self, pem: Vec<u8>) -> Self {
        self.settings.ca = Some(pem);
        self
    }

    /// The local address to connect from.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.settings.local_address = Some(address);
        self
    }

    /// How long one exchange with a relay may take; default: 15 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// The token that the relay resource `relay` wants to see, written as in the profile. It is sent to
    /// this relay, in `proxy-authorization`, and to no other.
    pub fn bearer(mut self, relay: &str, token: &str) -> Self {
        let secret = Secret::Bearer(token.to_owned().into());
        self.credentials.push(Credential { relay: relay.to_owned(), secret });
        self
    }

    /// The certificate and its key (both PEM) that the relay resource `relay` wants to see in the TLS
    /// handshake. No other relay is shown it.
    pub fn identity(mut self, relay: &str, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        let secret = Secret::Identity(Identity { certificate, key: key.into() });
        self.credentials.push(Credential { relay: relay.to_owned(), secret });
        self
    }

    /// The token that the profile's issuer knows the user by. It is sent to the issuer, in
    /// `authorization`, and to nobody else.
    pub fn issuer_bearer(mut self, token: &str) -> Self {
        self.issuer_bearer = Some(token.to_owned().into());
        self
    }

    /// The certificate and its key (both PEM) that the profile's issuer knows the user by. Nobody else is
    /// shown it.
    pub fn issuer_identity(mut self, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        self.issuer_identity = Some(Identity { certificate, key: key.into() });
        self
    }

    /// Lets tokens be used before their time, as [`Core::use_fresh_tokens`] does.
    pub fn fresh_tokens(mut self) -> Self {
        self.fresh_tokens = true;
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
    /// When the CA certificates, a token or an identity cannot be used.
    pub fn build(self) -> Result<Client, BuildError> {
        // The profile has seen to it that http is for loopback only.
        let https = Https::new(&self.settings, None)?;
        let credentials = Credentials::new(self.credentials, &self.settings)?;
        // Connections of its own: what it is shown is shown to nobody else.
        let issuer =
            IssuerHttps::new(&self.settings, self.issuer_bearer.as_ref(), self.issuer_identity.as_ref())?;
        let mut core = Core::new(self.profile, self.storage);
        if self.fresh_tokens {
            core.use_fresh_tokens();
        }
        Ok(Client {
            core,
            https,
            credentials,
            issuer,
            clock: self.clock,
            fetching: tokio::sync::Mutex::new(()),
        })
    }
}
