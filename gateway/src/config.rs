//! The gateway's configuration. This struct is its manual; `gateway.sample.toml` is an example.

use crate::relays::RelayLimit;
use discreet_protocol::VerifyingKey;
use discreet_serve::config::{ConfigError, folder, load, resolve};
use discreet_serve::{Admin, Limits, Listen, LogConfig, UpstreamConfig};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a gateway needs to know. Relative paths are taken from the file's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where relays connect.
    pub listen: Listen,
    /// Where health and metrics are answered. Default: nowhere.
    #[serde(default)]
    pub admin: Admin,
    /// Format and level of the log on standard error.
    #[serde(default)]
    pub log: LogConfig,
    /// Bounds on connections, requests and times.
    #[serde(default)]
    pub limits: Limits,
    /// What OHTTP keys follow from, made by `discreet-gateway init`; mode 0600. Replicas have the same.
    pub ohttp_keys: PathBuf,
    /// What the policy is signed with: the path of an Ed25519 seed of 64 hex digits, mode 0600, or a
    /// signer.
    pub directory_key: DirectoryKey,
    /// What each relay may send, where the listener is `mutual_tls` with `peers`. Default: no limit.
    #[serde(default)]
    pub relay_limit: Option<RelayLimit>,
    /// Who answers the requests.
    pub resolver: ResolverConfig,
}

/// Where the directory key is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum DirectoryKey {
    /// In a file.
    File(PathBuf),
    /// Behind a command, so that it can live on another machine.
    Signer {
        /// Program and arguments. It gets what is to be signed on its standard input (RFC 9052 §4.4,
        /// Ed25519 signs it as it is) and prints the signature: 128 hex digits. Once a day, and with
        /// each change of keys.
        command: Vec<String>,
        /// The key's public half, 64 hex digits: what clients pin.
        public_key: PublicKey,
    },
}

/// An Ed25519 public key, written as 64 hex digits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicKey(pub VerifyingKey);

/// A text that is no public key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a public key has 64 hex digits")]
pub struct PublicKeyError;

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| PublicKeyError)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError)?;
        if key.is_weak() { Err(PublicKeyError) } else { Ok(Self(key)) }
    }
}

/// Who answers the requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolverConfig {
    /// A resolver in this process; its configuration file, the one `discreet-resolver` takes too.
    Embedded(PathBuf),
    /// `discreet-resolver serve` on another host. It must know this gateway's certificate, and this
    /// gateway shows it: mutual TLS.
    Remote {
        /// The rules, the same file as the resolver's: the policy is made of them.
        rules: PathBuf,
        /// Where the resolver is, whom to trust for it, and what to show.
        upstream: UpstreamConfig,
    },
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or has an unknown, missing or malformed field.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = load(path)?;
        let folder = folder(path);
        config.listen.resolve_paths(folder);
        config.admin.resolve_paths(folder);
        resolve(folder, &mut config.ohttp_keys);
        if let DirectoryKey::File(path) = &mut config.directory_key {
            resolve(folder, path);
        }
        match &mut config.resolver {
            ResolverConfig::Embedded(resolver) => resolve(folder, resolver),
            ResolverConfig::Remote { rules, upstream } => {
                resolve(folder, rules);
                upstream.resolve_paths(folder);
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.sample.toml");
        let config = Config::load(&sample).unwrap();
        let ResolverConfig::Embedded(resolver) = config.resolver else { panic!("it is embedded") };
        assert!(resolver.is_absolute() && resolver.ends_with("resolver.toml"));
        assert!(matches!(config.listen, Listen::Tls { .. }));
        assert!(matches!(config.directory_key, DirectoryKey::File(path) if path.is_absolute()));
    }

    #[test]
    fn the_directory_key_may_be_behind_a_command() {
        let sample =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.sample.toml"));
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let signer = format!("directory_key = {{ command = [\"sign\", \"-v\"], public_key = \"{key}\" }}");
        let sample = sample.unwrap().replace("directory_key = \"directory.key\"", &signer);
        let config: Config = toml::from_str(&sample).unwrap();
        assert!(matches!(config.directory_key, DirectoryKey::Signer { command, .. } if command.len() == 2));
        assert!(toml::from_str::<Config>(&sample.replace(key, &key[2..])).is_err());
    }
}
