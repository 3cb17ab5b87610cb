//! A whole provider over a real socket, with a clock of the test's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

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

mod commands;
mod feed;
mod flow;
mod http_refusals;
mod issuer;
mod operator;
mod proving;
mod strangers;
mod support;
