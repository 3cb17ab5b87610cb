//! What a client must refuse, and whom it blames: one test per way of being wrong. What RFC 9458
//! says of relays, dates and answers is in `rfc9458::client`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod answers;
mod directory;
pub(crate) mod fakes;
mod policies;
pub(crate) mod resend;
