//! A list of configurations in order of preference. RFC 9458 §3.2

use super::algorithms::Suite;
use super::config::KeyConfig;
use super::error::KeysError;
use super::{MAX_COLLECTION, MAX_CONFIGS};

/// The configurations of a collection that we could use, in the server's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyCollection(Vec<KeyConfig>);

impl KeyCollection {
    /// A collection of our own.
    pub fn new(configs: Vec<KeyConfig>) -> Result<Self, KeysError> {
        let mut ids = Ids::default();
        let mut len = 0;
        for config in &configs {
            ids.add(config.id())?;
            len += LENGTH + config.encoded().len();
        }
        if len > MAX_COLLECTION {
            return Err(KeysError::TooLarge);
        }
        Ok(Self(configs))
    }

    /// Reads `application/ohttp-keys`, whole or not at all.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeysError> {
        if bytes.len() > MAX_COLLECTION {
            return Err(KeysError::TooLarge);
        }
        let mut ids = Ids::default();
        let mut configs = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (encoded, after) = split_config(rest)?;
            let config = KeyConfig::decode(encoded)?;
            ids.add(*encoded.first().ok_or(KeysError::ShortConfig)?)?;
            configs.extend(config);
            rest = after;
        }
        Ok(Self(configs))
    }

    /// Writes `application/ohttp-keys`. What [`Self::decode`] left out is not in it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for config in &self.0 {
            let encoded = config.encoded();
            // Never truncates: a collection is within MAX_COLLECTION.
            bytes.extend_from_slice(&(encoded.len() as u16).to_be_bytes());
            bytes.extend_from_slice(encoded);
        }
        bytes
    }

    /// The configurations we could use, in the server's order.
    #[must_use]
    pub fn configs(&self) -> &[KeyConfig] {
        &self.0
    }

    /// The key and suite everybody uses: the first. `None` if the server offers nothing we know.
    #[must_use]
    pub fn first_supported(&self) -> Option<(&KeyConfig, Suite)> {
        self.0.iter().find_map(|config| Some((config, *config.suites().first()?)))
    }
}

/// Bytes of the length before each configuration.
const LENGTH: usize = 2;

fn split_config(bytes: &[u8]) -> Result<(&[u8], &[u8]), KeysError> {
    let (len, rest) = bytes.split_first_chunk::<LENGTH>().ok_or(KeysError::Truncated)?;
    let len = usize::from(u16::from_be_bytes(*len));
    rest.split_at_checked(len).ok_or(KeysError::Truncated)
}

/// The key ids seen so far.
#[derive(Default)]
struct Ids(Vec<u8>);

impl Ids {
    fn add(&mut self, id: u8) -> Result<(), KeysError> {
        if self.0.contains(&id) {
            return Err(KeysError::DuplicateKeyId);
        }
        if self.0.len() == MAX_CONFIGS {
            return Err(KeysError::TooManyConfigs);
        }
        self.0.push(id);
        Ok(())
    }
}
