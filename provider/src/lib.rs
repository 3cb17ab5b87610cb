//! The provider service: what a messaging provider runs for its own users.
//!
//! Its roles are enabled each by itself in one configuration: `authority` attests which key belongs to
//! the holder of an identifier; `service` says of accounts that they exist and agreed to be listed. It
//! knows its own users, and never hears who is looked up: resolvers pull everything it signed.
//!
//! | module | what it is |
//! |---|---|
//! | [`authority`] | the role `authority`, without the network |
//! | [`service`] | the role `service` |
//! | `handler` | the HTTP interface |
//! | [`request`] | what it is asked, read |
//! | [`init`] | secrets and database of a new provider |

pub mod authority;
pub mod config;
mod handler;
pub mod init;
mod metrics;
mod operator;
pub mod request;
pub mod service;
mod upkeep;

use authority::Authority;
use authority::prove::{Operator, Prove};
use discreet_serve::secret::SecretError;
use discreet_serve::{Clock, Environment, Reload, Shell, ShellConfig, StartError, Task};
use prometheus_client::registry::Registry;
use std::sync::Arc;

pub use config::{AuthorityConfig, Config, ServiceConfig};

/// The largest request: one for a credential, which is a statement.
const MAX_REQUEST_BYTES: usize = discreet_protocol::statement::MAX_STATEMENT;

/// Why a provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// No role that serves is enabled.
    #[error("the configuration enables no role that serves: add [authority]")]
    NoRole,
    /// The authority's key or database.
    #[error(transparent)]
    Authority(#[from] authority::OpenError),
    /// The operator's token.
    #[error("{0}; `discreet-provider init` makes the secrets of a new provider")]
    Token(SecretError),
    /// The service's key.
    #[error(transparent)]
    Service(#[from] service::OpenError),
    /// The listener or the limits.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running provider. Dropping it stops it at once.
#[derive(Debug)]
pub struct Provider(Shell);

impl Provider {
    /// Starts a provider that logs to standard error and returns once it listens.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be put to work; nothing is left running.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let environment = Environment::of_process(&config.log);
        Self::bind_in(config, environment).await
    }

    /// As [`Provider::bind`], with a log and a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Provider::bind`].
    pub async fn bind_in(config: Config, environment: Environment) -> Result<Self, BindError> {
        Self::bind_with(config, environment, Arc::new(Operator)).await
    }

    /// As [`Provider::bind_in`], with another way to prove identifiers.
    ///
    /// # Errors
    ///
    /// As [`Provider::bind`].
    pub async fn bind_with(
        config: Config,
        environment: Environment,
        prover: Arc<dyn Prove>,
    ) -> Result<Self, BindError> {
        let (authority, token) = open(&config, environment.clock.clone(), prover)?;
        let (authority, token) = (Arc::new(authority), Arc::new(token));
        let operators = Arc::clone(&token);
        let metrics = metrics::Metrics::default();
        let mut registry = Registry::with_prefix("discreet_provider");
        metrics.register(&mut registry);
        let upkeep = upkeep::keep_up(Arc::clone(&authority), metrics.clone());
        let shell = ShellConfig {
            listen: &config.listen,
            admin: &config.admin,
            limits: &config.limits,
            max_request_bytes: MAX_REQUEST_BYTES,
            log: &environment.log,
            inherited: &environment.inherited,
            registry,
            background: vec![Task::new(upkeep)],
            reloads: vec![Reload::new("the operator's token", move || operators.reload())],
        };
        let handler = handler::ProviderHandler::new(authority, token, metrics);
        let provider = Self(Shell::start_for_clients(shell, &config.clients, handler).await?);
        environment.log.within(|| {
            let (address, admin) =
                (provider.listening(), provider.admin_listening().map(tracing::field::display));
            tracing::info!(%address, admin, "listening");
        });
        Ok(provider)
    }

    /// Looks at everything in `config` that can be wrong short of opening ports.
    ///
    /// # Errors
    ///
    /// As [`Provider::bind`] would.
    pub fn check(config: &Config) -> Result<(), BindError> {
        open(config, Clock::system(), Arc::new(Operator))?;
        config.service.as_ref().map(service::Service::open).transpose()?;
        Ok(Shell::check(&config.listen, &config.admin, &config.limits)?)
    }
}

discreet_serve::role!(Provider, 0);

fn open(
    config: &Config,
    clock: Clock,
    prover: Arc<dyn Prove>,
) -> Result<(Authority, operator::Token), BindError> {
    let role = config.authority.as_ref().ok_or(BindError::NoRole)?;
    let authority = Authority::open(role, prover, clock)?;
    let token = operator::Token::read(&role.operator_token).map_err(BindError::Token)?;
    Ok((authority, token))
}
