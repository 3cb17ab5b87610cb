//! A whole relay between clients and a gateway that records what it receives. What RFC 9458 says of relays
//! is shown in the workspace member `tests`, which has this `support`, too.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

// The harness's own, by its path: this crate may not depend on `tests`.
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "the other parts are for others"
)]
#[path = "../../../tests/src/leaks.rs"]
mod leaks;

mod access;
mod connections;
mod documents;
mod mixing;
mod refreshing;
mod support;
mod trouble;
