//! `backup` and `restore`.

use super::{Failure, failed, retire, usage};
use discreet_resolver::backup::{self, BackupError, Restoring};
use discreet_resolver::{Config, pepper};
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

/// `spent_is_current`: the operator says that the set of spent tokens did not come back, too.
pub(super) fn restore(
    config: &Config,
    file: &Path,
    replace: bool,
    spent_is_current: bool,
) -> Result<ExitCode, Failure> {
    let pepper = pepper(config).map_err(usage)?;
    let prepare = || Restoring::prepare(file, &config.directory, &config.journal(), pepper, replace);
    let restoring = working("restoring", prepare)?;
    // A set that came back with the disk looks like one that never left, and has forgotten tokens. Before there is
    // a directory that a gateway could start on, should this be interrupted.
    if !spent_is_current || !config.spent_tokens().exists() {
        retire::retire(config)?;
    }
    restoring.put_in_place().map_err(failure)?;
    eprintln!("the directory {} is restored from {}", config.directory.display(), file.display());
    Ok(ExitCode::SUCCESS)
}

/// SQLite does not say how far it is.
fn working<T>(what: &'static str, work: impl FnOnce() -> Result<T, BackupError>) -> Result<T, Failure> {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    bar.finish_and_clear();
    done.map_err(failure)
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Exists { .. } | BackupError::InTheWay { .. } | BackupError::Locked(_) => usage(error),
        _ => failed(error),
    }
}
