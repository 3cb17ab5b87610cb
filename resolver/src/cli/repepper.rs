//! `repepper`: everything sealed anew.

use super::output::fraction_bar;
use super::{Failure, failed, usage};
use discreet_resolver::Config;
use discreet_resolver::repepper::{RepepperError, repepper};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    let (bar, progress) = fraction_bar();
    let done = repepper(&config.directory, &config.journal(), &config.pepper, progress);
    bar.finish_and_clear();
    done.map_err(|error| match error {
        RepepperError::Pepper(_) | RepepperError::NoDirectory { .. } | RepepperError::Locked(_) => {
            usage(error)
        }
        _ => failed(error),
    })?;
    eprintln!(
        "{} is a new pepper; back it up, and make a new backup of the directory",
        config.pepper.display()
    );
    Ok(ExitCode::SUCCESS)
}
