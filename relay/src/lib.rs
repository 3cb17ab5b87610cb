//! The oblivious relay (RFC 9458 §5): hides the client from the gateway.
//!
//! It passes encapsulated requests to a fixed set of gateways and their answers back, and serves
//! its own copy of each gateway's keys and policy, the same bytes to everyone. What goes to either
//! side is built from an allow-list of two header fields; the rest of a message is dropped. It
//! links neither HPKE nor Binary HTTP: it could not open a request if it wished.
//!
//! Where it is configured to, it holds messages back in both directions so that they leave in another order
//! ([`mix`]).

mod access;
pub mod config;
mod document;
mod forward;
mod gateways;
mod handler;
mod lifetime;
mod media;
mod metrics;
pub mod mix;
mod mixing;
mod pause;
mod redirect;

use std::sync::Arc;

use discreet_serve::{Clock, Environment, Reload, Shell, ShellConfig, StartError, Task, tls::TlsError};
use prometheus_client::registry::Registry;
use thiserror::Error;

pub use self::{
    access::{AccessError, FreshToken, NoRandomness},
    config::{Access, Config, GatewayName, MixError},
};
use self::{
    access::{Bearers, Doorkeeper},
    forward::deliver,
    gateways::Gateways,
    handler::RelayHandler,
    metrics::Metrics,
    mixing::Mixer,
};

/// Why a relay did not start.
#[derive(Debug, Error)]
pub enum BindError {
    /// Nothing to relay to.
    #[error("the configuration names no gateway: add [gateways.NAME]")]
    NoGateway,
    /// A gateway's CA bundle cannot be used.
    #[error("gateway {name}: {source}")]
    Gateway {
        /// The gateway's configured name.
        name: GatewayName,
        /// What is wrong with the file.
        source: TlsError,
    },
    /// A gateway's messages cannot be held back as configured.
    #[error("mix.{name}: {source}")]
    Mix {
        /// The gateway's configured name.
        name: GatewayName,
        /// What does not fit.
        source: MixError,
    },
    /// There is nothing to draw who leaves when from.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The tokens' file cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The listener or the limits cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running relay. Dropping it stops it at once.
#[derive(Debug)]
pub struct Relay(Shell);

impl Relay {
    /// Starts a relay that logs to standard error and returns once it listens.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be put to work; nothing is left running.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let environment = Environment::of_process(&config.log);
        Self::bind_in(config, environment).await
    }

    /// As [`Relay::bind`], with a log and a clock of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Relay::bind`].
    pub async fn bind_in(config: Config, environment: Environment) -> Result<Self, BindError> {
        config.check_mixes()?;
        let mut gateways = Gateways::new(&config.gateways)?;
        let door = Arc::new(doorkeeper(&config.access)?);
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("discreet_relay");
        metrics.register(&mut registry);
        let mut reloads = gateways.reloads();
        if let Doorkeeper::Bearers(_) = *door {
            let door = Arc::clone(&door);
            reloads.push(Reload::new("the tokens' file", move || door.reload()));
        }
        let background = start_mixing(&mut gateways, &config, &environment.clock, &metrics)?;
        let handler =
            RelayHandler::new(gateways, door, environment.clock, metrics, config.max_response_bytes);
        let shell = ShellConfig {
            listen: &config.listen,
            admin: &config.admin,
            limits: &config.limits,
            max_request_bytes: config.max_request_bytes,
            log: &environment.log,
            inherited: &environment.inherited,
            registry,
            background,
            reloads,
        };
        let relay = Self(Shell::start_for_clients(shell, &config.clients, handler).await?);
        environment.log.within(|| {
            let (address, admin) = (relay.listening(), relay.admin_listening().map(tracing::field::display));
            tracing::info!(%address, admin, gateways = config.gateways.len(), "listening");
        });
        Ok(relay)
    }

    /// Looks at everything in `config` that can be wrong short of opening ports.
    ///
    /// # Errors
    ///
    /// As [`Relay::bind`] would.
    pub fn check(config: &Config) -> Result<(), BindError> {
        config.check_mixes()?;
        Gateways::new(&config.gateways)?;
        doorkeeper(&config.access)?;
        Ok(Shell::check(&config.listen, &config.admin, &config.limits)?)
    }
}

discreet_serve::role!(Relay, 0);

fn doorkeeper(access: &Access) -> Result<Doorkeeper, AccessError> {
    Ok(match access {
        Access::Anyone => Doorkeeper::Anyone,
        Access::Bearer { file } => Doorkeeper::Bearers(Bearers::read(file)?),
    })
}

/// Puts a mix before every gateway that shall have one. Its work goes on in the background.
fn start_mixing(
    gateways: &mut Gateways,
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<Vec<Task>, NoRandomness> {
    let mut tasks = Vec::new();
    for (name, settings) in &config.mix {
        let Some(route) = gateways.route_mut(name) else { continue };
        let (gateway, clock, limit) = (Arc::clone(&route.gateway), clock.clone(), config.max_response_bytes);
        let exchange = move |content| {
            let (gateway, clock) = (Arc::clone(&gateway), clock.clone());
            async move { deliver(&gateway, content, limit, &clock).await }
        };
        let (mixer, task) = Mixer::start(*settings, metrics.mix(), exchange)?;
        route.mixer = Some(mixer);
        tasks.push(task);
    }
    Ok(tasks)
}
