//! Lookups and publications that are paid for: from the issuer, through the wallet, to the resolver.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod directories;
mod issuer;
mod nothing_sent;
mod paying;
