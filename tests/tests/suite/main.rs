//! All tests that cross crates, in one binary.

mod commands;
mod end_to_end;
mod gateway;
mod graph;
mod hops;
mod imports;
mod refusals;
mod silence;
mod statements;
