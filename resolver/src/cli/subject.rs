//! `subject`: what is held about one person. The identifier is never repeated in what is said.

use super::output::write;
use super::{Failure, failed, now, usage};
use anyhow::{Context, anyhow};
use discreet_protocol::identifier::Csi;
use discreet_resolver::directory::Directory;
use discreet_resolver::subject;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// No identifier is longer.
const MAX_INPUT: u64 = 1024;

/// The identifier on the command line, or on standard input, where the process list does not show it.
pub(super) fn identifier(argument: &str) -> Result<Csi, Failure> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        let read = std::io::stdin().take(MAX_INPUT).read_to_string(&mut text);
        read.context("cannot read the identifier from standard input").map_err(usage)?;
    }
    Csi::from_uri(text.trim()).map_err(|error| usage(anyhow!("the identifier: {error}")))
}

pub(super) fn export(directory: &Directory, csi: &Csi, file: &Path) -> Result<ExitCode, Failure> {
    let lines = subject::export(directory, csi).map_err(failed)?;
    let written = write(file, |out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}")).context("cannot write what is held")
    });
    written.map_err(failed)?;
    eprintln!("{} lines about the identifier", lines.len());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn erase(directory: &Directory, csi: &Csi) -> Result<ExitCode, Failure> {
    let count = subject::erase(directory, csi, now()).map_err(failed)?;
    println!("{count} mappings erased");
    if !directory.forget().map_err(failed)? {
        eprintln!("the log still holds the old row, sealed: somebody is reading it; run this again");
    }
    Ok(ExitCode::SUCCESS)
}
