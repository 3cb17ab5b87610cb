//! The command `discreet-provider`.

mod cli;

use clap::Parser;
use cli::Options;
use discreet_provider::{Config, Provider};
use discreet_serve::{
    Inherited, hide_panic_payloads,
    process::{Threads, serve},
};
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    hide_panic_payloads();
    // First of all: it wants to be alone in the process.
    let inherited = Inherited::take();
    let options = Options::parse();
    let config = match Config::load(&options.config) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    match options.action {
        Some(action) => {
            cli::run(&config, action).map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS)
        }
        None => match Provider::check(&config) {
            Err(error) => fail(2, &error),
            Ok(()) if options.check_config => ExitCode::SUCCESS,
            Ok(()) => serve(inherited, &config.log.clone(), Threads::Network, |environment| {
                Provider::bind_in(config, environment)
            })
            .map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS),
        },
    }
}

fn fail(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("discreet-provider: {error}");
    ExitCode::from(code)
}
