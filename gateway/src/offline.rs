//! A gateway that listens nowhere and does one exchange after the other in its caller's thread: what a
//! lookup costs, without network and threads, can be counted to the instruction.

use crate::metrics::Outcome;
use crate::target::Answering;
use crate::{BindError, Config, Parts, handler::Shared};
use bytes::Bytes;
use discreet_serve::Environment;
use http::Response;

/// Keys, policy and resolver of a gateway, and its exchange.
pub struct Offline(Shared);

/// The gateway's resolver is another process.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the resolver is remote; an offline gateway answers from an embedded one")]
pub struct RemoteResolver;

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

    /// Answers one encapsulated request, as a gateway does when it is posted.
    ///
    /// # Errors
    ///
    /// [`RemoteResolver`]: asking one needs a runtime.
    pub fn exchange(&self, encapsulated: &[u8]) -> Result<Response<Bytes>, RemoteResolver> {
        let Answering::Embedded(resolver) = &self.0.target.resolver else { return Err(RemoteResolver) };
        let now = self.0.now();
        let opened = match self.0.open(encapsulated, now) {
            Ok(opened) => opened,
            Err(error) => return Ok(self.0.refuse(error)),
        };
        let answer = match self.0.admit(&opened, now) {
            Ok(request) => (resolver.answer(request), Outcome::Answered),
            Err(refused) => *refused,
        };
        Ok(self.0.seal(opened, answer))
    }
}
