//! `backup` and `restore`.

use super::{Failure, failed, now, usage};
use discreet_resolver::backup::{self, BackupError};
use discreet_resolver::{Config, pepper, retire_tokens};
use indicatif::ProgressBar;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub(super) fn backup(config: &Config, file: &Path) -> Result<ExitCode, Failure> {
    // A directory between two peppers is no good as a backup.
    pepper(config).map_err(usage)?;
    working("copying", || backup::backup(&config.directory, file))?;
    eprintln!("the directory {} is backed up as {}", config.directory.display(), file.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(config: &Config, file: &Path, replace: bool) -> Result<ExitCode, Failure> {
    let pepper = pepper(config).map_err(usage)?;
    let restore = || backup::restore(file, &config.directory, &config.journal(), pepper, replace);
    working("restoring", restore)?;
    if !config.spent_tokens().exists() {
        retire_tokens(config, now()).map_err(failed)?;
        eprintln!(
            "the set of spent tokens was lost: tokens under the issuers' keys of today are no longer taken"
        );
    }
    eprintln!("the directory {} is restored from {}", config.directory.display(), file.display());
    Ok(ExitCode::SUCCESS)
}

/// SQLite does not say how far it is.
fn working(what: &'static str, work: impl FnOnce() -> Result<(), BackupError>) -> Result<(), Failure> {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    bar.finish_and_clear();
    done.map_err(|error| match error {
        BackupError::Exists { .. } | BackupError::InTheWay { .. } | BackupError::Locked(_) => usage(error),
        _ => failed(error),
    })
}
