//! The resolver: answers queries from a directory of sealed mappings.
//!
//! It knows neither OHTTP nor clients: a request comes in as [`http::Request`] and goes out as
//! [`http::Response`], in process or from a remote gateway ([`server`]). It links no HPKE; a test holds
//! it to that.
//!
//! | module | what it is |
//! |---|---|
//! | [`rules`] | the data owner's rules, as a file |
//! | [`store`] | sealed rows by label: the trait, its contract, SQLite |
//! | [`seal`], [`record`] | what a row is, and how it is sealed |
//! | [`directory`] | records and statuses by identifier |
//! | [`journal`] | what was withdrawn, beside the directory, against older backups |
//! | [`admission`] | which mappings a record takes in, and which it lets go |
//! | `batch` | one durable write of several changes |
//! | `answer` | the resources, and their answers as HTTP |
//! | `threads` | on whose thread an answer is made |
//! | `lookup` | from an identifier to the answer |
//! | `tokens` | what an operation is paid with |
//! | `publish` | mappings and withdrawals as recipients send them |
//! | [`statuses`] | what authorities' feeds say |
//! | [`subject`] | what is held about one person, and its erasure |
//! | [`import`], [`export`] | the directory as lines of JSON |
//! | [`backup`], [`repepper`] | copies of the directory, and sealing it anew |
//! | [`lock`], `group` | who may use it at once, and how many share one write |

use discreet_protocol::time::Timestamp;
use discreet_serve::secret::{SecretError, read_secret};
use discreet_serve::{Clock, Environment, Log, Reload, Task};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

pub mod admission;
mod answer;
pub mod backup;
mod batch;
mod cbor;
pub mod config;
pub mod directory;
pub mod export;
pub mod feeds;
#[cfg(test)]
mod fixture;
mod group;
pub mod import;
pub mod journal;
mod line;
pub mod lock;
mod lookup;
mod metrics;
mod publish;
pub mod record;
pub mod repepper;
pub mod rules;
pub mod seal;
pub mod server;
pub mod statuses;
pub mod store;
pub mod subject;
mod threads;
mod tokens;

pub use config::{Config, ServeConfig};
use directory::{Directory, DirectoryError};
use metrics::Metrics;
use rules::{Rules, RulesError};
pub use server::Server;
use store::{SpentTokens, Sqlite, StoreError};
use threads::Threads;
use tokens::Redeemer;

/// Answers lookups of one discovery domain.
pub struct Resolver {
    in_force: watch::Sender<Arc<InForce>>,
    config: Config,
    threads: Threads,
}

/// What one request is answered with from its beginning to its end, whatever is taken up meanwhile.
#[derive(Clone)]
struct InForce {
    directory: Arc<Directory>,
    rules: Arc<Rules>,
    clock: Clock,
    log: Log,
    metrics: Arc<Metrics>,
    /// Opened with the first rules that name issuers, and kept from then on.
    spent: Option<Arc<SpentTokens>>,
    /// Without issuers there is nothing to pay with, and everything is free.
    redeemer: Option<Arc<Redeemer>>,
}

/// Changed rules, ready to be taken up.
pub struct NextRules(Arc<InForce>);

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The rules file.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The pepper's file, where it is there.
    #[error(transparent)]
    Pepper(SecretError),
    /// There is no pepper. None is made silently: rows sealed under a lost one stay closed.
    #[error("the pepper {} is missing; restore it from its backup or, for a new directory, run `discreet-resolver init`", path.display())]
    NoPepper {
        /// Where it should be.
        path: PathBuf,
    },
    /// Some rows are sealed under the pepper, the others under the next.
    #[error("a re-pepper was interrupted; run `discreet-resolver repepper` again")]
    HalfRepeppered,
    /// There is no directory, or an empty file. None is made silently: everybody in the lost one
    /// would be answered for as not found.
    #[error("the directory {} is missing or empty; restore it from its backup or, for a new one, run `discreet-resolver init`", path.display())]
    NoDirectory {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is no set of spent tokens. None is made silently: all that were spent could be spent again.
    #[error("the set of spent tokens {} is missing or empty; run `discreet-resolver retire-tokens`, which begins a new one and takes no token of a key that is in use now", path.display())]
    NoSpentTokens {
        /// Where it should be.
        path: PathBuf,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory in the store.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Resolver {
    /// Opens rules, pepper and directory. Metrics go into `registry`.
    ///
    /// # Errors
    ///
    /// When one of the three is missing, damaged, or does not belong to the others.
    pub fn open(
        config: &Config,
        environment: &Environment,
        registry: &mut Registry,
    ) -> Result<Self, OpenError> {
        let (rules, directory) = open(config)?;
        let directory = Arc::new(directory);
        let metrics = Metrics::register(registry, Arc::clone(&directory));
        let (clock, log) = (environment.clock.clone(), environment.log.clone());
        let in_force = InForce {
            directory,
            rules: Arc::new(rules),
            clock,
            log,
            metrics: Arc::new(metrics),
            spent: None,
            redeemer: None,
        };
        let in_force = watch::Sender::new(Arc::new(in_force.paid(config)?));
        Ok(Self { in_force, config: config.clone(), threads: Threads::default() })
    }

    /// What goes on beside the answering: keeping up with the authorities' feeds, forgetting tokens of keys
    /// that are over, and remembering the prices. Metrics go into `registry`.
    pub fn upkeep(&self, registry: &mut Registry) -> Vec<Task> {
        let metrics = feeds::Metrics::register(registry);
        let feeds = feeds::run(self.in_force.subscribe(), metrics);
        let (sweep, remember) =
            (tokens::sweep(self.in_force.subscribe()), tokens::remember(self.in_force.subscribe()));
        vec![Task::new(feeds), Task::new(sweep), Task::new(remember)]
    }

    /// The rules it answers by.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.in_force().rules)
    }

    /// Reads the rules file anew. `None`: it says what it said. Nothing changes until [`Resolver::take_up`].
    ///
    /// # Errors
    ///
    /// When the file cannot be used, or changes the rules without counting `edition` up, or names the first
    /// issuers and there is no set of spent tokens.
    pub fn next_rules(&self) -> Result<Option<NextRules>, OpenError> {
        let now = self.in_force();
        let Some(rules) = now.rules.next(&self.config.rules)? else { return Ok(None) };
        let next = InForce { rules: Arc::new(rules), ..(*now).clone() };
        Ok(Some(NextRules(Arc::new(next.paid(&self.config)?))))
    }

    /// Answers by other rules from now on. Who is being answered is answered by the old ones.
    pub fn take_up(&self, next: NextRules) {
        let edition = next.0.rules.edition;
        self.in_force.send_replace(next.0);
        tracing::info!(edition, "the rules have changed");
    }

    /// Has a server take up changed rules at SIGHUP, where nobody else publishes them.
    fn reload_rules(self: &Arc<Self>) -> Reload {
        let resolver = Arc::clone(self);
        Reload::new("the rules", move || {
            if let Some(next) = resolver.next_rules()? {
                resolver.take_up(next);
            }
            Ok::<_, OpenError>(())
        })
    }

    /// How often spending tokens has waited for the disk, since the set of them was opened.
    pub fn token_syncs(&self) -> u64 {
        self.in_force().spent.as_ref().map_or(0, |spent| spent.syncs())
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }
}

impl InForce {
    /// The same, with a redeemer by its rules in the place of the one it has.
    fn paid(mut self, config: &Config) -> Result<Self, OpenError> {
        if self.spent.is_none() && !self.rules.issuers.is_empty() {
            self.spent = Some(Arc::new(spent_tokens(config)?));
        }
        let spent = self.spent.clone().filter(|_| !self.rules.issuers.is_empty());
        let now = Timestamp::from_unix(self.clock.now());
        let redeemer = spent.map(|spent| {
            let last = match &self.redeemer {
                Some(before) => Some(before.asked()),
                None => spent.asked()?,
            };
            let asked = tokens::turn(last, self.rules.prices, now);
            Ok::<_, StoreError>(Redeemer::new(&self.rules, asked, spent))
        });
        self.redeemer = redeemer.transpose()?.map(Arc::new);
        Ok(self)
    }
}

impl NextRules {
    /// What they are.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.0.rules
    }
}

/// Opens the set of spent tokens, which `init` has made.
fn spent_tokens(config: &Config) -> Result<SpentTokens, OpenError> {
    let path = config.spent_tokens();
    if std::fs::metadata(&path).map_or(true, |file| file.len() == 0) {
        return Err(OpenError::NoSpentTokens { path });
    }
    Ok(SpentTokens::open(&path)?)
}

/// Opens rules and directory, for administering them.
///
/// # Errors
///
/// As [`Resolver::open`].
pub fn open(config: &Config) -> Result<(Rules, Directory), OpenError> {
    let rules = Rules::load(&config.rules)?;
    let pepper = pepper(config)?;
    if std::fs::metadata(&config.directory).map_or(true, |file| file.len() == 0) {
        return Err(OpenError::NoDirectory { path: config.directory.clone() });
    }
    Ok((rules, Directory::open(Sqlite::open(&config.directory)?, pepper, &config.journal())?))
}

/// As [`open`], but makes the directory if there is none.
///
/// # Errors
///
/// As [`open`], but for [`OpenError::NoDirectory`].
pub fn create(config: &Config) -> Result<(Rules, Directory), OpenError> {
    let rules = Rules::load(&config.rules)?;
    let pepper = pepper(config)?;
    if !config.directory.exists() {
        drop(SpentTokens::open(&config.spent_tokens())?);
    }
    Ok((rules, Directory::open(Sqlite::open(&config.directory)?, pepper, &config.journal())?))
}

/// Begins a new set of spent tokens, or goes on with the one that is there, and takes no more tokens under
/// keys that are in use at `now`: for a set that was lost, or may have forgotten some.
///
/// # Errors
///
/// When it cannot be written.
pub fn retire_tokens(config: &Config, now: Timestamp) -> Result<(), StoreError> {
    SpentTokens::open(&config.spent_tokens())?.retire(now)
}

/// The pepper, if everything is sealed under it.
///
/// # Errors
///
/// When it is missing, or others may read it, or a re-pepper was interrupted.
pub fn pepper(config: &Config) -> Result<seal::Pepper, OpenError> {
    if repepper::next_pepper(&config.pepper).exists() {
        return Err(OpenError::HalfRepeppered);
    }
    if !config.pepper.exists() {
        return Err(OpenError::NoPepper { path: config.pepper.clone() });
    }
    Ok(seal::Pepper::new(read_secret(&config.pepper).map_err(OpenError::Pepper)?))
}
