//! What the tests, the demo and the laboratory stand on: [`World`], everybody who signs, and
//! [`Net`], a whole network of our own roles in one process.

// A harness that cannot be set up ends the test or the demo: here panics are the message.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod certificates;
pub mod leaks;
mod mint;
mod net;
pub mod world;
pub mod writers;

pub use certificates::Certificates;
pub use mint::Mint;
pub use net::{Net, NetBuilder, provider};
pub use world::{Person, World};
