//! Making the secrets of a new gateway.

use crate::Config;
use crate::config::DirectoryKey;
use crate::keyfile::{self, KeyFileError};
use crate::ratchet::Ratchet;
use crate::signer::{SignError, Signer};
use discreet_protocol::VerifyingKey;
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::{Secret32, SecretError, create_secret};
use std::path::Path;
use zeroize::Zeroizing;

/// How long an epoch of keys lasts unless the keys' file says otherwise, in days.
const EPOCH_DAYS: u32 = 7;

/// Why the secrets could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The directory key's file.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The directory key.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The keys' file.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The system has no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// Makes the secret files that do not exist yet; none is ever overwritten. Returns the directory
/// key's public half, which clients pin in their profiles.
///
/// # Errors
///
/// When a file cannot be written, or an existing one not be read.
pub fn init(config: &Config, now: Timestamp) -> Result<VerifyingKey, InitError> {
    if !config.ohttp_keys.exists() {
        // Epochs begin at midnight, when the policy is signed anew anyway.
        keyfile::create(&config.ohttp_keys, &Ratchet::new(random()?, 0, now.start_of_day(), EPOCH_DAYS))?;
    }
    keyfile::read(&config.ohttp_keys)?;
    if let DirectoryKey::File(path) = &config.directory_key {
        ensure(path)?;
    }
    Ok(Signer::new(&config.directory_key)?.public())
}

pub(crate) fn random() -> Result<Secret32, InitError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|_| InitError::Randomness)?;
    Ok(Secret32::new(*secret))
}

fn ensure(path: &Path) -> Result<(), InitError> {
    if path.exists() { Ok(()) } else { Ok(create_secret(path, random()?.as_bytes())?) }
}
