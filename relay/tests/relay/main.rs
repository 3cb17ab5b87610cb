//! A whole relay between clients and a gateway that records what it receives.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod connections;
mod documents;
mod forwarding;
mod pauses;
mod redirects;
mod refreshing;
mod refusals;
mod support;
mod trouble;
