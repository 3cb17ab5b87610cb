//! Identifiers, queries and signed statements of private discovery.
//!
//! This crate does no I/O: no sockets, no files, no clock, no randomness. Time and key material
//! come in as arguments, so that it runs on a phone, in a server and in a browser alike, and so
//! that a reader can check it with nothing but the test vectors beside it.
//!
//! | module | what it is |
//! |---|---|
//! | [`identifier`] | who is asked about (CSI) and where they are reached (MIMI URI) |
//! | [`query`] | what travels inside the encapsulated request and response |
//! | [`statement`] | the one envelope of all signed statements (COSE_Sign1, RFC 9052) |
//! | [`credential`] | what an authority says: this key holds this CSI, and still does, or no longer |
//! | [`enrolment`] | what a person says to an authority to have a key attested |
//! | [`feed`] | how resolvers keep up with what authorities say |
//! | [`mapping`] | what a recipient says: this CSI is reachable there |
//! | [`withdrawal`] | what a recipient says to be found no more |
//! | [`endorsement`] | what a messaging service adds: this account exists and agreed |
//! | [`key`] | keys inside statements, and their thumbprints |
//! | [`policy`] | what a discovery provider says: these keys, these authorities |
//! | [`token`] | what an anonymous lookup is paid with (Privacy Pass, RFC 9578) |
//! | [`verify`] | the whole chain, from an accepted authority to a mapping |

pub mod credential;
pub mod endorsement;
pub mod enrolment;
pub mod feed;
pub mod identifier;
pub mod key;
pub mod mapping;
pub mod policy;
pub mod query;
pub mod statement;
pub mod time;
pub mod token;
pub mod verify;
pub mod withdrawal;

pub use ed25519_dalek::{SigningKey, VerifyingKey};
