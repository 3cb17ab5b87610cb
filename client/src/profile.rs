//! What an app ships: whom to ask, under which key, through which relays.

use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::is_operator;
use http::Uri;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

/// How many relays, of different operators, a policy is fetched through.
pub(crate) const RELAYS_NEEDED: usize = 2;

/// A profile as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// The discovery domain.
    pub domain: String,
    /// The discovery provider's directory key: an Ed25519 public key, 64 hex digits.
    pub directory_key: String,
    /// The relays, at least two of different operators.
    pub relays: Vec<RelayFile>,
    /// A PEM file of the only certificates trusted for the relays and the issuer; default: the web's roots.
    pub ca: Option<PathBuf>,
    /// Where tokens are got from, if the provider asks for some: usually the user's own provider.
    pub issuer: Option<IssuerFile>,
}

/// An issuer as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerFile {
    /// Its name, as the policy has it: a domain.
    pub name: String,
    /// `https://host` without a path; `http` only for loopback addresses. Default: `https://` and the name.
    pub url: Option<String>,
    /// A file of mode 0600 with one line, the token that the issuer knows this user by. Relative paths are
    /// taken from the profile's folder.
    pub bearer: Option<PathBuf>,
    /// The certificate that the issuer knows this user by.
    pub identity: Option<RelayIdentity>,
}

/// A relay as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayFile {
    /// The relay resource: `https://relay.example/name`. `http` only for loopback addresses.
    pub url: String,
    /// Who runs it.
    pub operator: String,
    /// A file of mode 0600 with one line, the token that this relay wants to see. Relative paths are
    /// taken from the profile's folder.
    pub bearer: Option<PathBuf>,
    /// The certificate that this relay wants to see in the TLS handshake.
    pub identity: Option<RelayIdentity>,
}

/// A certificate and its key. Relative paths are taken from the profile's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayIdentity {
    /// PEM file with the certificate chain, one's own first.
    pub certificate: PathBuf,
    /// PEM file of mode 0600 with the private key.
    pub key: PathBuf,
}

/// A profile, checked.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) domain: Domain,
    pub(crate) directory_key: VerifyingKey,
    pub(crate) relays: Vec<Relay>,
    pub(crate) issuer: Option<Issuer>,
}

/// An issuer, checked.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) name: Domain,
    /// Scheme and authority.
    pub(crate) url: String,
}

/// A relay, checked.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// Scheme, authority and path of the relay resource.
    pub(crate) url: Uri,
    pub(crate) operator: String,
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is not the expected TOML.
    #[error("line {line}: {message}")]
    Content {
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// The discovery domain is no domain.
    #[error("domain must be a lower-case name like dp.example")]
    Domain,
    /// The directory key is no Ed25519 public key.
    #[error("directory_key must be an Ed25519 public key of 64 hex digits")]
    DirectoryKey,
    /// A relay's URL is not one.
    #[error("a relay's url must be https://host/name (http for loopback addresses only), without query")]
    RelayUrl,
    /// The issuer's name is no domain.
    #[error("the issuer's name must be a lower-case name like issuer.example, as the policy has it")]
    IssuerName,
    /// The issuer's URL is not one.
    #[error(
        "the issuer's url must be https://host (http for loopback addresses only), without path and query"
    )]
    IssuerUrl,
    /// A relay's operator cannot be named.
    #[error("a relay's operator must be 1 to 128 bytes without control characters")]
    Operator,
    /// Not two relays of different operators.
    #[error("two relays of different operators are needed, so that one alone cannot lie about keys")]
    TooFewRelays,
    /// Relays of one host and port under the names of different operators.
    #[error(
        "two relays at {host} name different operators, but a server has one: name a second server's relay"
    )]
    OneServer {
        /// Host and port.
        host: String,
    },
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], naming the line or the field.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Self::check(&Self::parse(text)?)
    }

    /// Reads a profile without checking its values.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Content`].
    pub fn parse(text: &str) -> Result<ProfileFile, ProfileError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            ProfileError::Content { line, message }
        })
    }

    /// Checks a profile's values.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], naming the field.
    pub fn check(file: &ProfileFile) -> Result<Self, ProfileError> {
        let relays = file.relays.iter().map(relay).collect::<Result<Vec<_>, _>>()?;
        let first = relays.first().ok_or(ProfileError::TooFewRelays)?;
        if relays.iter().all(|relay| relay.is_run_with(first)) {
            return Err(ProfileError::TooFewRelays);
        }
        let renamed = |one: &Relay, other: &Relay| one.server() == other.server() && !one.is_run_with(other);
        if let Some(relay) = relays.iter().find(|one| relays.iter().any(|other| renamed(one, other))) {
            return Err(ProfileError::OneServer { host: relay.host() });
        }
        let mut key = [0; 32];
        hex::decode_to_slice(&file.directory_key, &mut key).map_err(|_| ProfileError::DirectoryKey)?;
        let directory_key = VerifyingKey::from_bytes(&key).map_err(|_| ProfileError::DirectoryKey)?;
        if directory_key.is_weak() {
            return Err(ProfileError::DirectoryKey);
        }
        let domain = Domain::new(&file.domain).map_err(|_| ProfileError::Domain)?;
        let issuer = file.issuer.as_ref().map(issuer).transpose()?;
        Ok(Self { domain, directory_key, relays, issuer })
    }
}

impl Profile {
    /// The discovery domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The key that the provider's policy is signed with.
    pub fn directory_key(&self) -> &VerifyingKey {
        &self.directory_key
    }
}

/// Operators are compared as people read them: without regard to case and spaces.
pub(crate) fn same_operator(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(one) == plain(other)
}

/// A URL that credentials may be sent to: encrypted, or on this machine; nobody named in it, no query.
fn safe_url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let host = url.host()?;
    let encrypted = url.scheme_str() == Some("https");
    let loopback = host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let plain_on_loopback = url.scheme_str() == Some("http") && loopback;
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let safe = (encrypted || plain_on_loopback) && url.query().is_none() && !has_user;
    safe.then_some(url)
}

fn issuer(file: &IssuerFile) -> Result<Issuer, ProfileError> {
    let name = Domain::new(&file.name).map_err(|_| ProfileError::IssuerName)?;
    let url = file.url.clone().unwrap_or_else(|| format!("https://{name}"));
    let url = safe_url(&url)
        .filter(|url| url.path() == "/" && !file.url.as_ref().is_some_and(|url| url.contains('#')));
    let url = url.ok_or(ProfileError::IssuerUrl)?;
    Ok(Issuer { name, url: url.to_string().trim_end_matches('/').to_owned() })
}

fn relay(file: &RelayFile) -> Result<Relay, ProfileError> {
    let url = safe_url(&file.url).ok_or(ProfileError::RelayUrl)?;
    if url.path().len() <= 1 || url.path().ends_with('/') {
        return Err(ProfileError::RelayUrl);
    }
    if !is_operator(&file.operator) {
        return Err(ProfileError::Operator);
    }
    Ok(Relay { url, operator: file.operator.clone() })
}

impl Relay {
    /// Whether the same people run `other`, by what the profile says.
    pub(crate) fn is_run_with(&self, other: &Self) -> bool {
        same_operator(&self.operator, &other.operator)
    }

    /// Host and port, as connections are made to them.
    fn server(&self) -> (String, u16) {
        let host = self.url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        // The one spelling of an address that has many.
        let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_) => host,
        };
        let usual = if self.url.scheme_str() == Some("http") { 80 } else { 443 };
        (host, self.url.port_u16().unwrap_or(usual))
    }

    /// The relay's name in messages.
    pub(crate) fn host(&self) -> String {
        self.url.authority().map_or_else(String::new, ToString::to_string)
    }

    /// Where this relay serves its copy of the signed policy.
    pub(crate) fn policy_url(&self) -> String {
        format!("{}/policy", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "domain = \"dp.example\"\n\
        directory_key = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"\n\
        [[relays]]\nurl = \"https://a.example/dp\"\noperator = \"A Ltd\"\n\
        [[relays]]\nurl = \"https://b.example/dp\"\noperator = \"B Ltd\"\n";

    #[test]
    fn the_sample_is_a_profile() {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profile.sample.toml");
        let profile = Profile::from_toml(&std::fs::read_to_string(sample).unwrap()).unwrap();
        assert!(profile.relays.len() >= 2);
    }

    /// The issuer in the sample is a comment, for most providers ask for no tokens yet.
    #[test]
    fn the_samples_issuer_is_one() {
        let sample = include_str!("../profile.sample.toml");
        let (head, issuer) = sample.split_once("# [issuer]\n").unwrap();
        let issuer: Vec<_> = issuer.lines().map(|line| line.trim_start_matches("# ")).collect();
        let profile = Profile::from_toml(&format!("{head}[issuer]\n{}", issuer.join("\n"))).unwrap();
        assert_eq!(profile.issuer.unwrap().url, "https://issuer.example");
    }

    fn bend(from: &str, to: &str) -> ProfileError {
        assert!(GOOD.contains(from));
        Profile::from_toml(&GOOD.replace(from, to)).unwrap_err()
    }

    #[test]
    fn a_good_profile_is_accepted() {
        let profile = Profile::from_toml(GOOD).unwrap();
        assert_eq!(profile.relays[1].policy_url(), "https://b.example/dp/policy");
    }

    fn with_issuer(lines: &str) -> Result<Profile, ProfileError> {
        Profile::from_toml(&format!("{GOOD}[issuer]\n{lines}\n"))
    }

    #[test]
    fn an_issuer_is_reached_by_its_name_unless_told_otherwise() {
        assert!(Profile::from_toml(GOOD).unwrap().issuer.is_none());
        let url = |lines: &str| with_issuer(lines).unwrap().issuer.unwrap().url;
        assert_eq!(url("name = \"issuer.example\""), "https://issuer.example");
        for (stated, expected) in [
            ("https://tokens.example:8443", "https://tokens.example:8443"),
            ("https://tokens.example/", "https://tokens.example"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ] {
            assert_eq!(url(&format!("name = \"issuer.example\"\nurl = \"{stated}\"")), expected);
        }
        let credentials = "bearer = \"token\"\nidentity = { certificate = \"me.pem\", key = \"me.key\" }";
        assert!(with_issuer(&format!("name = \"issuer.example\"\n{credentials}")).is_ok());
    }

    #[test]
    fn rejects_an_issuer_that_cannot_be_one() {
        assert_eq!(with_issuer("name = \"Issuer\"").unwrap_err(), ProfileError::IssuerName);
        assert!(matches!(with_issuer("url = \"https://a.example\""), Err(ProfileError::Content { .. })));
        for url in [
            "http://issuer.example",
            "https://issuer.example/v1",
            "https://issuer.example?x",
            "https://u@issuer.example",
            "issuer.example",
            "",
        ] {
            let refused = with_issuer(&format!("name = \"issuer.example\"\nurl = \"{url}\""));
            assert_eq!(refused.unwrap_err(), ProfileError::IssuerUrl, "{url}");
        }
    }

    #[test]
    fn rejects_unknown_field_with_its_line() {
        let error = bend("operator = \"B Ltd\"", "operater = \"B Ltd\"");
        assert!(matches!(error, ProfileError::Content { line: 8, .. }), "{error}");
    }

    #[test]
    fn c29_rejects_relay_without_tls() {
        assert_eq!(bend("https://a.example/dp", "http://a.example/dp"), ProfileError::RelayUrl);
        assert_eq!(bend("https://a.example/dp", "http://localhost/dp"), ProfileError::RelayUrl);
        assert!(Profile::from_toml(&GOOD.replace("https://a.example/dp", "http://127.0.0.1:1/dp")).is_ok());
        assert!(Profile::from_toml(&GOOD.replace("https://a.example/dp", "http://[::1]:1/dp")).is_ok());
    }

    #[test]
    fn rejects_relay_url_without_name_or_with_more() {
        for url in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/dp?x",
            "https://u@a.example/dp",
            "ftp://a/dp",
            "x",
        ] {
            assert_eq!(bend("https://a.example/dp", url), ProfileError::RelayUrl, "{url}");
        }
    }

    #[test]
    fn rejects_relays_of_one_operator() {
        assert_eq!(bend("B Ltd", " a  LTD "), ProfileError::TooFewRelays);
    }

    /// Else one relay would bring both copies of the policy.
    #[test]
    fn rejects_one_server_under_two_operators() {
        let error = ProfileError::OneServer { host: "a.example".to_owned() };
        assert_eq!(bend("https://b.example/dp", "https://a.example/dp"), error);
        assert_eq!(bend("https://b.example/dp", "https://a.example/other"), error);
        for spelling in ["A.example", "a.example:443", "a.example."] {
            let found = bend("https://b.example/dp", &format!("https://{spelling}/dp"));
            assert!(matches!(found, ProfileError::OneServer { .. }), "{spelling}");
        }
        let addresses = GOOD.replace("a.example", "[::1]").replace("b.example", "[0:0::1]");
        let found = Profile::from_toml(&addresses).unwrap_err();
        assert_eq!(found, ProfileError::OneServer { host: "[::1]".to_owned() });
        assert!(
            Profile::from_toml(&GOOD.replace("https://b.example/dp", "https://a.example:444/dp")).is_ok()
        );
        let both_of_one = "[[relays]]\nurl = \"https://a.example/other\"\noperator = \"a ltd\"\n";
        assert!(Profile::from_toml(&format!("{GOOD}{both_of_one}")).is_ok());
    }

    #[test]
    fn rejects_key_that_is_none() {
        assert_eq!(bend("d75a98", "d75a9"), ProfileError::DirectoryKey);
        let small_order = "0100000000000000000000000000000000000000000000000000000000000000";
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(bend(key, small_order), ProfileError::DirectoryKey);
    }

    #[test]
    fn rejects_operator_that_drives_a_terminal() {
        assert_eq!(bend("A Ltd", "A\\u001b[2J"), ProfileError::Operator);
    }
}
