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
    /// Attests which key belongs to the holder of an identifier. To serve, this or the issuer is needed.
    pub authority: Option<AuthorityConfig>,
    /// Gives the provider's users anonymous tokens to pay lookups with. To serve, this or the authority is needed.
    pub issuer: Option<IssuerConfig>,
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

/// The role `issuer`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its name, as tokens' challenges carry it and discovery providers' rules name it: the host name, in lower
    /// case, under which users reach it.
    pub name: Name,
    /// The folder of its private keys, mode 0700: one file each, PKCS#8 in DER, mode 0600, named by the days of its
    /// use. Nothing else may lie in it. Read again at SIGHUP.
    pub keys: PathBuf,
    /// SQLite file, mode 0600: how much of its quota each account has used, by hour, under a hash of its name.
    /// Lost, everybody has a whole quota again.
    pub database: PathBuf,
    /// Who may ask. Left out only by a program that brings its own ([`crate::issuer::accounts::Accounts`]).
    pub accounts: Option<AccountsConfig>,
    /// How many tokens an account may get.
    #[serde(default)]
    pub quota: QuotaConfig,
    /// For how many days a key signs, 7 to 365. Default 90. All users share it: the longer, the larger the crowd
    /// that a token hides in.
    #[serde(default = "default_key_days")]
    pub key_days: u16,
    /// For how many days after that its tokens are taken, 7 to `key_days`. Default 30.
    #[serde(default = "default_redeem_days")]
    pub redeem_days: u16,
}

/// Who may ask an issuer for tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AccountsConfig {
    /// Who shows a bearer token (RFC 6750). The file has a line for each: its SHA-256 in 64 hex digits, a blank, and
    /// the account's name. `discreet-provider issuer token NAME` prints both. Mode 0640 at most. Read again at SIGHUP.
    Bearers(PathBuf),
    /// Who shows a client certificate of the CA in `listen.mutual_tls.issuer`; an account goes by its subject.
    Certificates,
}

/// How many tokens an account may get: a bucket that refills every hour. In any N days an account gets at most
/// `burst + N × per_day` tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaConfig {
    /// Tokens at once, as for a new address book; 1 to 1000000. Default 2000.
    pub burst: u32,
    /// Tokens per day, a 24th of them each hour; 50 to 1000000. Default 150.
    pub per_day: u32,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self { burst: 2000, per_day: 150 }
    }
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

fn default_key_days() -> u16 {
    90
}

fn default_redeem_days() -> u16 {
    30
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
        if let Some(issuer) = &mut config.issuer {
            resolve(folder, &mut issuer.keys);
            resolve(folder, &mut issuer.database);
            if let Some(AccountsConfig::Bearers(file)) = &mut issuer.accounts {
                resolve(folder, file);
            }
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
        let issuer = config.issuer.unwrap();
        assert_eq!((issuer.name.0.as_str(), issuer.key_days, issuer.redeem_days), ("issuer.example", 90, 30));
        assert!(issuer.keys.is_absolute() && issuer.database.ends_with("issuer.db"));
        assert!(matches!(issuer.accounts, Some(AccountsConfig::Bearers(file)) if file.is_absolute()));
        assert_eq!((issuer.quota.burst, issuer.quota.per_day), (2000, 150));
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
            ("[service]", "[services]", "unknown field `services`"),
            ("accounts.bearers", "accounts.tokens", "unknown variant `tokens`"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(reason), "{error}");
        }
    }
}
