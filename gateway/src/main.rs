//! The command `discreet-gateway`.

use clap::{Parser, Subcommand};
use discreet_gateway::rotation::{self, KeyLine, RotationError};
use discreet_gateway::{Config, Gateway, init};
use discreet_protocol::time::Timestamp;
use discreet_serve::{
    Clock, Inherited, hide_panic_payloads,
    process::{Threads, serve},
};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

// Every request allocates, on whichever thread it is; the C library's allocator pays for that with locks and
// page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An oblivious gateway: opens sealed requests and has its resolver answer them.
#[derive(Parser)]
#[command(
    version,
    after_help = "SIGTERM and SIGINT stop it, SIGHUP has it read certificates, keys and rules anew.\n\
                  Exit codes: 0 stopped as told or done, 1 failed, 2 wrong usage or configuration."
)]
struct Options {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Make the secret files that do not exist yet, and print the key that clients pin
    Init,
    /// Show the OHTTP keys, or change them; a running gateway takes it up within seconds
    Keys {
        #[command(subcommand)]
        action: Option<KeysAction>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum KeysAction {
    /// Begin the next epoch now instead of later; the present keys drain
    Rotate,
    /// Give up all keys at once, as when the file was stolen; lookups fail until relays have the new policy
    Drop,
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
    match options.action {
        Some(Action::Init) => init::init(&config, now()).map_or_else(
            |error| fail(1, &error),
            |key| {
                println!("{}", hex::encode(key.to_bytes()));
                ExitCode::SUCCESS
            },
        ),
        Some(Action::Keys { action, json }) => {
            keys(&config, action, json).map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS)
        }
        None => match Gateway::check(&config) {
            Err(error) => fail(2, &error),
            Ok(()) if options.check_config => ExitCode::SUCCESS,
            Ok(()) => serve(inherited, &config.log.clone(), Threads::NetworkAndDisk, |environment| {
                Gateway::bind_in(config, environment)
            })
            .map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS),
        },
    }
}

fn keys(config: &Config, action: Option<KeysAction>, json: bool) -> Result<(), RotationError> {
    match action {
        Some(KeysAction::Rotate) => rotation::rotate(&config.ohttp_keys, now())?,
        Some(KeysAction::Drop) => rotation::drop_all(&config.ohttp_keys, now())?,
        None => {}
    }
    for KeyLine { id, kem, epoch, in_use, begins, ends } in rotation::show(&config.ohttp_keys, now())? {
        let (begins, ends) = (begins.unix(), ends.unix());
        if json {
            println!(
                r#"{{"id":{id},"kem":"{kem:?}","epoch":{epoch},"use":"{in_use:?}","begins":{begins},"ends":{ends}}}"#
            );
        } else {
            println!(
                "id {id:<3} {:<8} epoch {epoch:<5} {:<9} from {begins} to {ends}",
                format!("{kem:?}"),
                format!("{in_use:?}")
            );
        }
    }
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from_unix(Clock::system().now())
}

fn fail(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("discreet-gateway: {error}");
    ExitCode::from(code)
}
