//! Taking up changed rules: the policy that is published and the resolver that answers by it, together.
//!
//! Nothing changes unless all of it can: the file can be used, its edition was counted up, and the policy
//! of it is signed. A remote resolver reads the rules by itself.

use crate::config::ResolverConfig;
use crate::keys::Keys;
use crate::policy::{Publisher, TakeUpError};
use crate::target::Answering;
use discreet_protocol::time::Timestamp;
use discreet_resolver::rules::RulesError;
use discreet_resolver::{OpenError, Resolver};
use discreet_serve::Clock;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the rules anew.
pub(crate) struct Reloader {
    source: Source,
    publisher: Arc<Publisher>,
    keys: Arc<Keys>,
    clock: Clock,
}

/// Who reads the file.
enum Source {
    /// The resolver in this process, which answers by it.
    Resolver(Arc<Resolver>),
    /// We do, for the policy.
    File(PathBuf),
}

/// Why the rules stay as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The file.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The embedded resolver cannot answer by it.
    #[error(transparent)]
    Resolver(#[from] OpenError),
    /// Its policies would be valid for longer than their keys.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// There is no policy of it to publish.
    #[error(transparent)]
    TakeUp(#[from] TakeUpError),
}

/// A policy that is still valid could lead to a key that opens nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rules say validity_days = {validity_days}, and an epoch of the OHTTP keys lasts {epoch_days} days: make \
     validity_days {epoch_days} or less, so that no policy outlives its keys"
)]
pub struct ValidityError {
    validity_days: u32,
    epoch_days: u32,
}

/// Whether policies that are valid for so long end before the keys that they lead to.
pub(crate) fn check_validity(validity_days: u32, epoch_days: u32) -> Result<(), ValidityError> {
    if validity_days > epoch_days { Err(ValidityError { validity_days, epoch_days }) } else { Ok(()) }
}

impl Reloader {
    pub(crate) fn new(
        config: &ResolverConfig,
        answering: &Answering,
        publisher: &Arc<Publisher>,
        keys: &Arc<Keys>,
        clock: Clock,
    ) -> Self {
        let source = match (answering, config) {
            (Answering::Embedded(resolver), _) => Source::Resolver(Arc::clone(resolver)),
            (
                Answering::Remote(_),
                ResolverConfig::Remote { rules, .. } | ResolverConfig::Embedded(rules),
            ) => Source::File(rules.clone()),
        };
        Self { source, publisher: Arc::clone(publisher), keys: Arc::clone(keys), clock }
    }

    /// Takes up what has changed in the file, if anything has.
    pub(crate) fn reload(&self) -> Result<(), ReloadError> {
        let now = Timestamp::from_unix(self.clock.now());
        let ring = self.keys.ring(now);
        match &self.source {
            Source::Resolver(resolver) => {
                let Some(next) = resolver.next_rules()? else { return Ok(()) };
                let rules = Arc::clone(next.rules());
                check_validity(rules.validity_days, self.keys.epoch_days())?;
                self.publisher.take_up(rules, now, &ring, || resolver.take_up(next))?;
            }
            Source::File(path) => {
                let Some(rules) = self.publisher.rules().next(path)? else { return Ok(()) };
                check_validity(rules.validity_days, self.keys.epoch_days())?;
                let edition = rules.edition;
                let told = || tracing::info!(edition, "the rules have changed");
                self.publisher.take_up(Arc::new(rules), now, &ring, told)?;
            }
        }
        Ok(())
    }
}
