//! All tests that cross crates, in one binary.

// Helpers outside test functions are tests, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod at_rest;
mod commands;
mod conformance;
mod end_to_end;
mod graph;
mod imports;
mod kills;
mod leaks;
mod metrics;
mod operators;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod power;
mod privacy;
mod probe;
mod rebuild;
mod recipients;
mod recorder;
mod refusals;
/// A relay alone: what `relay/tests` has for it.
#[allow(dead_code, reason = "used in part here, in part there")]
#[path = "../../../relay/tests/relay/support.rs"]
mod relay_alone;
mod remote;
mod restarts;
mod rfc9292;
mod rfc9458;
mod rfc9540;
mod service;
mod statements;
mod tokens;
mod wire;
