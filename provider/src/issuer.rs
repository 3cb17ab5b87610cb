//! The issuer: gives its provider's users anonymous tokens for lookups (RFC 9576, RFC 9578 §6).
//!
//! It knows who asks, and signs what it cannot read: a token, once finished by its user, is none that the issuer
//! has seen. It never hears of a lookup, and keeps nothing but how much each account has used ([`quota`]).
//!
//! | module | what it is |
//! |---|---|
//! | [`accounts`] | who may ask |
//! | [`quota`] | how often, as pure functions |
//! | `counters` | what each account has used, in SQLite |
//! | [`keys`] | which key signs when, and the directory |
//! | [`key`] | every use of a private key |
//! | [`pace`] | when answers leave |

pub mod accounts;
mod counters;
mod error;
pub mod key;
pub mod keys;
pub mod pace;
pub mod quota;

use crate::config::{AccountsConfig, IssuerConfig};
use crate::database::DatabaseError;
use accounts::{Accounts, AccountsError, Bearers, Certificates};
use bytes::Bytes;
use counters::{Counters, Taken};
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{NK, TOKEN_REQUEST_TYPE, TokenRequest};
use discreet_serve::{Clock, Visitor};
pub use error::IssueError;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use keys::{Keys, KeysError, Lives};
use quota::{Quota, QuotaError};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// Token requests that wait or are worked on at once. Over it: 503 with `Retry-After`. A signature takes a few
/// milliseconds, so the last of them waits for a second or so.
pub const MAX_WAITING: usize = 512;
/// Requests whose quota is looked up and written down at once, which is as many as share one commit.
const CHARGES_AT_ONCE: usize = 64;
/// How many days before the last key has signed for its time the operator is told that there is no next.
const WARN_DAYS: u64 = 14;

/// An issuer at work.
pub struct Issuer {
    name: Domain,
    folder: PathBuf,
    lives: Lives,
    keys: RwLock<Arc<Keys>>,
    accounts: Arc<dyn Accounts>,
    counters: Counters,
    clock: Clock,
    waiting: Semaphore,
    charges: Semaphore,
    signers: Semaphore,
}

/// Why an issuer cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Its database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its accounts' file.
    #[error("{0}; `discreet-provider init` makes that of a new provider")]
    Accounts(#[from] AccountsError),
    /// The quota.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// Nobody could ask.
    #[error(
        "issuer.accounts is missing: say who may ask, as accounts.bearers = \"FILE\" or accounts = \"certificates\""
    )]
    NoAccounts,
}

impl Issuer {
    /// Opens keys, counters and accounts; `own` takes the place of those that the configuration names.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged, or a value makes no sense.
    pub fn open(
        config: &IssuerConfig,
        own: Option<Arc<dyn Accounts>>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let quota = Quota::new(config.quota.burst, config.quota.per_day)?;
        let lives = Lives::new(config.key_days, config.redeem_days)?;
        let keys = Keys::open(&config.keys, Timestamp::from_unix(clock.now()))?;
        let accounts = match (own, &config.accounts) {
            (Some(own), _) => own,
            (None, Some(AccountsConfig::Bearers(file))) => Arc::new(Bearers::read(file)?),
            (None, Some(AccountsConfig::Certificates)) => Arc::new(Certificates),
            (None, None) => return Err(OpenError::NoAccounts),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            name: config.name.0.clone(),
            folder: config.keys.clone(),
            lives,
            keys: RwLock::new(Arc::new(keys)),
            accounts,
            counters: Counters::open(&config.database, quota)?,
            clock,
            waiting: Semaphore::new(MAX_WAITING),
            charges: Semaphore::new(CHARGES_AT_ONCE),
            signers: Semaphore::new(cores),
        })
    }

    /// Makes the database if there is none.
    pub(crate) fn create(config: &IssuerConfig) -> Result<(), DatabaseError> {
        Counters::create(&config.database)
    }

    /// Its name, as challenges carry it.
    pub fn name(&self) -> &Domain {
        &self.name
    }

    /// Its keys, as they were read the last time.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the keys anew. When one cannot be used, all stay as they were.
    ///
    /// # Errors
    ///
    /// As [`Keys::open`].
    pub fn reload_keys(&self) -> Result<(), KeysError> {
        let keys = Arc::new(Keys::open(&self.folder, self.now())?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Its accounts.
    pub fn accounts(&self) -> &Arc<dyn Accounts> {
        &self.accounts
    }

    /// The directory as it is now (RFC 9578 §4).
    ///
    /// # Errors
    ///
    /// As [`Keys::directory`].
    pub fn directory(&self) -> Result<String, serde_json::Error> {
        self.keys().directory(self.now())
    }

    /// Signs what a request asks for, if its account has quota left (RFC 9578 §6.2).
    ///
    /// # Errors
    ///
    /// When it gets none. What was taken out of the quota stays out, even if the request is dropped.
    pub async fn issue(self: &Arc<Self>, request: &Request<Bytes>) -> Result<Box<[u8; NK]>, IssueError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| IssueError::Busy)?;
        let headers = request.headers().clone();
        let visitor = request.extensions().get::<Visitor>().cloned();
        let body = request.body().clone();
        let now = self.now();

        let charges = self.charges.acquire().await.map_err(|_| IssueError::Stopping)?;
        let this = Arc::clone(self);
        let wanted = blocking(move || this.charge(&headers, visitor.as_ref(), &body, now)).await?;
        drop(charges);

        let _signer = self.signers.acquire().await.map_err(|_| IssueError::Stopping)?;
        let keys = self.keys();
        blocking(move || Ok(keys.sign(&wanted, now)?)).await
    }

    /// Forgets some accounts that have their whole quota again; 0: there is none.
    ///
    /// # Errors
    ///
    /// When the database cannot be used.
    pub fn forget_some(&self) -> Result<usize, DatabaseError> {
        self.counters.forget_some(self.clock.now())
    }

    /// Whether the operator should make the next key now.
    pub fn needs_key(&self) -> bool {
        !self.keys().is_provided(self.lives, self.now(), WARN_DAYS)
    }

    /// Everything that can be refused is, before the quota is touched.
    fn charge(
        &self,
        headers: &HeaderMap,
        visitor: Option<&Visitor>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<TokenRequest, IssueError> {
        let account = self.accounts.account(headers, visitor)?;
        if headers.get(CONTENT_TYPE).is_none_or(|given| given != TOKEN_REQUEST_TYPE) {
            return Err(IssueError::MediaType);
        }
        let wanted = TokenRequest::decode(body).map_err(|_| IssueError::Malformed)?;
        self.keys().check(&wanted, now)?;
        match self.counters.take(account, now.unix())? {
            Taken::One => Ok(wanted),
            Taken::None(empty) => Err(empty.into()),
            Taken::Unwritten => Err(IssueError::Unwritten),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.now())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IssueError> + Send + 'static,
) -> Result<T, IssueError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The shell answers and counts it.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(IssueError::Stopping),
    }
}
