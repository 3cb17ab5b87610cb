//! Private lookups: "where can I reach this person?", without any server learning who asked.
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
//! Apps with an HTTP stack of their own use [`Core`], which does no I/O, and leave feature
//! `transport` off. Whatever is returned has been verified: policy, authority, credential, status,
//! mapping. What that cannot show is an omission: a resolver that hides a mapping looks like one
//! that has none.

mod answer;
mod core;
mod error;
mod exchange;
mod input;
mod policy;
mod profile;
mod storage;
#[cfg(feature = "transport")]
mod transport;
mod trust;

pub use crate::core::{Core, MAX_ANSWER, MAX_POLICY, PolicyRequest, Prepared};
pub use answer::{Answer, FoundMapping, Notice, Outcome, Service};
pub use discreet_protocol::identifier::{Csi, MimiUri};
pub use discreet_protocol::mapping::Tag;
pub use discreet_protocol::time::Timestamp;
pub use error::{DirectoryError, Error, Fault, GatewayError, PolicyError, RelayError};
pub use exchange::{Pending, Query, RelayResponse};
pub use input::{InputError, Normalised, normalise};
pub use profile::{Profile, ProfileError, ProfileFile, RelayFile};
pub use storage::{FolderStorage, MemoryStorage, Storage, StorageError};
#[cfg(feature = "transport")]
pub use transport::{BuildError, Client, ClientBuilder};
