//! The provider service: what a messaging provider runs for its own users.
//!
//! Its roles are enabled each by itself in one configuration: `authority` attests which key belongs to
//! the holder of an identifier; `issuer` gives users anonymous tokens for lookups; `service` says of accounts that
//! they exist and agreed to be listed. It knows its own users, and never hears who is looked up: resolvers pull
//! everything the authority signed, and tokens are signed unseen.
//!
//! | module | what it is |
//! |---|---|
//! | [`authority`] | the role `authority`, without the network |
//! | [`issuer`] | the role `issuer`, without the network |
//! | [`service`] | the role `service` |
//! | `handler` | the HTTP interface |
//! | [`request`] | what it is asked, read |
//! | [`init`] | secrets and database of a new provider |

pub mod authority;
pub mod config;
mod database;
mod handler;
pub mod init;
pub mod issuer;
mod metrics;
mod operator;
pub mod request;
pub mod service;
mod upkeep;

use authority::Authority;
use authority::prove::{Operator, Prove};
use config::AccountsConfig;
use discreet_serve::secret::SecretError;
use discreet_serve::{Clock, Environment, Listen, Reload, Shell, ShellConfig, StartError, Task};
use issuer::Issuer;
use issuer::accounts::Accounts;
use prometheus_client::registry::Registry;
use std::sync::Arc;

pub use config::{AuthorityConfig, Config, IssuerConfig, ServiceConfig};

/// The largest request: one for a credential, which is a statement.
const MAX_REQUEST_BYTES: usize = discreet_protocol::statement::MAX_STATEMENT;

/// Why a provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// No role that serves is enabled.
    #[error("the configuration enables no role that serves: add [authority] or [issuer]")]
    NoRole,
    /// The issuer's keys, counters or accounts.
    #[error(transparent)]
    Issuer(#[from] issuer::OpenError),
    /// Accounts go by certificates that nobody is asked for.
    #[error(
        "issuer.accounts = \"certificates\" needs listen.mutual_tls with issuer = \"…\": whose certificates count"
    )]
    NoCertificates,
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
        Self::bind_with_accounts(config, environment, prover, None).await
    }

    /// As [`Provider::bind_with`], with accounts of the caller's in place of those that `issuer.accounts` names.
    ///
    /// # Errors
    ///
    /// As [`Provider::bind`].
    pub async fn bind_with_accounts(
        config: Config,
        environment: Environment,
        prover: Arc<dyn Prove>,
        accounts: Option<Arc<dyn Accounts>>,
    ) -> Result<Self, BindError> {
        let Roles { attesting, issuer } = open(&config, &environment.clock, prover, accounts)?;
        let metrics = metrics::Metrics::default();
        let mut registry = Registry::with_prefix("discreet_provider");
        metrics.register(&mut registry);
        let (mut background, mut reloads) = (Vec::new(), Vec::new());
        if let Some(handler::Attesting { authority, token }) = attesting.clone() {
            background.push(Task::new(upkeep::keep_up(authority, metrics.clone())));
            reloads.push(Reload::new("the operator's token", move || token.reload()));
        }
        if let Some(issuer) = issuer.clone() {
            background.push(Task::new(upkeep::keep_counters(Arc::clone(&issuer), metrics.clone())));
            let keys = Arc::clone(&issuer);
            reloads.push(Reload::new("the issuer's keys", move || keys.reload_keys()));
            reloads.push(Reload::new("the issuer's accounts", move || issuer.accounts().reload()));
        }
        let shell = ShellConfig {
            listen: &config.listen,
            admin: &config.admin,
            limits: &config.limits,
            max_request_bytes: MAX_REQUEST_BYTES,
            log: &environment.log,
            inherited: &environment.inherited,
            registry,
            background,
            reloads,
        };
        let handler = handler::ProviderHandler::new(attesting, issuer, metrics);
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
        open(config, &Clock::system(), Arc::new(Operator), None)?;
        config.service.as_ref().map(service::Service::open).transpose()?;
        Ok(Shell::check(&config.listen, &config.admin, &config.limits)?)
    }
}

discreet_serve::role!(Provider, 0);

/// The roles that serve.
struct Roles {
    attesting: Option<handler::Attesting>,
    issuer: Option<Arc<Issuer>>,
}

fn open(
    config: &Config,
    clock: &Clock,
    prover: Arc<dyn Prove>,
    accounts: Option<Arc<dyn Accounts>>,
) -> Result<Roles, BindError> {
    let mut roles = Roles { attesting: None, issuer: None };
    if let Some(role) = &config.authority {
        let authority = Arc::new(Authority::open(role, prover, clock.clone())?);
        let token = Arc::new(operator::Token::read(&role.operator_token).map_err(BindError::Token)?);
        roles.attesting = Some(handler::Attesting { authority, token });
    }
    if let Some(role) = &config.issuer {
        let by_certificate =
            accounts.is_none() && matches!(role.accounts, Some(AccountsConfig::Certificates));
        if by_certificate && !matches!(config.listen, Listen::MutualTls { issuer: Some(_), .. }) {
            return Err(BindError::NoCertificates);
        }
        roles.issuer = Some(Arc::new(Issuer::open(role, accounts, clock.clone())?));
    }
    if roles.attesting.is_none() && roles.issuer.is_none() {
        return Err(BindError::NoRole);
    }
    Ok(roles)
}
