//! The configured gateways: the only servers a relay ever contacts (RFC 9458 §8.2).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use discreet_serve::{Reload, Upstream, UpstreamConfig};

use crate::{
    BindError,
    config::GatewayName,
    document::Document,
    forward::{ForwardError, GATEWAY_RESOURCE},
    mixing::Mixer,
    pause::Pause,
    redirect::Target,
};

/// How many seconds lie at least between two moments at which key trouble makes copies expire: clients can
/// forge it.
const TROUBLE_SECS: u64 = 60;

/// One gateway, with the relay's copies of what it publishes.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) requests: Target,
    pub(crate) keys: Document,
    pub(crate) policy: Document,
    pub(crate) pause: Pause,
    trouble: KeyTrouble,
}

/// When copies last expired, or will, because the gateway did not know a key.
#[derive(Debug, Default)]
struct KeyTrouble(Mutex<u64>);

/// A gateway, and what holds its messages back, if anything.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) mixer: Option<Mixer>,
}

/// The gateways by name.
#[derive(Debug)]
pub(crate) struct Gateways(BTreeMap<GatewayName, Route>);

/// What a path of this relay stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    /// `/{name}`: takes encapsulated requests, serves the keys.
    Relay(&'a Route),
    /// `/{name}/policy`: serves the signed policy.
    Policy(&'a Gateway),
}

impl Gateways {
    pub(crate) fn new(config: &BTreeMap<GatewayName, UpstreamConfig>) -> Result<Self, BindError> {
        if config.is_empty() {
            return Err(BindError::NoGateway);
        }
        let gateways = config.iter().map(|(name, config)| {
            let gateway = Arc::new(gateway(name, config)?);
            Ok((name.clone(), Route { gateway, mixer: None }))
        });
        gateways.collect::<Result<_, BindError>>().map(Self)
    }

    /// The way to the gateway of this name.
    pub(crate) fn route_mut(&mut self, name: &GatewayName) -> Option<&mut Route> {
        self.0.get_mut(name)
    }

    /// What is trusted for each gateway, and what is shown to it, to be read anew.
    pub(crate) fn reloads(&self) -> Vec<Reload> {
        let reload = |route: &Route| {
            let upstream = Arc::clone(&route.gateway.upstream);
            Reload::new("a gateway's CA or identity", move || upstream.reload())
        };
        self.0.values().map(reload).collect()
    }

    /// The resource at `path`, compared as it is: nothing is decoded or normalised.
    pub(crate) fn resource(&self, path: &str) -> Option<Resource<'_>> {
        let path = path.strip_prefix('/')?;
        if let Some(route) = self.0.get(path) {
            return Some(Resource::Relay(route));
        }
        self.0.get(path.strip_suffix("/policy")?).map(|route| Resource::Policy(&route.gateway))
    }
}

impl Gateway {
    /// Refuses while the gateway asks everybody to come back later.
    pub(crate) fn may_ask(&self, now: u64) -> Result<(), ForwardError> {
        self.pause.left(now).map_or(Ok(()), |secs| Err(ForwardError::Paused(secs)))
    }

    /// The gateway did not know the key of a request: the copies may be older than its keys.
    pub(crate) fn note_key_trouble(&self, now: u64) {
        let at = self.trouble.expires_at(now);
        self.keys.expire(at);
        self.policy.expire(at);
    }
}

impl KeyTrouble {
    /// When the copies are to expire: now, or at the end of the time since the last trouble, so that
    /// somebody who forges it can neither drive fetches nor hide a true one for longer than that.
    fn expires_at(&self, now: u64) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_planned = *last > now && *last - now <= TROUBLE_SECS;
        let is_recent = *last <= now && now - *last < TROUBLE_SECS;
        *last = match (is_planned, is_recent) {
            (true, _) => *last,
            (_, true) => *last + TROUBLE_SECS,
            // Long ago, or never, or a clock was set back.
            _ => now,
        };
        *last
    }
}

fn gateway(name: &GatewayName, config: &UpstreamConfig) -> Result<Gateway, BindError> {
    let upstream =
        Upstream::new(config).map_err(|source| BindError::Gateway { name: name.clone(), source })?;
    Ok(Gateway {
        upstream: Arc::new(upstream),
        requests: Target::new(GATEWAY_RESOURCE),
        keys: Document::keys(),
        policy: Document::policy(),
        pause: Pause::default(),
        trouble: KeyTrouble::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_trouble_copies_expire_once_a_minute() {
        let trouble = KeyTrouble::default();
        let expiries: std::collections::BTreeSet<_> =
            (1000..1600).map(|now| trouble.expires_at(now)).collect();
        assert_eq!(expiries.into_iter().collect::<Vec<_>>(), (1000..=1600).step_by(60).collect::<Vec<_>>());
    }

    #[test]
    fn trouble_counts_at_once_after_a_quiet_minute_or_a_clock_set_back() {
        let trouble = KeyTrouble::default();
        assert_eq!([1000, 1060, 1061, 1119].map(|now| trouble.expires_at(now)), [1000, 1060, 1120, 1120]);
        assert_eq!([1180, 500].map(|now| trouble.expires_at(now)), [1180, 500]);
    }
}
