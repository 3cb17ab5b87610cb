//! `discreet`: private lookups from the command line.

use clap::Parser;
use std::process::ExitCode;

mod cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = cli::Command::parse();
    match cli::run(&command).await {
        Ok(code) => code,
        Err(failure) => failure.report(command.json()),
    }
}
