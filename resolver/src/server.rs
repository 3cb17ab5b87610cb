//! `discreet-resolver serve`: the resolver as a server of its own, for gateways on other hosts.
//!
//! It answers what an embedded resolver answers, to gateways it knows. It learns of them what they
//! pass on: method, path and content of an opened request, and never who asked.

use crate::config::{Config, ServeConfig};
use crate::{OpenError, Resolver};
use bytes::Bytes;
use discreet_serve::{Environment, Handler, Listen, Shell, ShellConfig, StartError};
use http::{Request, Response};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// More than any operation has: what a gateway opens is smaller than this.
const MAX_REQUEST_BYTES: usize = 8192;

/// Why a resolver did not start to serve.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The configuration does not say where.
    #[error("the configuration has no [serve]: add where gateways connect")]
    NoServe,
    /// Everybody could connect, and ask for everybody.
    #[error(
        "serve.listen must be mutual_tls with the gateways' certificates as peers, or plaintext on this host"
    )]
    Everybody,
    /// Rules, pepper or directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The listener or the limits.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running resolver. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server(Shell);

impl Server {
    /// Starts a resolver that logs to standard error and returns once it listens.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be put to work; nothing is left running.
    pub async fn bind(config: &Config) -> Result<Self, BindError> {
        let log = config.serve.as_ref().map(|serve| serve.log.clone()).unwrap_or_default();
        Self::bind_in(config, Environment::of_process(&log)).await
    }

    /// As [`Server::bind`], with a log and a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub async fn bind_in(config: &Config, environment: Environment) -> Result<Self, BindError> {
        let serve = listener(config)?;
        let mut registry = Registry::with_prefix("discreet_resolver");
        let resolver = Arc::new(Resolver::open(config, &environment, &mut registry)?);
        let background = resolver.upkeep(&mut registry);
        let shell = ShellConfig {
            listen: &serve.listen,
            admin: &serve.admin,
            limits: &serve.limits,
            max_request_bytes: MAX_REQUEST_BYTES,
            log: &environment.log,
            inherited: &environment.inherited,
            registry,
            background,
            reloads: vec![resolver.reload_rules()],
        };
        let server = Self(Shell::start(shell, Answers(resolver)).await?);
        environment.log.within(|| {
            let (address, admin) =
                (server.listening(), server.admin_listening().map(tracing::field::display));
            tracing::info!(%address, admin, "listening");
        });
        Ok(server)
    }

    /// Looks at everything in `config` that can be wrong short of opening ports.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`] would.
    pub fn check(config: &Config) -> Result<(), BindError> {
        let serve = listener(config)?;
        let environment = Environment::of_process(&serve.log);
        Resolver::open(config, &environment, &mut Registry::default())?;
        Ok(Shell::check(&serve.listen, &serve.admin, &serve.limits)?)
    }
}

discreet_serve::role!(Server, 0);

fn listener(config: &Config) -> Result<&ServeConfig, BindError> {
    let serve = config.serve.as_ref().ok_or(BindError::NoServe)?;
    let closed = serve.listen.names_peers() || matches!(serve.listen, Listen::Plaintext { .. });
    if closed { Ok(serve) } else { Err(BindError::Everybody) }
}

struct Answers(Arc<Resolver>);

impl Handler for Answers {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.respond(request).await
    }
}
