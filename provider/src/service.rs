//! The role `service`: a messaging service's word that an account exists and agreed to be listed.
//!
//! Who asks, and whether the account agreed, is the provider's own backend's business.

use crate::authority::rules::expiry;
use crate::config::ServiceConfig;
use discreet_protocol::endorsement::Endorsement;
use discreet_protocol::identifier::{Domain, MimiUri};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_serve::secret::{SecretError, read_secret};

/// Why the service's key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}; `discreet-provider init` makes the secrets of a new provider")]
pub struct OpenError(#[from] SecretError);

/// The URI is another service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URI names another service than service.name; an endorsement of it would not count")]
pub struct NotOurs;

/// A messaging service that endorses reaches.
pub struct Service {
    name: Domain,
    key: SigningKey,
}

impl Service {
    /// Opens the key.
    ///
    /// # Errors
    ///
    /// When it is missing, open to others, or malformed.
    pub fn open(config: &ServiceConfig) -> Result<Self, OpenError> {
        let key = SigningKey::from_bytes(read_secret(&config.key)?.as_bytes());
        Ok(Self { name: config.name.0.clone(), key })
    }

    /// What its endorsements are checked with.
    pub fn key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// "This account exists, and agreed to be listed by the holder of this key", for `days`.
    ///
    /// # Errors
    ///
    /// When `uri` is another service's.
    pub fn endorse(
        &self,
        uri: MimiUri,
        holder: VerifyingKey,
        now: Timestamp,
        days: u16,
    ) -> Result<Vec<u8>, NotOurs> {
        if uri.provider() != self.name.as_str() {
            return Err(NotOurs);
        }
        let service = self.name.clone();
        Ok(sign(&Endorsement { service, uri, expires: expiry(now, days), holder }, &self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use discreet_protocol::statement::open;

    fn service() -> Service {
        Service { name: Domain::new("b.example").unwrap(), key: SigningKey::from_bytes(&[1; 32]) }
    }

    #[test]
    fn an_endorsement_says_what_it_was_asked_to() {
        let holder = SigningKey::from_bytes(&[2; 32]).verifying_key();
        let uri = MimiUri::new("mimi://b.example/u/alice").unwrap();
        let now = Timestamp::from_unix(1_800_000_000);
        let word = service().endorse(uri.clone(), holder, now, 180).unwrap();
        let word: Endorsement = open(&word, &service().key()).unwrap();
        assert_eq!((word.service.as_str(), word.uri, word.holder), ("b.example", uri, holder));
        assert_eq!(word.expires.unix(), 1_815_609_600);
    }

    #[test]
    fn rejects_another_services_uri() {
        let holder = SigningKey::from_bytes(&[2; 32]).verifying_key();
        for uri in ["mimi://c.example/u/alice", "mimi://sub.b.example/u/alice"] {
            let uri = MimiUri::new(uri).unwrap();
            assert_eq!(service().endorse(uri, holder, Timestamp::from_unix(0), 1), Err(NotOurs));
        }
    }
}
