//! The relay's configuration file. This struct is its manual; `relay.sample.toml` is an example.

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use discreet_serve::{
    Admin, Clients, Limits, Listen, LogConfig, UpstreamConfig,
    config::{ConfigError, folder, load, resolve},
};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    BindError,
    mix::{Settings, Strategy},
};

/// The content of every encapsulated request of our clients is exactly this long.
const DEFAULT_MAX_REQUEST_BYTES: usize = 4096;
/// The content of every encapsulated response is exactly this long; a problem is shorter.
const DEFAULT_MAX_RESPONSE_BYTES: usize = 8192;
/// Gateways allow a relay that mixes this much, where a request is dated (RFC 9458 §6.5.2).
const MAX_DELAY: Duration = Duration::from_secs(300);
/// Longer names would only make longer paths.
const MAX_NAME_BYTES: usize = 63;

/// What a relay needs to know. Relative paths are taken from the file's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients connect.
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
    /// How often one address may come, and what stands in front of the relay. Default: as often as it
    /// likes, and nothing.
    #[serde(default)]
    pub clients: Clients,
    /// Who may use the relay. Default: anyone.
    #[serde(default)]
    pub access: Access,
    /// Bytes of an encapsulated request; more is refused with 413. Default 4096, the one size
    /// that Discreet's clients send. Raise it only for other clients.
    #[serde(default = "default_max_request_bytes")]
    pub max_request_bytes: usize,
    /// Bytes of a gateway's answer; more is dropped and answered with 502. Default 8192, the one
    /// size that Discreet's gateways answer with.
    #[serde(default = "default_max_response_bytes")]
    pub max_response_bytes: usize,
    /// The gateways, by the name clients use in the path: `/{name}` takes encapsulated requests and
    /// serves the keys, `/{name}/policy` serves the signed policy. No others are ever contacted.
    #[serde(default)]
    pub gateways: BTreeMap<GatewayName, UpstreamConfig>,
    /// How messages to and from the gateway of the same name are held back and mixed. Default: not at all.
    ///
    /// ```toml
    /// [mix.dp]
    /// strategy = "pool"
    /// size = 16
    /// max_delay_ms = 2000
    /// ```
    #[serde(default)]
    pub mix: BTreeMap<GatewayName, Settings>,
}

/// Why messages cannot be held back as configured.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MixError {
    /// Whose messages?
    #[error("there is no gateway of this name")]
    NoGateway,
    /// Clients would hear 503 before their answers come.
    #[error(
        "a request and its answer may take {needed_ms} ms (twice max_delay_ms, and the gateway's timeout_secs), \
         which limits.request_timeout_secs must exceed"
    )]
    TooSlow {
        /// How long the relay's slowest good answer takes.
        needed_ms: u128,
    },
    /// The gateway would refuse them.
    #[error("max_delay_ms must be {} or less: a gateway takes a request for old then", MAX_DELAY.as_millis())]
    TooOld,
    /// Only the delay would ever let anything leave.
    #[error("size must be less than limits.max_requests, or it is never reached")]
    NeverReached,
}

fn default_max_request_bytes() -> usize {
    DEFAULT_MAX_REQUEST_BYTES
}

fn default_max_response_bytes() -> usize {
    DEFAULT_MAX_RESPONSE_BYTES
}

impl Config {
    /// A configuration with all defaults and no gateway yet.
    pub fn new(listen: Listen) -> Self {
        Self {
            listen,
            admin: Admin::default(),
            log: LogConfig::default(),
            limits: Limits::default(),
            clients: Clients::default(),
            access: Access::default(),
            max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            gateways: BTreeMap::new(),
            mix: BTreeMap::new(),
        }
    }

    /// Looks for mixes that do not go together with the rest.
    pub(crate) fn check_mixes(&self) -> Result<(), BindError> {
        let wrong = |(name, settings): (&GatewayName, &Settings)| {
            let source = self.check_mix(self.gateways.get(name), settings).err()?;
            Some(BindError::Mix { name: name.clone(), source })
        };
        self.mix.iter().find_map(wrong).map_or(Ok(()), Err)
    }

    fn check_mix(&self, gateway: Option<&UpstreamConfig>, settings: &Settings) -> Result<(), MixError> {
        let gateway = gateway.ok_or(MixError::NoGateway)?;
        let exchange = Duration::from_secs(gateway.timeout_secs.get());
        let needed = settings.max_delay().saturating_mul(2).saturating_add(exchange);
        match settings.strategy() {
            _ if settings.max_delay() > MAX_DELAY => Err(MixError::TooOld),
            _ if needed >= Duration::from_secs(self.limits.request_timeout_secs) => {
                Err(MixError::TooSlow { needed_ms: needed.as_millis() })
            }
            Strategy::Pool { size } | Strategy::Batch { size } if size >= self.limits.max_requests => {
                Err(MixError::NeverReached)
            }
            _ => Ok(()),
        }
    }

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
        if let Access::Bearer { file } = &mut config.access {
            resolve(folder, file);
        }
        for gateway in config.gateways.values_mut() {
            gateway.resolve_paths(folder);
        }
        Ok(config)
    }
}

/// Who may use a relay.
///
/// ```toml
/// [access.bearer]
/// file = "tokens"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Access {
    /// Anyone.
    #[default]
    Anyone,
    /// Those who show a token in `Proxy-Authorization: Bearer`, and nobody else: 407. The relay then can
    /// tell its users apart; nobody behind it can.
    Bearer {
        /// A line for each token: its SHA-256 in hex, and behind a space a comment if any.
        /// `discreet-relay token` prints a fresh token and its line. Others than the group may not read
        /// the file, and others than the owner not write it. It is read at the start and on a reload.
        file: PathBuf,
    },
}

/// A gateway's name as it appears in a path: lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct GatewayName(String);

/// The name would not be one plain path segment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a gateway's name is 1 to {MAX_NAME_BYTES} of a-z, 0-9 and hyphen")]
pub struct GatewayNameError;

impl TryFrom<String> for GatewayName {
    type Error = GatewayNameError;

    fn try_from(name: String) -> Result<Self, GatewayNameError> {
        let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !plain {
            Err(GatewayNameError)
        } else {
            Ok(Self(name))
        }
    }
}

impl std::str::FromStr for GatewayName {
    type Err = GatewayNameError;

    fn from_str(name: &str) -> Result<Self, GatewayNameError> {
        name.to_owned().try_into()
    }
}

/// So that a map can be asked with a piece of a path.
impl Borrow<str> for GatewayName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use discreet_serve::Behind;

    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/relay.sample.toml");

    #[test]
    fn the_sample_is_a_configuration() {
        let config = Config::load(Path::new(SAMPLE)).unwrap();
        assert_eq!((config.max_request_bytes, config.max_response_bytes), (4096, 8192));
        assert_eq!(config.access, Access::Anyone);
        let rate = config.clients.rate.unwrap();
        assert_eq!((config.clients.behind, rate.per_minute.get()), (Behind::Nobody, 120));
        let dp = &config.gateways["dp"];
        assert_eq!(dp.url.authority(), "gateway.dp.example");
        assert!(dp.ca.as_ref().is_some_and(|ca| ca.is_absolute() && ca.ends_with("ca.pem")));
        let Listen::Tls { address, certificate, key } = config.listen else { panic!("the sample uses TLS") };
        assert_eq!(address.to_string(), "[::]:8443");
        assert!(certificate.is_absolute() && key.is_absolute(), "taken from the file's folder");
    }

    #[test]
    fn a_tokens_file_is_taken_from_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.toml");
        let text = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[access.bearer]\nfile = \"tokens\"\n";
        std::fs::write(&path, text).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.access, Access::Bearer { file: folder.path().join("tokens") });
    }

    #[test]
    fn a_gateways_name_is_one_plain_segment() {
        for name in ["", "a/b", "..", ".well-known", "DP", "d p", "%64p", "dp?", "ü", &"a".repeat(64)] {
            assert_eq!(name.parse::<GatewayName>(), Err(GatewayNameError), "{name}");
        }
        assert!("dp-2".parse::<GatewayName>().is_ok());
    }

    #[test]
    fn c29_a_gateway_without_tls_is_refused() {
        let text = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[gateways.dp]\nurl = \"http://gateway.example\"\n";
        let error = toml_error(text);
        assert!(
            error.ends_with("line 4: an upstream must be https; http is for loopback addresses only"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_field_is_named() {
        let text = "log_addresses = true\n[listen.plaintext]\naddress = \"127.0.0.1:0\"\n";
        let error = toml_error(text);
        assert!(error.contains("relay.toml line 1: unknown field `log_addresses`"), "{error}");
    }

    #[test]
    fn the_samples_example_of_a_mix_is_one() {
        let text = std::fs::read_to_string(SAMPLE).unwrap();
        let (_, example) = text.split_once("# [mix.dp]\n").unwrap();
        let example: Vec<_> = example.lines().map(|line| line.trim_start_matches("# ")).collect();
        let settings: Settings = toml::from_str(&example.join("\n")).unwrap();
        assert_eq!(settings.strategy(), Strategy::Pool { size: 16 });
        assert_eq!(settings.max_delay(), Duration::from_secs(2));
    }

    /// A relay with one gateway and what a file says of its mix, beside limits.
    fn mixing(text: &str) -> Result<(), String> {
        let gateway =
            "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[gateways.dp]\nurl = \"https://a.example\"\n";
        let config: Config = toml::from_str(&format!("{gateway}{text}")).unwrap();
        config.check_mixes().map_err(|error| error.to_string())
    }

    #[test]
    fn a_mix_that_fits_is_taken_and_none_is_the_default() {
        assert_eq!(mixing(""), Ok(()));
        assert_eq!(mixing("[mix.dp]\nstrategy = \"pool\"\nsize = 16\nmax_delay_ms = 9999"), Ok(()));
    }

    #[test]
    fn refuses_a_mix_that_does_not_fit_the_rest() {
        let pool = |name: &str, size: usize, ms: u64, more: &str| {
            mixing(&format!("[mix.{name}]\nstrategy = \"pool\"\nsize = {size}\nmax_delay_ms = {ms}\n{more}"))
                .unwrap_err()
        };
        assert_eq!(pool("db", 16, 2000, ""), "mix.db: there is no gateway of this name");
        assert_eq!(
            pool("dp", 16, 10_000, ""),
            "mix.dp: a request and its answer may take 30000 ms (twice max_delay_ms, and the gateway's \
             timeout_secs), which limits.request_timeout_secs must exceed"
        );
        assert_eq!(
            pool("dp", 16, 300_001, "[limits]\nrequest_timeout_secs = 100000"),
            "mix.dp: max_delay_ms must be 300000 or less: a gateway takes a request for old then"
        );
        assert_eq!(
            pool("dp", 64, 2000, "[limits]\nmax_requests = 64"),
            "mix.dp: size must be less than limits.max_requests, or it is never reached"
        );
        assert_eq!(
            toml_error(
                "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[mix.dp]\nstrategy = \"pool\"\nsize = 0\nmax_delay_ms = 1\n"
            )
            .split_once("line 3: ")
            .unwrap()
            .1,
            "size must be 1 to 4096"
        );
    }

    fn toml_error(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).unwrap_err().to_string()
    }
}
