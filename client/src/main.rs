//! `discreet`: private lookups from the command line.

use clap::Parser;
use std::process::ExitCode;

mod cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A panic's message may quote what was looked up; its place does not.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("discreet: panic at {}:{}", place.file(), place.line()),
        None => eprintln!("discreet: panic"),
    }));
    let command = cli::Command::parse();
    match cli::run(&command).await {
        Ok(code) => code,
        Err(failure) => failure.report(command.json()),
    }
}
