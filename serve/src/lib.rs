//! The shell of the servers: listening, TLS, upstream, limits, drain, admin, log, config.
//!
//! Every role (relay, gateway, resolver, provider) is a [`Handler`] inside a [`Shell`]. The shell
//! speaks HTTP (RFC 9110, RFC 9112, RFC 9113) over TLS, reads a bounded request, calls the handler
//! and writes a bounded answer. It knows nothing of Oblivious HTTP and must not: the relay links it.
//!
//! Three promises hold for every role:
//!
//! - The handler never sees the peer's address. The shell does not read it either, except for a role that
//!   clients come to and that bounds how often ([`Clients`]); then a keyed hash is all that is kept. (Of a
//!   known peer, a server that shows a pinned certificate, a handler learns the name: [`Peer`]. A handler that asks
//!   for it learns the subject of a client's certificate, where one is required: [`Visitor`].)
//! - Nothing is global: metrics and logs belong to the role that started the shell.
//! - Everything from the network is bounded by [`Limits`]; over a bound there is one clear error.

mod accept;
mod address;
mod addresses;
pub mod admin;
mod background;
mod bodies;
mod clients;
pub mod clock;
pub mod config;
mod connection;
mod environment;
mod exchange;
pub mod files;
mod inherited;
pub mod limits;
pub mod listen;
pub mod log;
mod metrics;
mod open;
mod peers;
mod places;
mod problem;
pub mod process;
pub mod proxy_protocol;
mod reload;
mod role;
pub mod secret;
mod shell;
mod signal;
mod socket;
mod tasks;
pub mod tls;
pub mod upstream;
mod workers;

pub use address::{Address, AddressError};
pub use addresses::Rate;
pub use admin::Admin;
pub use background::{Stopping, Task};
pub use clients::{Behind, Clients};
pub use clock::Clock;
pub use environment::Environment;
pub use exchange::Handler;
pub use inherited::Inherited;
pub use limits::Limits;
pub use listen::Listen;
pub use log::{Log, LogConfig};
pub use open::Listening;
pub use peers::{Peer, Visitor};
pub use problem::{PROBLEM_JSON, problem, problem_of_type};
pub use process::hide_panic_payloads;
pub use reload::{Reload, ReloadError};
pub use shell::{JoinError, Shell, ShellConfig, StartError};
pub use signal::{Signals, stop_signal};
pub use upstream::{Upstream, UpstreamConfig, UpstreamError};
pub use workers::Workers;
