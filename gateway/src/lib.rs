//! The gateway: opens encapsulated requests (RFC 9458) and hands them to the resolver.
//!
//! It learns what is asked and never who asks: requests reach it through relays, and nothing here
//! reads a peer's address (the shell does not give it out). What goes back is sealed and has one
//! size, whatever happened.

pub mod config;
mod date;
mod handler;
pub mod init;
mod kem;
pub mod keyfile;
mod keyring;
mod keys;
mod metrics;
mod offline;
mod opener;
mod policy;
pub mod ratchet;
pub mod relays;
mod replay;
pub mod rotation;
mod rules;
mod signer;
mod target;

use discreet_envelope::padding::REQUEST_CONTENT;
use discreet_protocol::statement::MAX_STATEMENT;
use discreet_protocol::time::Timestamp;
use discreet_resolver::rules::Rules;
use discreet_resolver::{OpenError as ResolverError, Resolver};
use discreet_serve::config::{ConfigError, folder};
use discreet_serve::tls::TlsError;
use discreet_serve::{Clock, Environment, Reload, Shell, ShellConfig, StartError, Task, Upstream};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use target::Answering;

pub use config::{Config, DirectoryKey, ResolverConfig};
pub use keyring::{Keyring, RingError};
pub use keys::KeysFault;
pub use offline::{Offline, RemoteResolver};
pub use opener::{Addressed, OpenError, Opened, ResponseSealer};
pub use rules::ValidityError;
pub use signer::{SignError, read_signature};

/// How often the keys' file is looked at, and whether a policy is due.
const KEEP_INTERVAL: Duration = Duration::from_secs(2);
/// How long to wait after the policy could not be signed.
const SIGN_AGAIN: Duration = Duration::from_secs(30);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The OHTTP keys.
    #[error("{0}; `discreet-gateway init` makes the secrets of a new gateway")]
    Keys(#[from] KeysFault),
    /// The directory key.
    #[error("the directory key: {0}")]
    DirectoryKey(#[from] SignError),
    /// The resolver's configuration file.
    #[error(transparent)]
    ResolverConfig(#[from] ConfigError),
    /// Rules, pepper or directory.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The remote resolver lets known gateways in only, and nothing is shown to it.
    #[error(
        "resolver.remote needs identity = {{ certificate = \"…\", key = \"…\" }}: a resolver answers known gateways only"
    )]
    RemoteIdentity,
    /// Certificates or key for the remote resolver.
    #[error("resolver.remote: {0}")]
    Remote(#[from] TlsError),
    /// A limit for each relay, and no relay is known.
    #[error("relay_limit needs listen.mutual_tls with peers: relays are counted by their certificates")]
    NobodyToLimit,
    /// Policies would be valid for longer than their keys.
    #[error(transparent)]
    Validity(#[from] ValidityError),
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
pub struct Gateway {
    shell: Shell,
    keys: Arc<keys::Keys>,
    publisher: Arc<policy::Publisher>,
    clock: Clock,
}

/// What a gateway is made of, before it listens.
struct Parts {
    shared: handler::Shared,
    /// The embedded resolver's.
    upkeep: Vec<Task>,
    reloads: Vec<Reload>,
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
        let Parts { shared, upkeep, reloads, registry } = Parts::open(&config, &environment)?;
        let (keys, publisher) = (Arc::clone(&shared.keys), Arc::clone(&shared.publisher));
        let keeping = keep(Arc::clone(&keys), Arc::clone(&publisher), environment.clone());
        let handler = handler::GatewayHandler::new(shared, relays::Relays::new(config.relay_limit));
        let shell = ShellConfig {
            listen: &config.listen,
            admin: &config.admin,
            limits: &config.limits,
            max_request_bytes: REQUEST_CONTENT,
            log: &environment.log,
            inherited: &environment.inherited,
            registry,
            background: std::iter::once(Task::new(keeping)).chain(upkeep).collect(),
            reloads,
        };
        let shell = Shell::start(shell, handler).await?;
        let gateway = Self { shell, keys, publisher, clock: environment.clock.clone() };
        environment.log.within(|| {
            let (address, admin) =
                (gateway.listening(), gateway.admin_listening().map(tracing::field::display));
            tracing::info!(%address, admin, "listening");
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
        Ok(Shell::check(&config.listen, &config.admin, &config.limits)?)
    }

    /// Takes up the keys' file if it was replaced, and erases drained seeds: what the gateway does by
    /// itself every few seconds.
    ///
    /// # Errors
    ///
    /// When the file cannot be used; the keys stay as they were.
    pub fn refresh_keys(&self) -> Result<(), KeysFault> {
        self.keys.refresh(Timestamp::from_unix(self.clock.now()), self.publisher.rules().validity_days)
    }
}

discreet_serve::role!(Gateway, shell);

impl Parts {
    fn open(config: &Config, environment: &Environment) -> Result<Self, BindError> {
        if config.relay_limit.is_some() && !config.listen.names_peers() {
            return Err(BindError::NobodyToLimit);
        }
        let now = Timestamp::from_unix(environment.clock.now());
        let keys = Arc::new(keys::Keys::open(&config.ohttp_keys, now)?);
        let signer = signer::Signer::new(&config.directory_key)?;
        let metrics = metrics::Metrics::default();
        let mut registry = Registry::with_prefix("discreet_gateway");
        metrics.register(&mut registry);
        let (rules, resolver, upkeep) = answering(&config.resolver, environment, &mut registry)?;
        rules::check_validity(rules.validity_days, keys.epoch_days())?;
        let target = target::Target { domain: rules.domain.clone(), resolver };
        let publisher = Arc::new(policy::Publisher::new(rules, signer, metrics.clone()));
        let reloads = reloads(config, environment, &keys, &target.resolver, &publisher);
        let ring = keys.ring(now);
        publisher.refresh(now, &ring)?;
        let bytes = publisher.current(now, &ring).map_or(0, |policy| policy.len());
        if bytes > MAX_STATEMENT {
            return Err(BindError::PolicyTooLong { bytes });
        }
        let Environment { clock, log, .. } = environment.clone();
        let shared = handler::Shared { keys, target, publisher, metrics, clock, log };
        Ok(Self { shared, upkeep, reloads, registry })
    }
}

/// What SIGHUP has it read anew.
fn reloads(
    config: &Config,
    environment: &Environment,
    keys: &Arc<keys::Keys>,
    answering: &Answering,
    publisher: &Arc<policy::Publisher>,
) -> Vec<Reload> {
    let clock = || environment.clock.clone();
    let mut reloads = vec![reload_keys(Arc::clone(keys), Arc::clone(publisher), clock())];
    if let Answering::Remote(upstream) = answering {
        let upstream = Arc::clone(upstream);
        reloads.push(Reload::new("the resolver's CA or identity", move || upstream.reload()));
    }
    let rules = rules::Reloader::new(&config.resolver, answering, publisher, keys, clock());
    reloads.push(Reload::new("the rules", move || rules.reload()));
    reloads
}

/// As the gateway does by itself every few seconds; but who asks for it hears of it at once.
fn reload_keys(keys: Arc<keys::Keys>, publisher: Arc<policy::Publisher>, clock: Clock) -> Reload {
    let reload = move || keys.refresh(Timestamp::from_unix(clock.now()), publisher.rules().validity_days);
    Reload::new("the OHTTP keys", reload)
}

/// Takes up a replaced keys' file, erases what is drained, and has the policy signed when it is due.
async fn keep(keys: Arc<keys::Keys>, publisher: Arc<policy::Publisher>, environment: Environment) {
    loop {
        tokio::time::sleep(KEEP_INTERVAL).await;
        let (keys, signing) = (Arc::clone(&keys), Arc::clone(&publisher));
        let now = Timestamp::from_unix(environment.clock.now());
        let kept = tokio::task::spawn_blocking(move || {
            (keys.refresh(now, signing.rules().validity_days), signing.refresh(now, &keys.ring(now)))
        });
        let Ok((refreshed, signed)) = kept.await else { continue };
        if let Err(error) = refreshed {
            tracing::error!(%error, "the OHTTP keys stay as they were");
        }
        if let Err(error) = signed {
            let hours_left =
                publisher.void_from().map_or(0, |end| end.unix().saturating_sub(now.unix()) / 3600);
            tracing::error!(%error, hours_left, "the last policy is served until it expires");
            tokio::time::sleep(SIGN_AGAIN).await;
        }
    }
}

fn answering(
    config: &ResolverConfig,
    environment: &Environment,
    registry: &mut Registry,
) -> Result<(Arc<Rules>, Answering, Vec<Task>), BindError> {
    match config {
        ResolverConfig::Embedded(path) => {
            let mut resolver: discreet_resolver::Config = discreet_serve::config::load(path)?;
            resolver.resolve(folder(path));
            let resolver = Resolver::open(&resolver, environment, registry)?;
            let upkeep = resolver.upkeep(registry);
            Ok((resolver.rules(), Answering::Embedded(Arc::new(resolver)), upkeep))
        }
        ResolverConfig::Remote { rules, upstream } => {
            if upstream.identity.is_none() && upstream.url.scheme() != &http::uri::Scheme::HTTP {
                return Err(BindError::RemoteIdentity);
            }
            let rules = Rules::load(rules).map_err(ResolverError::from)?;
            Ok((Arc::new(rules), Answering::Remote(Arc::new(Upstream::new(upstream)?)), Vec::new()))
        }
    }
}
