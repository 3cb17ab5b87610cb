//! The command `discreet-provider`.

mod cli;

use clap::Parser;
use cli::Options;
use discreet_provider::{Config, Provider};
use discreet_serve::{hide_panic_payloads, stop_signal};
use std::error::Error;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    hide_panic_payloads();
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
            Ok(()) => {
                serve(config).await.map_or_else(|error| fail(1, error.as_ref()), |()| ExitCode::SUCCESS)
            }
        },
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    // Listened for before the port is open, so that no stop is missed.
    let stop = stop_signal();
    Ok(Provider::bind(config).await?.run_until(stop).await?)
}

fn fail(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("discreet-provider: {error}");
    ExitCode::from(code)
}
