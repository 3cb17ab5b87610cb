//! The command `discreet-relay`.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use discreet_relay::{Config, Relay};
use discreet_serve::{Inherited, hide_panic_payloads, process::serve};

/// An oblivious relay: passes sealed requests to gateways and hides who sent them.
#[derive(Parser)]
#[command(
    version,
    after_help = "SIGTERM and SIGINT stop it, SIGHUP has it read certificates and keys anew.\n\
                  Exit: 0 stopped as told, 1 failed, 2 usage or configuration."
)]
struct Options {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    hide_panic_payloads();
    // First of all: it wants to be alone in the process.
    let inherited = Inherited::take();
    let options = Options::parse();
    let config = match Config::load(&options.config) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    match Relay::check(&config) {
        Err(error) => fail(2, &error),
        Ok(()) if options.check_config => ExitCode::SUCCESS,
        Ok(()) => serve(inherited, &config.log.clone(), |environment| Relay::bind_in(config, environment))
            .map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS),
    }
}

fn fail(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("discreet-relay: {error}");
    ExitCode::from(code)
}
