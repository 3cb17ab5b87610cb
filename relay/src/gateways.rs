//! The configured gateways: the only servers a relay ever contacts (RFC 9458 §8.2).

use std::{collections::BTreeMap, sync::Arc};

use discreet_serve::{Reload, Upstream, UpstreamConfig};

use crate::{BindError, config::GatewayName, document::Document};

/// One gateway, with the relay's copies of what it publishes.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) keys: Document,
    pub(crate) policy: Document,
}

/// The gateways by name.
#[derive(Debug)]
pub(crate) struct Gateways(BTreeMap<GatewayName, Gateway>);

/// What a path of this relay stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    /// `/{name}`: takes encapsulated requests, serves the keys.
    Relay(&'a Gateway),
    /// `/{name}/policy`: serves the signed policy.
    Policy(&'a Gateway),
}

impl Gateways {
    pub(crate) fn new(config: &BTreeMap<GatewayName, UpstreamConfig>) -> Result<Self, BindError> {
        if config.is_empty() {
            return Err(BindError::NoGateway);
        }
        let gateways = config.iter().map(|(name, config)| Ok((name.clone(), gateway(name, config)?)));
        gateways.collect::<Result<_, BindError>>().map(Self)
    }

    /// What is trusted for each gateway, and what is shown to it, to be read anew.
    pub(crate) fn reloads(&self) -> Vec<Reload> {
        let reload = |gateway: &Gateway| {
            let upstream = Arc::clone(&gateway.upstream);
            Reload::new("a gateway's CA or identity", move || upstream.reload())
        };
        self.0.values().map(reload).collect()
    }

    /// The resource at `path`, compared as it is: nothing is decoded or normalised.
    pub(crate) fn resource(&self, path: &str) -> Option<Resource<'_>> {
        let path = path.strip_prefix('/')?;
        if let Some(gateway) = self.0.get(path) {
            return Some(Resource::Relay(gateway));
        }
        self.0.get(path.strip_suffix("/policy")?).map(Resource::Policy)
    }
}

fn gateway(name: &GatewayName, config: &UpstreamConfig) -> Result<Gateway, BindError> {
    let upstream =
        Upstream::new(config).map_err(|source| BindError::Gateway { name: name.clone(), source })?;
    Ok(Gateway { upstream: Arc::new(upstream), keys: Document::keys(), policy: Document::policy() })
}
