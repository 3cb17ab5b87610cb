//! What a client makes of what relays and gateways answer, and where it sends a request again.

mod answers;
pub(crate) mod dates;
mod failover;
mod relays;
