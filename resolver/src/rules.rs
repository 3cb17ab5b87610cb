//! The data owner's rules, one TOML file: which discovery domain this is, whose attestations
//! count. The gateway publishes them in the signed policy, the resolver verifies by them.

use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{self, Authorities, Authority, Issuers, Prices, Service, Services};
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verifier;
use discreet_serve::UpstreamConfig;
use discreet_serve::config::folder;
use serde::Deserialize;
use std::path::{Path, PathBuf};

mod issuers;

pub use issuers::{IssuerFile, PricesFile, TokenKeyFile};

/// The longest a signed policy may stay valid: a client that is cut off must notice.
const MAX_VALIDITY_DAYS: u32 = 30;

/// The rules, as the file states them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesFile {
    /// The discovery domain: the name clients ask under, in lower case.
    pub domain: String,
    /// Who operates gateway and resolver. Clients refuse relays of the same operator.
    pub operator: String,
    /// Counts up with every change of this file; clients never go back to a lower one.
    pub edition: u32,
    /// For how many days each signed policy is valid, 1 to 30, and no more than an epoch of the gateway's OHTTP
    /// keys lasts.
    #[serde(default = "default_validity")]
    pub validity_days: u32,
    /// Whose credentials count.
    #[serde(default)]
    pub authorities: Vec<AuthorityFile>,
    /// Messaging services whose endorsements clients can check. Without one, a reach is the holder's
    /// word alone.
    #[serde(default)]
    pub services: Vec<ServiceFile>,
    /// Whose lookup tokens are taken (Privacy Pass, RFC 9578), and how many.
    #[serde(default)]
    pub issuers: Vec<IssuerFile>,
    /// How many tokens an operation costs. Without it everything is free.
    #[serde(default)]
    pub prices: PricesFile,
}

/// A messaging service, as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// Its name, as MIMI URIs carry it.
    pub name: String,
    /// The Ed25519 public key of its endorsements: 64 hex digits.
    pub key: String,
}

/// An accepted authority, as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityFile {
    /// Its name, as its credentials carry it.
    pub name: String,
    /// Its Ed25519 public key: 64 hex digits.
    pub key: String,
    /// What it may speak for: digit prefixes (`tel:+1415`; `tel:+` is every number), mail domains
    /// (`mailto:a.example`), `handle:`. The longest prefix decides; equals stand side by side.
    pub namespaces: Vec<String>,
    /// Where its statuses and revocations are pulled from. Without it they come with publishing and
    /// import only, and mappings under it go stale after 72 hours.
    pub feed: Option<UpstreamConfig>,
}

fn default_validity() -> u32 {
    7
}

/// The rules, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The discovery domain.
    pub domain: Domain,
    /// Who operates gateway and resolver.
    pub operator: String,
    /// Counts up with every change.
    pub edition: u32,
    /// For how many days each signed policy is valid.
    pub validity_days: u32,
    /// Whose credentials count.
    pub authorities: Authorities,
    /// Whose endorsements clients can check.
    pub services: Services,
    /// Where authorities publish their statuses and revocations.
    pub feeds: Vec<Feed>,
    /// Whose tokens are taken.
    pub issuers: Issuers,
    /// What an operation costs.
    pub prices: Prices,
}

/// Where an authority publishes its statuses and revocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The authority, by the policy's name for it.
    pub authority: Domain,
    /// Its key.
    pub key: VerifyingKey,
    /// Where.
    pub upstream: UpstreamConfig,
}

/// Why a rules file was refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read, or is not the expected TOML.
    #[error(transparent)]
    File(#[from] discreet_serve::config::ConfigError),
    /// A field has a value it cannot have.
    #[error("{}: {field} {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something was changed, and the edition was not counted up.
    #[error("{}: the rules have changed and edition is {found}, as before or lower; make it {} or more: clients never go back", path.display(), u64::from(*in_force) + 1)]
    Edition {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// The edition that is in force.
        in_force: u32,
    },
    /// The file is for another discovery domain than the one that is served.
    #[error("{}: domain is another one than before; that is another directory, restart with its configuration", path.display())]
    Domain {
        /// The file.
        path: PathBuf,
    },
}

impl Rules {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or a field has a value it cannot have; the message names both.
    pub fn load(path: &Path) -> Result<Self, RulesError> {
        let mut file: RulesFile = discreet_serve::config::load(path)?;
        for feed in file.authorities.iter_mut().filter_map(|authority| authority.feed.as_mut()) {
            feed.resolve_paths(folder(path));
        }
        Self::check(file).map_err(|(field, problem)| RulesError::Field {
            path: path.to_owned(),
            field,
            problem,
        })
    }

    /// Reads the file at `path` anew, to be in force after these. `None`: it says what it said.
    ///
    /// # Errors
    ///
    /// As [`Rules::load`], and when the edition is not higher or the discovery domain another one.
    pub fn next(&self, path: &Path) -> Result<Option<Self>, RulesError> {
        let next = Self::load(path)?;
        if next == *self {
            return Ok(None);
        }
        let path = path.to_owned();
        if next.domain != self.domain {
            return Err(RulesError::Domain { path });
        }
        if next.edition <= self.edition {
            return Err(RulesError::Edition { path, found: next.edition, in_force: self.edition });
        }
        Ok(Some(next))
    }

    /// What mappings are checked with before they are taken in.
    pub fn verifier(&self, now: Timestamp) -> Verifier<'_> {
        let Self { domain, authorities, services, .. } = self;
        Verifier { domain, authorities, services, now }
    }

    fn check(file: RulesFile) -> Result<Self, (&'static str, &'static str)> {
        let authorities = file.authorities.iter().map(authority).collect::<Result<Vec<_>, _>>()?;
        let services = file.services.iter().map(service).collect::<Result<_, _>>()?;
        let feeds = authorities.iter().zip(&file.authorities).filter_map(|(authority, file)| {
            let upstream = file.feed.clone()?;
            Some(Feed { authority: authority.name.clone(), key: authority.key, upstream })
        });
        let feeds = feeds.collect();
        let issuers = issuers::issuers(&file.issuers)?;
        if !policy::is_operator(&file.operator) {
            return Err(("operator", "must be 1 to 128 bytes without control characters"));
        }
        if !(1..=MAX_VALIDITY_DAYS).contains(&file.validity_days) {
            return Err(("validity_days", "must be 1 to 30"));
        }
        if file.authorities.len() > policy::MAX_AUTHORITIES {
            return Err(("authorities", "are too many; a policy names at most 64"));
        }
        if file.services.len() > policy::MAX_SERVICES {
            return Err(("services", "are too many; a policy names at most 64"));
        }
        Ok(Self {
            domain: Domain::new(&file.domain)
                .map_err(|_| ("domain", "must be a lower-case name like dp.example"))?,
            operator: file.operator,
            edition: file.edition,
            validity_days: file.validity_days,
            authorities: Authorities::new(authorities).ok_or(("authorities.name", "stands twice"))?,
            services: Services::new(services).ok_or(("services.name", "stands twice"))?,
            feeds,
            prices: issuers::prices(file.prices, &issuers)?,
            issuers,
        })
    }
}

fn authority(file: &AuthorityFile) -> Result<Authority, (&'static str, &'static str)> {
    let key = key(&file.key);
    let key = key.ok_or(("authorities.key", "must be an Ed25519 public key of 64 hex digits"))?;
    if file.namespaces.len() > policy::MAX_NAMESPACES {
        return Err(("authorities.namespaces", "are too many; an authority has at most 64"));
    }
    let namespaces = file.namespaces.iter().map(|text| text.parse());
    Ok(Authority {
        name: Domain::new(&file.name)
            .map_err(|_| ("authorities.name", "must be a lower-case name like authority.example"))?,
        key,
        namespaces: namespaces
            .collect::<Result<_, _>>()
            .map_err(|_| ("authorities.namespaces", "must each be tel:+digits, mailto:domain or handle:"))?,
    })
}

fn service(file: &ServiceFile) -> Result<Service, (&'static str, &'static str)> {
    let key = key(&file.key);
    Ok(Service {
        name: Domain::new(&file.name)
            .map_err(|_| ("services.name", "must be a lower-case name like b.example"))?,
        key: key.ok_or(("services.key", "must be an Ed25519 public key of 64 hex digits"))?,
    })
}

fn key(text: &str) -> Option<VerifyingKey> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).ok()?;
    VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak())
}

#[cfg(test)]
mod tests {
    use super::*;
    use discreet_protocol::identifier::Csi;

    fn sample(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    #[test]
    fn the_samples_are_rules_and_configuration() {
        let rules = Rules::load(&sample("rules.sample.toml")).unwrap();
        assert_eq!(rules.domain.as_str(), "dp.example");
        assert_eq!(rules.authorities.iter().count(), 2);
        let mut config: crate::Config =
            discreet_serve::config::load(&sample("resolver.sample.toml")).unwrap();
        config.resolve(Path::new("/etc/discreet"));
        assert!(config.rules.starts_with("/etc/discreet") && config.pepper.starts_with("/etc/discreet"));
    }

    fn refused(from: &str, to: &str) -> String {
        let text = std::fs::read_to_string(sample("rules.sample.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Rules::load(&path).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn rejects_values_and_names_their_field() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        for (from, to, field) in [
            ("\"dp.example\"", "\"DP.example\"", "domain"),
            (key, "d75a", "authorities.key"),
            (key, &format!("01{}", "0".repeat(62)), "authorities.key"),
            ("\"tel:+", "\"tel:", "authorities.namespaces"),
        ] {
            let error = refused(from, to);
            assert!(error.starts_with(&format!("rules.toml: {field} ")), "{error}");
        }
    }

    #[test]
    fn the_sample_lets_speak_whom_it_says() {
        let rules = Rules::load(&sample("rules.sample.toml")).unwrap();
        let speaking = |uri: &str| -> Vec<&str> {
            let csi = Csi::from_uri(uri).unwrap();
            let all = rules.authorities.iter();
            let speaking = all.filter(|one| rules.authorities.speaking(&one.name, &csi).is_ok());
            speaking.map(|one| one.name.as_str()).collect()
        };
        assert_eq!(speaking("tel:+14155550123"), ["one.authority.example", "two.authority.example"]);
        assert_eq!(speaking("tel:+12125551212"), ["one.authority.example"]);
        assert_eq!(speaking("tel:+4930901820"), ["two.authority.example"]);
        assert_eq!(speaking("mailto:ann@a.example"), ["one.authority.example"]);
        assert!(speaking("handle:nobody").is_empty());
    }

    /// What becomes of the sample's rules when `from` in its file becomes `to`.
    fn next(from: &str, to: &str) -> Result<Option<Rules>, RulesError> {
        let text = std::fs::read_to_string(sample("rules.sample.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        Rules::load(&sample("rules.sample.toml")).unwrap().next(&path)
    }

    #[test]
    fn a_file_that_says_what_it_said_is_nothing_new() {
        assert!(matches!(next("Replace it.", "Replaced."), Ok(None)));
        assert!(matches!(next("edition = 1 ", "edition = 2 "), Ok(Some(rules)) if rules.edition == 2));
    }

    #[test]
    fn rejects_a_change_without_a_higher_edition() {
        let error = next("validity_days = 7", "validity_days = 8").unwrap_err();
        assert!(error.to_string().ends_with(
            "rules.toml: the rules have changed and edition is 1, as before or lower; make it 2 or more: \
             clients never go back"
        ));
        assert!(matches!(next("edition = 1 ", "edition = 0 "), Err(RulesError::Edition { found: 0, .. })));
    }

    #[test]
    fn rejects_another_domain() {
        let both = next("domain = \"dp.example\"", "domain = \"dp2.example\"");
        assert!(matches!(both, Err(RulesError::Domain { .. })));
    }
}
