//! The commands as people run them: child processes, transcripts, exit codes.

pub(crate) mod process;
pub(crate) mod system;

mod admission;
mod bad_input;
mod contacts;
mod keys;
mod lookups;
mod operation;
mod recipients;
mod signer;
mod tokens;
