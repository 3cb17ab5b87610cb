//! All tests that cross crates, in one binary.

// Helpers outside test functions are tests, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod at_rest;
mod commands;
mod conformance;
mod end_to_end;
mod gateway;
mod graph;
mod hops;
mod imports;
mod kills;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod power;
mod probe;
mod rebuild;
mod recipients;
mod refusals;
mod remote;
mod rotation;
mod service;
mod silence;
mod statements;
mod wire_size;
