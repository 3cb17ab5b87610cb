//! What a client must refuse, and whom it blames: one test per way of being wrong.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod answers;
mod dates;
mod directory;
mod failover;
pub(crate) mod fakes;
mod gateway;
mod policies;
mod relays;
