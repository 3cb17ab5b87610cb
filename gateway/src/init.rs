//! Making the secrets of a new gateway.

use crate::Config;
use discreet_protocol::SigningKey;
use discreet_protocol::VerifyingKey;
use discreet_serve::secret::{SecretError, create_secret, read_secret};
use std::path::Path;

/// Why the secrets could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A secret file.
    #[error(transparent)]
    Secret(#[from] SecretError),
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
pub fn init(config: &Config) -> Result<VerifyingKey, InitError> {
    ensure(&config.ohttp_seed)?;
    ensure(&config.directory_key)?;
    let seed = read_secret(&config.directory_key)?;
    Ok(SigningKey::from_bytes(seed.as_bytes()).verifying_key())
}

fn ensure(path: &Path) -> Result<(), InitError> {
    if path.exists() {
        return Ok(());
    }
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|_| InitError::Randomness)?;
    Ok(create_secret(path, &secret)?)
}
