//! The command `discreet-relay`.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use discreet_relay::{Config, Relay};
use discreet_serve::{hide_panic_payloads, stop_signal};

/// An oblivious relay: passes sealed requests to gateways and hides who sent them.
#[derive(Parser)]
#[command(version, after_help = "Exit: 0 stopped as told, 1 failed, 2 usage or configuration.")]
struct Options {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    hide_panic_payloads();
    let options = Options::parse();
    let (code, result) = match Config::load(&options.config) {
        Err(error) => (2, Err(error.into())),
        Ok(config) => match Relay::check(&config) {
            Err(error) => (2, Err(error.into())),
            Ok(()) if options.check_config => (0, Ok(())),
            Ok(()) => (1, run(config).await),
        },
    };
    if let Err(error) = result {
        eprintln!("discreet-relay: {error}");
        return ExitCode::from(code);
    }
    ExitCode::SUCCESS
}

/// Serves until SIGTERM or SIGINT, then drains.
async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let stop = stop_signal();
    Ok(Relay::bind(config).await?.run_until(stop).await?)
}
