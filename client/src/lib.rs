//! Private discovery: "where can I reach this person?", without any server learning who asked; and
//! "I can be reached there", signed by nobody but the person.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use discreet_client::{Client, Profile, Query, normalise};
//!
//! let profile = Profile::from_toml(&std::fs::read_to_string("profile.toml")?)?;
//! let client = Client::builder(profile).build()?;
//! let csi = normalise("+1 415 555 0123", None)?.csi;
//! let answer = client.lookup(Query { csi, tag: None }).await?;
//! for mapping in &answer.mappings {
//!     let services: Vec<_> = mapping.services.iter().map(|service| service.uri.as_str()).collect();
//!     println!("{}: {}", mapping.authority, services.join(", "));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A recipient publishes with an [`Identity`]: signed here, sent in the same frame as a lookup.
//!
//! ```no_run
//! # async fn example(client: discreet_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use discreet_client::{Draft, IdentityFile, MimiUri, Reach, Taken, Timestamp};
//!
//! # let now = Timestamp::from_unix(0);
//! let policy = client.policy().await?;
//! let draft = Draft::new(vec![Reach::to(MimiUri::new("mimi://b.example/u/alice")?)]);
//! // Unless it is urgent, sleep for `publish_delay()` first. The serial is on the disk before the
//! // mapping is there.
//! let mut file = IdentityFile::open("me.identity".as_ref())?;
//! let mapping = file.mapping(&draft, &policy, now)?;
//! let sent = client.publish(mapping, None).await?;
//! let taken = if sent.outcome.is_ok() { Taken::Yes } else { Taken::Unknown };
//! file.conclude(Some(&draft.tag), &policy.domain, &sent.relay, taken)?;
//! # Ok(())
//! # }
//! ```
//!
//! Apps with an HTTP stack of their own use [`Core`], which does no I/O, and leave feature
//! `transport` off. Whatever is returned has been verified: policy, authority, credential, status,
//! mapping. What that cannot show is an omission: a resolver that hides a mapping looks like one
//! that has none.

pub mod ageing;
mod answer;
#[cfg(feature = "transport")]
mod authority;
pub mod authority_answer;
mod cache;
mod core;
#[cfg(feature = "transport")]
mod credentials;
mod error;
mod exchange;
#[cfg(feature = "transport")]
mod https;
mod identity;
mod input;
mod issuance;
#[cfg(feature = "transport")]
mod issuer;
mod keys;
mod lookup;
pub mod pacing;
mod policy;
#[cfg(feature = "transport")]
mod probe;
mod profile;
mod publishing;
mod random;
mod storage;
#[cfg(feature = "transport")]
mod transport;
mod trust;
mod wallet;
mod watch;

#[cfg(test)]
mod testing;

pub use crate::core::{
    Batch, Core, Finished, FinishedChange, MAX_ANSWER, MAX_POLICY, PolicyRequest, Prepared, PreparedChange,
};
pub use answer::{Answer, FoundMapping, Notice, Outcome, Service};
#[cfg(feature = "transport")]
pub use authority::{AuthorityClient, AuthorityError};
pub use authority_answer::{Enrolment, Issued};
pub use cache::{ABSENT_FRESH, CACHE_SETS, CACHE_WAYS};
pub use discreet_protocol::identifier::{Csi, MimiUri};
pub use discreet_protocol::mapping::{Reach, Tag};
pub use discreet_protocol::policy::Policy;
pub use discreet_protocol::query::VerifiableMapping;
pub use discreet_protocol::time::Timestamp;
pub use error::{
    DirectoryError, DirectoryFault, Error, Fault, GatewayError, PolicyError, PublishError, RelayError,
    TokensError,
};
pub use exchange::RelayResponse;
#[cfg(feature = "transport")]
pub use https::BuildError;
pub use identity::{
    Authority, CredentialError, CredentialState, Draft, Identity, IdentityError, IdentityFile,
    IdentityFileError, PendingEnrolment, Published, Secret32, Taken, read_ticket,
};
pub use input::{InputError, Normalised, normalise};
pub use issuance::{Issuance, IssuerResponse, MAX_ISSUER_ANSWER, PendingToken};
#[cfg(feature = "transport")]
pub use issuer::Refill;
pub use keys::{KeyFormatError, KeyMismatch, MAX_KEY, cose_key};
pub use lookup::{Pending, Query, Recalled};
#[cfg(feature = "transport")]
pub use probe::{PROBE_HANDLE, RelayProbe, Stage, Verdict};
pub use profile::{IssuerFile, Profile, ProfileError, ProfileFile, RelayFile, RelayIdentity};
pub use publishing::{Change, PendingChange, Withdrawal};
pub use random::{moment_within, publish_delay, watch_delay};
pub use storage::{FolderStorage, MemoryStorage, PolicyStorage, Storage, StorageError};
#[cfg(feature = "transport")]
pub use transport::{Client, ClientBuilder, Sent};
pub use wallet::{KeyStock, MAX_STOCK, Stock};
pub use watch::{Finding, MAX_UNANSWERED, Unanswered, judge};
