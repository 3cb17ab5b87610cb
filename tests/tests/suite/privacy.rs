//! Traffic analysis and privacy: lines 67 to 73 of the conformance list.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod consistency;
mod mixing;
mod pauses;
mod relay;
mod silence;
mod sizes;
mod wire_size;
