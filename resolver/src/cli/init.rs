//! `init`: a pepper and an empty directory, each only if there is none.

use super::{Failure, failed, usage};
use anyhow::anyhow;
use discreet_resolver::Config;
use discreet_resolver::rules::Rules;
use discreet_serve::secret::create_secret;
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    Rules::load(&config.rules).map_err(usage)?;
    if config.directory.exists() && !config.pepper.exists() {
        return Err(usage(anyhow!(
            "the directory {} exists, but its pepper {} is missing; restore the pepper from its backup",
            config.directory.display(),
            config.pepper.display()
        )));
    }
    if !config.pepper.exists() {
        let mut pepper = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(pepper.as_mut_slice()).map_err(|error| failed(anyhow!("no randomness: {error}")))?;
        create_secret(&config.pepper, &pepper).map_err(failed)?;
        eprintln!("made the pepper {}; back it up, apart from the directory", config.pepper.display());
    }
    discreet_resolver::create(config).map_err(usage)?;
    eprintln!("the directory {} is ready", config.directory.display());
    Ok(ExitCode::SUCCESS)
}
