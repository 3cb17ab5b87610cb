//! A gateway that listens nowhere and does one exchange after the other in its caller's thread: what a
//! lookup costs, without network and threads, can be counted to the instruction.

use crate::{BindError, Config, Parts, handler::Shared};
use bytes::Bytes;
use discreet_serve::Environment;
use http::Response;

/// Keys, policy and resolver of a gateway, and its exchange.
pub struct Offline(Shared);

impl Offline {
    /// Opens what a gateway with `config` opens, but for its ports.
    ///
    /// # Errors
    ///
    /// As [`crate::Gateway::check`].
    pub fn open(config: &Config, environment: &Environment) -> Result<Self, BindError> {
        Ok(Self(Parts::open(config, environment)?.shared))
    }

    /// The OHTTP key collection, as published.
    pub fn collection(&self) -> Vec<u8> {
        self.0.ring().collection().to_vec()
    }

    /// Answers one encapsulated request, as a gateway does when it is posted. With an embedded resolver only: a
    /// remote one needs a runtime.
    pub fn exchange(&self, encapsulated: &[u8]) -> Response<Bytes> {
        self.0.exchange(encapsulated)
    }
}
