//! `discreet-resolver serve`: the resolver as a server.

use super::{Failure, failed, usage};
use discreet_resolver::{Config, Server};
use discreet_serve::{hide_panic_payloads, stop_signal};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    hide_panic_payloads();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        // Listened for before the port is open, so that no stop is missed.
        let stop = stop_signal();
        let server = Server::bind(config).await.map_err(usage)?;
        server.run_until(stop).await.map_err(failed)?;
        Ok(ExitCode::SUCCESS)
    })
}
