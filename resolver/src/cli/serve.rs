//! `discreet-resolver serve`: the resolver as a server.

use super::{Failure, failed, usage};
use discreet_resolver::server::BindError;
use discreet_resolver::{Config, Server};
use discreet_serve::Inherited;
use discreet_serve::process::{ServeError, Threads, serve};
use std::process::ExitCode;

pub(super) fn run(config: &Config, check_config: bool) -> Result<ExitCode, Failure> {
    // First of all: it wants to be alone in the process.
    let inherited = Inherited::take();
    Server::check(config).map_err(usage)?;
    if !check_config {
        let log = config.serve.as_ref().map(|serve| serve.log.clone()).unwrap_or_default();
        serve(inherited, &log, Threads::NetworkAndDisk, |environment| Server::bind_in(config, environment))
            .map_err(failure)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What keeps a server from starting is the configuration's fault as far as this command can tell.
fn failure(error: ServeError<BindError>) -> Failure {
    match error {
        ServeError::Bind(error) => usage(error),
        ServeError::System(_) | ServeError::Join(_) => failed(error),
    }
}
