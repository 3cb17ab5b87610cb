//! `discreet-resolver`: administers a directory.

use clap::Parser;
use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    discreet_serve::hide_panic_payloads();
    let command = cli::Command::parse();
    match cli::run(&command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("discreet-resolver: {:#}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}
