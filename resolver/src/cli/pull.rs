//! `discreet-resolver pull`: what the authorities have signed since the last time.

use super::{Failure, REFUSED, failed};
use anyhow::anyhow;
use discreet_protocol::time::Timestamp;
use discreet_resolver::directory::Directory;
use discreet_resolver::feeds::{Pulled, pull_once};
use discreet_resolver::rules::Rules;
use discreet_serve::Clock;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) fn run(rules: &Rules, directory: Directory) -> Result<ExitCode, Failure> {
    let now = Timestamp::from_unix(Clock::system().now());
    let pulled = pull_once(rules, &Arc::new(directory), now).map_err(failed)?;
    if pulled.is_empty() {
        eprintln!("the rules name no feed: add `feed` to an authority");
    }
    let refused = pulled.iter().any(|pulled| pulled.applied.refused > 0);
    for Pulled { authority, applied, ended, .. } in &pulled {
        println!(
            "{authority}: {} renewed, {} revoked, {} about nobody here, {} refused",
            applied.renewed, applied.revoked, applied.ignored, applied.refused
        );
        if let Err(error) = ended {
            eprintln!("{authority}: {error}");
        }
    }
    match pulled.iter().filter(|pulled| pulled.ended.is_err()).count() {
        0 if refused => Ok(ExitCode::from(REFUSED)),
        0 => Ok(ExitCode::SUCCESS),
        count => Err(failed(anyhow!("{count} of {} feeds could not be read to the end", pulled.len()))),
    }
}
