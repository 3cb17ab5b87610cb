//! Taking up changed files while a server runs.
//!
//! Each thing is read, checked, and only then put in the old one's place, so that a half-written
//! certificate changes nothing. The things do not wait for each other: one that cannot be read keeps
//! its old state, the others are taken up.

use std::{error::Error, fmt};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use thiserror::Error;

type Fault = Box<dyn Error + Send + Sync>;

/// One thing that a role reads anew at [`Shell::reload`](crate::Shell::reload).
pub struct Reload {
    what: &'static str,
    work: Box<dyn Fn() -> Result<(), Fault> + Send + Sync>,
}

/// Something was not taken up. What it was before stays in use.
#[derive(Debug, Error)]
#[error("{what}: {source}; the old stays in use")]
pub struct ReloadError {
    /// The first thing that failed.
    pub what: &'static str,
    /// What is wrong with it.
    pub source: Fault,
}

/// Everything a server reads anew, and how often it did.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    things: Vec<Reload>,
    reloads: Counter,
    failures: Counter,
}

impl Reload {
    /// `work` reads `what`, a few words for the log, and puts it in place only if all of it can be used.
    /// Its errors are logged: they must quote no secret. It may block for as long as a file takes.
    pub fn new<E: Into<Fault>>(
        what: &'static str,
        work: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self { what, work: Box::new(move || work().map_err(Into::into)) }
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reload({})", self.what)
    }
}

impl Reloads {
    pub(crate) fn new(things: Vec<Reload>) -> Self {
        Self { things, ..Self::default() }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("reloads", "Changed files taken up, all of them", self.reloads.clone());
        registry.register(
            "reload_failures",
            "Reloads in which something could not be used and stayed as it was",
            self.failures.clone(),
        );
    }

    /// Reads everything anew and logs what came of it.
    pub(crate) fn run(&self) -> Result<(), ReloadError> {
        let mut first = Ok(());
        for Reload { what, work } in &self.things {
            if let Err(error) = work() {
                tracing::warn!(what, error, "not reloaded: the old stays in use");
                first = first.and(Err(ReloadError { what, source: error }));
            }
        }
        match &first {
            Ok(()) => {
                self.reloads.inc();
                tracing::info!("reloaded");
            }
            Err(_) => {
                self.failures.inc();
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogConfig, log::LogBuffer};
    use prometheus_client::encoding::text::encode;

    fn counted(reloads: &Reloads) -> String {
        let mut registry = Registry::default();
        reloads.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn one_that_fails_does_not_keep_the_others_back() {
        let taken_up = Counter::<u64>::default();
        let log = LogBuffer::default();
        let counter = taken_up.clone();
        let reloads = Reloads::new(vec![
            Reload::new("one", || Err("one is torn")),
            Reload::new("two", || Err("two is torn")),
            Reload::new("three", move || {
                counter.inc();
                Ok::<_, Fault>(())
            }),
        ]);
        let error = log.log(&LogConfig::default()).within(|| reloads.run()).unwrap_err();
        assert_eq!(error.to_string(), "one: one is torn; the old stays in use");
        assert_eq!(taken_up.get(), 1);
        assert!(log.text().contains("what=\"one\"") && log.text().contains("two is torn"), "{}", log.text());
        let counted = counted(&reloads);
        assert!(counted.contains("reload_failures_total 1\n"), "{counted}");
        assert!(counted.contains("reloads_total 0\n"), "{counted}");
    }

    #[test]
    fn a_whole_reload_counts_and_is_said() {
        let log = LogBuffer::default();
        let reloads = Reloads::new(vec![Reload::new("one", || Ok::<_, Fault>(()))]);
        log.log(&LogConfig::default()).within(|| reloads.run()).unwrap();
        assert!(counted(&reloads).contains("reloads_total 1\n"), "{}", counted(&reloads));
        assert!(log.text().contains("reloaded"), "{}", log.text());
    }
}
