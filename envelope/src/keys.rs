//! Key configurations and `application/ohttp-keys` (RFC 9458 §3), read strictly.
//!
//! A collection is accepted whole or not at all (§3.2). What we do not *know* is no error and is left out:
//! configurations of another KEM, suites of another KDF or AEAD, configurations left without a suite. The
//! server's order stands; the first that remains is the one to use. Nothing here checks that a public key is
//! a valid point: HPKE does when it seals.
//!
//! What counts as badly encoded:
//!
//! * the two-byte length of a configuration exceeds what is left, or a lone byte is left;
//! * for a KEM we know, anything but: key id, KEM id, a key of its length, the length of the suites (a positive
//!   multiple of four), the suites, and then the end;
//! * for another KEM, whose key length we cannot know, bytes that no key length would make right;
//! * a key id that occurs twice, unknown KEMs included: the gateway could not tell which key is meant.
//!
//! An empty collection is well encoded and useless: [`KeyCollection::first_supported`] says `None`.

mod algorithms;
mod collection;
mod config;
mod error;

pub use algorithms::{Aead, Kdf, Kem, Suite};
pub use collection::KeyCollection;
pub use config::KeyConfig;
pub use error::KeysError;

/// Bytes of an encoded collection; ten X-Wing keys take 13 KB.
pub const MAX_COLLECTION: usize = 32 * 1024;

/// Configurations of one collection. Three alive at once per KEM are usual.
pub const MAX_CONFIGS: usize = 32;
