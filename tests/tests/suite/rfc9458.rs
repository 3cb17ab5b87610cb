//! RFC 9458, Oblivious HTTP: lines 1 to 39 of the conformance list, and with them those about
//! `Incremental` (a relay's forwarding) and post-quantum keys (a key collection's).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

pub(crate) mod authorised;
pub(crate) mod client;
mod early_data;
mod gateway;
mod hops;
mod key_trouble;
mod keys;
mod relay;
mod rotation;
mod tls;
