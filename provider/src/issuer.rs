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
use discreet_serve::{Clock, Visitor, Workers};
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
    waiting: Arc<Semaphore>,
    charges: Workers,
    signers: Workers,
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
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            charges: Workers::new(CHARGES_AT_ONCE),
            signers: Workers::new(cores),
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
        // Goes along with the work: a request that is dropped meanwhile counts until its work has ended.
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| IssueError::Busy)?;
        let headers = request.headers().clone();
        let visitor = request.extensions().get::<Visitor>().cloned();
        let body = request.body().clone();
        let now = self.now();

        let this = Arc::clone(self);
        let charge = move || (this.charge(&headers, visitor.as_ref(), &body, now), waiting);
        let (charged, waiting) = self.charges.run(charge).await.ok_or(IssueError::Stopping)?;
        let (wanted, keys) = (charged?, self.keys());
        let sign = move || (keys.sign(&wanted, now), waiting);
        let (signed, _waiting) = self.signers.run(sign).await.ok_or(IssueError::Stopping)?;
        Ok(signed?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use accounts::{Account, NotAdmitted};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Mutex, mpsc};

    /// Accounts that are asked, and answer when they are told to.
    struct Slow {
        asked: tokio::sync::mpsc::UnboundedSender<()>,
        told: Mutex<mpsc::Receiver<()>>,
    }

    impl Accounts for Slow {
        fn account(&self, _: &HeaderMap, _: Option<&Visitor>) -> Result<Account, NotAdmitted> {
            self.asked.send(()).unwrap();
            self.told.lock().unwrap().recv().unwrap();
            Err(NotAdmitted::Unknown)
        }
    }

    fn issuer(folder: &std::path::Path, own: Slow) -> Arc<Issuer> {
        let key = folder.join("keys").join("2020-01-01_2099-01-01.der");
        std::fs::create_dir(folder.join("keys")).unwrap();
        std::fs::write(&key, include_bytes!("issuer/keys/same-truncated-id-1.der")).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let text = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[issuer]\nname = \"issuer.example\"\n\
                    keys = \"keys\"\ndatabase = \"issuer.db\"\n";
        std::fs::write(folder.join("provider.toml"), text).unwrap();
        let config = crate::Config::load(&folder.join("provider.toml")).unwrap().issuer.unwrap();
        Issuer::create(&config).unwrap();
        Arc::new(Issuer::open(&config, Some(Arc::new(own)), Clock::manual(1_800_000_000)).unwrap())
    }

    #[tokio::test]
    async fn a_request_that_was_dropped_counts_until_its_work_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
        let (tell, told) = mpsc::channel();
        let issuer = issuer(folder.path(), Slow { asked, told: Mutex::new(told) });
        let request = tokio::spawn({
            let issuer = Arc::clone(&issuer);
            async move { issuer.issue(&Request::new(Bytes::new())).await }
        });
        asks.recv().await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(issuer.waiting.available_permits(), MAX_WAITING - 1);
        tell.send(()).unwrap();
        let all = issuer.waiting.acquire_many(MAX_WAITING as u32).await;
        assert!(all.is_ok(), "it is given back in the end");
    }
}
