//! The command `discreet-relay`.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use discreet_relay::{Config, FreshToken, NoRandomness, Relay};
use discreet_serve::{Inherited, hide_panic_payloads, process};

// Every request allocates, on whichever thread it is; the C library's allocator pays for that with locks and
// page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An oblivious relay: passes sealed requests to gateways and hides who sent them.
#[derive(Parser)]
#[command(version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "SIGTERM and SIGINT stop it, SIGHUP has it read certificates, keys and tokens anew.\n\
                  Exit: 0 stopped as told, 1 failed, 2 usage or configuration."
)]
struct Options {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Print a fresh token for one user, and under it the line for the file that [access.bearer] names
    ///
    /// The token is shown this once and kept nowhere. Give it to its user, and nobody else; append the
    /// line to the file, with a comment behind a space if you like, and reload the relay.
    Token,
}

fn main() -> ExitCode {
    hide_panic_payloads();
    // First of all: it wants to be alone in the process.
    let inherited = Inherited::take();
    let options = Options::parse();
    let (code, result) = match options.action {
        Some(Action::Token) => (1, token().map_err(Into::into)),
        None => serve(inherited, &options.config.unwrap_or_default(), options.check_config),
    };
    if let Err(error) = result {
        eprintln!("discreet-relay: {error}");
        return ExitCode::from(code);
    }
    ExitCode::SUCCESS
}

/// The exit code in case of an error, and what became of it.
fn serve(inherited: Inherited, path: &Path, only_check: bool) -> (u8, Result<(), Box<dyn Error>>) {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return (2, Err(error.into())),
    };
    match Relay::check(&config) {
        Err(error) => (2, Err(error.into())),
        Ok(()) if only_check => (0, Ok(())),
        Ok(()) => {
            let log = config.log.clone();
            let served = process::serve(inherited, &log, process::Threads::Network, |environment| {
                Relay::bind_in(config, environment)
            });
            (1, served.map_err(Into::into))
        }
    }
}

fn token() -> Result<(), NoRandomness> {
    let FreshToken { token, line } = FreshToken::draw()?;
    println!("{token}\n{line}");
    Ok(())
}
