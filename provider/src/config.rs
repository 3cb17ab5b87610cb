//! The provider's configuration. These structs are its manual; `provider.sample.toml` is an example.

use discreet_protocol::identifier::{Domain, IdentifierError};
use discreet_protocol::policy::Namespace;
use discreet_serve::config::{ConfigError, folder, load, resolve};
use discreet_serve::{Admin, Clients, Limits, Listen, LogConfig};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a provider needs to know. Relative paths are taken from the file's folder. Each role is
/// enabled by its table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the provider's users, its operators and resolvers connect.
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
    /// How often one address may come, and what stands in front of the provider. Default: as often as it
    /// likes, and nothing. Resolvers that pull the feed count, too: one pull is as many requests as the
    /// feed has pages.
    #[serde(default)]
    pub clients: Clients,
    /// Attests which key belongs to the holder of an identifier. Needed to serve.
    pub authority: Option<AuthorityConfig>,
    /// Says of accounts that they exist and agreed to be listed. Only the command `endorse` uses it.
    pub service: Option<ServiceConfig>,
}

/// The role `authority`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Its name, as credentials carry it and discovery providers' rules name it: a host name in
    /// lower case.
    pub name: Name,
    /// What credentials and statuses are signed with: an Ed25519 seed of 64 hex digits, mode 0600.
    /// Lost, all its credentials fall silent after 72 hours; stolen, the thief can speak for everybody.
    pub key: PathBuf,
    /// SQLite file, mode 0600. It names the provider's own users in clear, with the keys they hold:
    /// an authority attests exactly that. The last holder of an identifier stays in it when all
    /// credentials have expired, so that older proofs do not count again. Back it up.
    pub database: PathBuf,
    /// What the operator's endpoints are opened with: 64 hex digits, mode 0600. Read again at SIGHUP.
    pub operator_token: PathBuf,
    /// What it attests: digit prefixes (`tel:+1415`), mail domains (`mailto:b.example`), `handle:`.
    /// Anything else is refused. Discovery providers' rules must say the same.
    pub namespaces: Vec<NamespaceText>,
    /// For how many days a credential is valid, 2 to 730. Default 180. Renewal keeps it going.
    #[serde(default = "default_days")]
    pub credential_days: u16,
}

/// The role `service`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its name, as MIMI URIs carry it.
    pub name: Name,
    /// What endorsements are signed with: an Ed25519 seed of 64 hex digits, mode 0600.
    pub key: PathBuf,
}

/// A host name in lower case.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub Domain);

impl TryFrom<String> for Name {
    type Error = IdentifierError;

    fn try_from(text: String) -> Result<Self, IdentifierError> {
        Domain::new(&text).map(Self)
    }
}

/// A namespace, written as discovery providers' rules write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct NamespaceText(pub Namespace);

impl TryFrom<String> for NamespaceText {
    type Error = discreet_protocol::policy::NamespaceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

fn default_days() -> u16 {
    180
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
        if let Some(authority) = &mut config.authority {
            resolve(folder, &mut authority.key);
            resolve(folder, &mut authority.database);
            resolve(folder, &mut authority.operator_token);
        }
        if let Some(service) = &mut config.service {
            resolve(folder, &mut service.key);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("provider.sample.toml");
        let config = Config::load(&sample).unwrap();
        assert!(matches!(config.listen, Listen::Tls { .. }));
        assert_eq!(config.clients.rate.map(|rate| rate.burst.get()), Some(6000));
        let authority = config.authority.unwrap();
        assert_eq!((authority.name.0.as_str(), authority.credential_days), ("authority.example", 180));
        assert!(authority.key.is_absolute() && authority.database.ends_with("authority.db"));
        let namespaces: Vec<_> = authority.namespaces.iter().map(|text| text.0.to_string()).collect();
        assert_eq!(namespaces, ["tel:+1415", "mailto:b.example"]);
        assert!(config.service.unwrap().key.is_absolute());
    }

    fn refused(from: &str, to: &str) -> String {
        let text = include_str!("../provider.sample.toml");
        assert!(text.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provider.toml");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        Config::load(&path).unwrap_err().to_string()
    }

    #[test]
    fn rejects_values_and_says_what_is_wrong() {
        for (from, to, reason) in [
            ("credential_days", "days", "unknown field `days`"),
            ("\"authority.example\"", "\"Authority.example\"", "lower case"),
            ("\"tel:+1415\"", "\"1415\"", "a namespace is a digit prefix"),
            ("[service]", "[issuer]", "unknown field `issuer`"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(reason), "{error}");
        }
    }
}
