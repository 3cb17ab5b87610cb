//! What travels inside and around Oblivious HTTP: Binary HTTP messages, padding, key collections.
//!
//! Bytes in, types out: no sockets, no clock, no randomness, no cryptography. Nothing here logs, and no
//! input can panic it. HPKE is the business of the client (`ohttp`) and of the gateway (`hpke`).
//!
//! * [`message`] – Binary HTTP (RFC 9292) from and to the types of crate `http`
//! * [`padding`] – one size up, one size down (RFC 9458 §6.2.3)
//! * [`keys`] – `application/ohttp-keys` (RFC 9458 §3)

pub mod keys;
pub mod message;
pub mod padding;

/// Media type of an Encapsulated Request. RFC 9458 §9.2
pub const OHTTP_REQUEST: &str = "message/ohttp-req";

/// Media type of an Encapsulated Response. RFC 9458 §9.3
pub const OHTTP_RESPONSE: &str = "message/ohttp-res";

/// Media type of a key collection. RFC 9458 §9.1
pub const OHTTP_KEYS: &str = "application/ohttp-keys";

/// The problem type (RFC 9457) of all key trouble, RFC 9458 §5.3.
pub const OHTTP_KEY_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";
