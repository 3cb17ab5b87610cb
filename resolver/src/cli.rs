//! The commands of `discreet-resolver` and their exit codes: one file a command.

use clap::{Parser, Subcommand};
use discreet_protocol::time::Timestamp;
use discreet_resolver::Config;
use discreet_serve::{Clock, config};
use std::path::PathBuf;
use std::process::ExitCode;

mod backup;
mod export;
mod import;
mod init;
mod output;
mod pull;
mod repepper;
mod retire;
mod serve;
mod subject;

/// Lines were refused; the others are in the directory.
const REFUSED: u8 = 1;
/// The configuration or the command line is wrong; nothing was done.
const USAGE: u8 = 2;
/// The work could not be finished.
const FAILED: u8 = 3;

/// Administer a directory of mappings, or serve it to gateways on other hosts.
///
/// Exit codes: 0 done, or stopped as told; 1 done, but lines or statements were refused; 2 wrong usage or
/// configuration, nothing done; 3 the work could not be finished.
#[derive(Parser)]
#[command(name = "discreet-resolver", version)]
pub(crate) struct Command {
    /// Configuration: TOML with `rules`, `directory` and `pepper`
    #[arg(long, value_name = "FILE", default_value = "resolver.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make the pepper of a new directory, and the directory
    Init,
    /// Read mappings, one JSON object per line, verify each, and keep those that stand
    Import {
        /// The file; `-` reads standard input
        file: PathBuf,
        /// The file is this operator's own export, as it was written: erasures in it, which nobody signed,
        /// are to count
        #[arg(long)]
        own_export: bool,
    },
    /// Write all mappings as lines that `import` reads
    Export {
        /// The file, made readable by you alone; `-` writes standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Answer gateways on other hosts, until SIGTERM; `[serve]` in the configuration says where
    ///
    /// SIGHUP has it read certificates, keys and rules anew.
    Serve {
        /// Only say whether the configuration can be used
        #[arg(long)]
        check_config: bool,
    },
    /// Get the statuses and revocations that the authorities have signed since the last time, as a gateway
    /// does by itself every quarter of an hour
    Pull,
    /// Copy the directory as it is now, also while it is served
    ///
    /// The copy is sealed under the pepper. It holds no tombstone journal: keep that one, the latest, in
    /// its place.
    Backup {
        /// The copy; it must not exist, and is made readable by you alone
        file: PathBuf,
    },
    /// Put a backup in the directory's place; nobody may have the directory open
    ///
    /// Who withdrew since the backup was made stays withdrawn: the tombstone journal says so, and must
    /// be in its place. Tokens under the issuers' keys that are in use now are no longer taken, as after
    /// `retire-tokens`, unless it is said that the set of spent tokens is the latest.
    Restore {
        /// The backup; it stays as it is
        file: PathBuf,
        /// Keep the directory that is there as `….before-restore`, instead of refusing
        #[arg(long)]
        replace: bool,
        /// The set of spent tokens, beside the directory, is as the last resolver left it: it was not lost, and
        /// did not come back from a copy or with the disk. An older one lets tokens be spent twice
        #[arg(long)]
        spent_is_current: bool,
    },
    /// Seal everything under a new pepper; nobody may have the directory open
    ///
    /// May be interrupted, and is finished by running it again; until then nothing else opens the
    /// directory. Earlier backups stay sealed under the old pepper: make a new one.
    Repepper,
    /// Take no more tokens under the issuers' keys that are in use now, and begin the set of spent tokens anew
    /// if it is lost
    ///
    /// For a set that was lost, or came back from a backup: it may have forgotten tokens, which could be spent
    /// again. Users get new ones under the issuers' next keys, which must begin on a later day (UTC): a key that an
    /// issuer makes `--at-once` on the same day is refused for all its time. It says which day that is.
    RetireTokens,
    /// What is held about one person
    #[command(subcommand)]
    Subject(Subject),
}

#[derive(Subcommand)]
enum Subject {
    /// Write everything held about an identifier, as lines that `import` reads
    Export {
        /// As a URI: `tel:+14155550123`, `mailto:alice@a.example`; `-` reads it from standard input
        identifier: String,
        /// The file, made readable by you alone; `-` writes standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Take away everything held about an identifier, for good: no earlier export brings it back
    ///
    /// What stays, sealed under the pepper: a tombstone for each key that published, without the holder's
    /// statement, until the last of its mappings would be void; what the tombstone journal has of earlier
    /// withdrawals, which is never shortened; and earlier backups. To be rid of those make a new backup,
    /// and delete the old.
    Erase {
        /// As a URI: `tel:+14155550123`, `mailto:alice@a.example`; `-` reads it from standard input
        identifier: String,
    },
}

/// Why the command ended early, with its exit code.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) code: u8,
}

fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: USAGE }
}

fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: FAILED }
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let mut config: Config = config::load(&command.config).map_err(usage)?;
    config.resolve(config::folder(&command.config));
    let open = || discreet_resolver::open(&config).map_err(usage);
    match &command.action {
        Action::Init => init::run(&config),
        Action::Import { file, own_export } => {
            open().and_then(|(rules, directory)| import::run(&rules, &directory, file, *own_export))
        }
        Action::Export { file } => open().and_then(|(_, directory)| export::run(&directory, file)),
        Action::Serve { check_config } => serve::run(&config, *check_config),
        Action::Pull => open().and_then(|(rules, directory)| pull::run(&rules, directory)),
        Action::Backup { file } => backup::backup(&config, file),
        Action::Restore { file, replace, spent_is_current } => {
            backup::restore(&config, file, *replace, *spent_is_current)
        }
        Action::Repepper => repepper::run(&config),
        Action::RetireTokens => retire::run(&config),
        Action::Subject(Subject::Export { identifier, file }) => {
            let csi = subject::identifier(identifier)?;
            open().and_then(|(_, directory)| subject::export(&directory, &csi, file))
        }
        Action::Subject(Subject::Erase { identifier }) => {
            let csi = subject::identifier(identifier)?;
            open().and_then(|(_, directory)| subject::erase(&directory, &csi))
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(Clock::system().now())
}
