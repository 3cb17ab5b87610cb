//! Making the secrets and the database of a new provider.

use crate::authority::{Authority, DatabaseError};
use crate::config::{AccountsConfig, Config, IssuerConfig};
use crate::issuer::Issuer;
use crate::issuer::keys::{Keys, KeysError, Lives};
use discreet_protocol::time::Timestamp;
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_serve::Clock;
use discreet_serve::secret::{SecretError, create_secret, read_secret};
use std::fmt::Write;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a provider could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A secret file.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The issuer's keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file or folder of the issuer's.
    #[error("cannot create {}: {source}", path.display())]
    Create {
        /// What.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The key is missing, but its authority has worked already.
    #[error("the database exists, but the authority's key is missing; restore the key from its backup")]
    KeyLost,
    /// The system has no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// Makes the files that do not exist yet; none is ever overwritten. Returns the lines that name this
/// provider in a discovery provider's rules.
///
/// # Errors
///
/// When a file cannot be written, or an existing one not be read.
pub fn init(config: &Config) -> Result<String, InitError> {
    let mut lines = String::new();
    if let Some(role) = &config.authority {
        if role.database.exists() && !role.key.exists() {
            return Err(InitError::KeyLost);
        }
        let key = ensure_key(&role.key)?;
        ensure(&role.operator_token)?;
        Authority::create(role)?;
        let namespaces: Vec<_> = role.namespaces.iter().map(|text| format!("\"{}\"", text.0)).collect();
        describe(&mut lines, "authorities", role.name.0.as_str(), &key);
        // Never: writing into a string has no failing case.
        let _ = writeln!(lines, "namespaces = [{}]", namespaces.join(", "));
        let _ =
            writeln!(lines, "# feed.url = \"https://{}\"   # where this service is reached\n", role.name.0);
    }
    if let Some(role) = &config.service {
        let key = ensure_key(&role.key)?;
        describe(&mut lines, "services", role.name.0.as_str(), &key);
    }
    if let Some(role) = &config.issuer {
        lines.push_str(&init_issuer(role, Timestamp::from_unix(Clock::system().now()))?);
    }
    Ok(lines)
}

/// The issuer's folder, its first key, its database and the file of its accounts, as far as they do not exist.
fn init_issuer(role: &IssuerConfig, now: Timestamp) -> Result<String, InitError> {
    let lives = Lives::new(role.key_days, role.redeem_days)?;
    if !role.keys.exists() {
        let folder = DirBuilder::new().mode(0o700).create(&role.keys);
        folder.map_err(|source| InitError::Create { path: role.keys.clone(), source })?;
        Keys::rotate(&role.keys, lives, now, true)?;
    }
    Issuer::create(role)?;
    if let Some(AccountsConfig::Bearers(path)) = &role.accounts {
        // Whatever is in it stays.
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
        file.map_err(|source| InitError::Create { path: path.clone(), source })?;
    }
    Ok(format!("\n{}", Keys::open(&role.keys, now)?.rules(&role.name.0, now)))
}

fn describe(lines: &mut String, table: &str, name: &str, key: &VerifyingKey) {
    let key = hex::encode(key.to_bytes());
    // Never: writing into a string has no failing case.
    let _ = writeln!(lines, "[[{table}]]\nname = \"{name}\"\nkey = \"{key}\"");
}

fn ensure_key(path: &Path) -> Result<VerifyingKey, InitError> {
    ensure(path)?;
    Ok(SigningKey::from_bytes(read_secret(path)?.as_bytes()).verifying_key())
}

fn ensure(path: &Path) -> Result<(), InitError> {
    if path.exists() {
        return Ok(());
    }
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|_| InitError::Randomness)?;
    Ok(create_secret(path, &secret)?)
}
