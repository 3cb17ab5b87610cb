//! The authority: attests which key belongs to the holder of an identifier (design §6).
//!
//! It speaks for its own users, whom it knows; so its database names them in clear. It never hears
//! who is looked up: resolvers pull *all* its statuses.
//!
//! | module | what it is |
//! |---|---|
//! | [`rules`] | what it decides, as functions over plain values |
//! | [`prove`] | how a person shows that an identifier is theirs |
//! | [`enrol`] | from asking for a ticket to the proof behind it |
//! | [`issue`] | from a key's request to a credential, and revocation |
//! | [`statuses`] | signing statuses in bulk, and the feed |
//! | `challenge`, `secrets` | fresh challenges; tickets and codes |
//! | `schema`, `rows` | SQLite |

use crate::config::AuthorityConfig;
use crate::database::Database;
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::policy::{self, Authorities};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_serve::Clock;
use discreet_serve::secret::{SecretError, read_secret};
use std::path::Path;
use std::sync::Arc;

mod challenge;
pub mod enrol;
mod error;
pub mod issue;
pub mod prove;
mod rows;
pub mod rules;
mod schema;
mod secrets;
pub mod statuses;

pub use crate::database::DatabaseError;
use challenge::Challenges;
pub use error::AuthorityError;
use prove::Prove;
use rules::Refused;
pub(crate) use schema::SCHEMA;

/// For how many seconds an enrolment waits for its proof: long enough for a message or a call to the
/// operator, and short, because anybody may enrol any identifier. Who needs longer gets a ticket of the
/// backend or of `discreet-provider prove`, which waits for [`TICKET_LIFETIME`].
pub const ENROLMENT_LIFETIME: u64 = 3600;
/// For how many seconds a ticket whose proof is there can be redeemed.
pub const TICKET_LIFETIME: u64 = 7 * DAY;

/// An authority at work. Its methods block; none of them holds the clock or the network.
pub struct Authority {
    name: Domain,
    key: SigningKey,
    namespaces: Authorities,
    days: u16,
    database: Database,
    challenges: Challenges,
    prover: Arc<dyn Prove>,
    clock: Clock,
}

/// Why an authority cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A secret file is missing, open to others, or malformed.
    #[error("{0}; `discreet-provider init` makes the secrets of a new provider")]
    Secret(#[from] SecretError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Nobody could keep such a credential going, or it would outlive its meaning.
    #[error("authority.credential_days must be 2 to 730")]
    Days,
    /// An authority that attests nothing.
    #[error("authority.namespaces must name 1 to 64 namespaces")]
    Namespaces,
    /// The system has no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl Authority {
    /// Opens key and database.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged, or a value makes no sense.
    pub fn open(config: &AuthorityConfig, prover: Arc<dyn Prove>, clock: Clock) -> Result<Self, OpenError> {
        if !(2..=730).contains(&config.credential_days) {
            return Err(OpenError::Days);
        }
        let namespaces: Vec<_> = config.namespaces.iter().map(|text| text.0.clone()).collect();
        if !(1..=policy::MAX_NAMESPACES).contains(&namespaces.len()) {
            return Err(OpenError::Namespaces);
        }
        let key = SigningKey::from_bytes(read_secret(&config.key)?.as_bytes());
        let name = config.name.0.clone();
        let this = policy::Authority { name: name.clone(), key: key.verifying_key(), namespaces };
        Ok(Self {
            name,
            key,
            namespaces: Authorities::new(vec![this]).unwrap_or_default(),
            days: config.credential_days,
            database: Database::open(&config.database, &SCHEMA)?,
            challenges: Challenges::new().map_err(|_| OpenError::Randomness)?,
            prover,
            clock,
        })
    }

    /// Makes the database if there is none.
    pub(crate) fn create(config: &AuthorityConfig) -> Result<(), DatabaseError> {
        Database::create(&config.database, &SCHEMA).map(drop)
    }

    /// Its name.
    pub fn name(&self) -> &Domain {
        &self.name
    }

    /// What its statements are checked with.
    pub fn key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Copies the database as it is now to `file`, which must not exist.
    ///
    /// # Errors
    ///
    /// When it does, or one of the two cannot be used; nothing is left of `file` then.
    pub fn back_up(&self, file: &Path) -> Result<(), DatabaseError> {
        self.database.copy_into(file)
    }

    /// A fresh challenge for a request.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn challenge(&self) -> Result<[u8; challenge::LENGTH], AuthorityError> {
        Ok(self.challenges.issue(self.now())?)
    }

    /// Reads an identifier and checks that this authority attests such ones.
    fn identifier(&self, uri: &str) -> Result<Csi, AuthorityError> {
        let csi = Csi::from_uri(uri).map_err(|_| AuthorityError::Identifier)?;
        self.attests(&csi)?;
        Ok(csi)
    }

    fn attests(&self, csi: &Csi) -> Result<(), Refused> {
        self.namespaces.speaking(&self.name, csi).map(drop).map_err(|_| Refused::OutsideNamespace)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.now())
    }
}
