//! A whole provider over a real socket, with a clock of the test's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod commands;
mod feed;
mod flow;
mod http_refusals;
mod operator;
mod proving;
mod strangers;
mod support;
