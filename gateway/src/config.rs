//! The gateway's configuration. This struct is its manual; `gateway.sample.toml` is an example.

use discreet_serve::config::{ConfigError, folder, load, resolve};
use discreet_serve::{Admin, Limits, Listen, LogConfig};
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
    /// What OHTTP keys are derived from: one line of 64 hex digits, mode 0600. Replicas share it.
    pub ohttp_seed: PathBuf,
    /// What the policy is signed with: an Ed25519 seed of 64 hex digits, mode 0600.
    pub directory_key: PathBuf,
    /// Who answers the requests.
    pub resolver: ResolverConfig,
}

/// Who answers the requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolverConfig {
    /// A resolver in this process; its configuration file, the one `discreet-resolver` takes too.
    Embedded(PathBuf),
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
        resolve(folder, &mut config.ohttp_seed);
        resolve(folder, &mut config.directory_key);
        let ResolverConfig::Embedded(resolver) = &mut config.resolver;
        resolve(folder, resolver);
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
        let ResolverConfig::Embedded(resolver) = config.resolver;
        assert!(resolver.is_absolute() && resolver.ends_with("resolver.toml"));
        assert!(matches!(config.listen, Listen::Tls { .. }));
    }
}
