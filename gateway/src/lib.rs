//! The gateway: opens encapsulated requests (RFC 9458) and hands them to the resolver.
//!
//! It learns what is asked and never who asks: requests reach it through relays, and nothing here
//! reads a peer's address (the shell does not give it out). What goes back is sealed and has one
//! size, whatever happened.

pub mod config;
mod handler;
pub mod init;
mod kem;
mod keyring;
mod metrics;
mod opener;
mod policy;
mod target;

use discreet_envelope::keys::KeysError;
use discreet_envelope::padding::REQUEST_CONTENT;
use discreet_protocol::SigningKey;
use discreet_protocol::statement::MAX_STATEMENT;
use discreet_protocol::time::Timestamp;
use discreet_resolver::{OpenError as ResolverError, Resolver};
use discreet_serve::config::{ConfigError, folder};
use discreet_serve::secret::{SecretError, read_secret};
use discreet_serve::{Environment, JoinError, Shell, ShellConfig, StartError};
use prometheus_client::registry::Registry;
use std::future::Future;
use std::net::SocketAddr;

pub use config::{Config, ResolverConfig};
pub use keyring::Keyring;
pub use opener::{OpenError, Opened, ResponseSealer};

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A secret file is missing, open to others, or malformed.
    #[error("{0}; `discreet-gateway init` makes the secrets of a new gateway")]
    Secret(#[from] SecretError),
    /// The keys cannot be published.
    #[error("the OHTTP keys cannot be published: {0}")]
    Keys(#[from] KeysError),
    /// The resolver's configuration file.
    #[error(transparent)]
    ResolverConfig(#[from] ConfigError),
    /// Rules, pepper or directory.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The signed policy is longer than any client reads.
    #[error(
        "the policy of these rules has {bytes} bytes, clients read {MAX_STATEMENT}: name fewer authorities or namespaces"
    )]
    PolicyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The listener or the limits.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running gateway. Dropping it stops it at once.
#[derive(Debug)]
pub struct Gateway(Shell);

/// What a gateway is made of, before it listens.
struct Parts {
    keyring: Keyring,
    resolver: Resolver,
    publisher: policy::Publisher,
    registry: Registry,
}

impl Gateway {
    /// Starts a gateway that logs to standard error and returns once it listens.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be put to work; nothing is left running.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let environment = Environment::of_process(&config.log);
        Self::bind_in(config, environment).await
    }

    /// As [`Gateway::bind`], with a log and a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Gateway::bind`].
    pub async fn bind_in(config: Config, environment: Environment) -> Result<Self, BindError> {
        let Parts { keyring, resolver, publisher, mut registry } = Parts::open(&config, &environment)?;
        let metrics = metrics::Metrics::default();
        metrics.register(&mut registry);
        let target = target::Target { resolver };
        let clock = environment.clock;
        let handler = handler::GatewayHandler::new(keyring, target, publisher, metrics, clock);
        let shell = ShellConfig {
            listen: &config.listen,
            admin: &config.admin,
            limits: &config.limits,
            max_request_bytes: REQUEST_CONTENT,
            log: &environment.log,
            registry,
            background: Vec::new(),
        };
        let gateway = Self(Shell::start(shell, handler).await?);
        environment.log.within(|| {
            let (address, admin) = (gateway.addr(), gateway.admin_addr());
            tracing::info!(%address, ?admin, "listening");
        });
        Ok(gateway)
    }

    /// Looks at everything in `config` that can be wrong short of opening ports.
    ///
    /// # Errors
    ///
    /// As [`Gateway::bind`] would.
    pub fn check(config: &Config) -> Result<(), BindError> {
        Parts::open(config, &Environment::of_process(&config.log))?;
        config.limits.check().map_err(StartError::from)?;
        Ok(config.listen.check().map_err(StartError::from)?)
    }

    /// Where the gateway listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Where health and metrics are answered, if anywhere.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.0.admin_addr()
    }

    /// Begins to drain. Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// Returns once drained, after a [`Gateway::shutdown`].
    ///
    /// # Errors
    ///
    /// When a task of the server panicked.
    pub async fn join(self) -> Result<(), JoinError> {
        self.0.join().await
    }

    /// Serves until `stop` resolves, then drains.
    ///
    /// # Errors
    ///
    /// As [`Gateway::join`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), JoinError> {
        self.0.run_until(stop).await
    }
}

impl Parts {
    fn open(config: &Config, environment: &Environment) -> Result<Self, BindError> {
        let ResolverConfig::Embedded(path) = &config.resolver;
        let mut resolver: discreet_resolver::Config = discreet_serve::config::load(path)?;
        resolver.resolve(folder(path));
        let keyring = Keyring::derive(&read_secret(&config.ohttp_seed)?)?;
        let directory_key = SigningKey::from_bytes(read_secret(&config.directory_key)?.as_bytes());
        let mut registry = Registry::with_prefix("discreet_gateway");
        let resolver = Resolver::open(&resolver, environment, &mut registry)?;
        let keys = keyring.collection().to_vec();
        let publisher = policy::Publisher::new(resolver.rules().clone(), keys, directory_key);
        let bytes = publisher.current(Timestamp::from_unix(environment.clock.now())).len();
        if bytes > MAX_STATEMENT {
            return Err(BindError::PolicyTooLong { bytes });
        }
        Ok(Self { keyring, resolver, publisher, registry })
    }
}
