//! `retire-tokens`: for a set of spent tokens that was lost.

use super::{Failure, failed, now};
use discreet_resolver::{Config, retire_tokens};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    retire_tokens(config, now()).map_err(failed)?;
    eprintln!(
        "tokens under the issuers' keys of today are no longer taken; have the issuers make new keys, and name them in the rules"
    );
    Ok(ExitCode::SUCCESS)
}
