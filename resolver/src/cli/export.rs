//! `export`: the directory as lines.

use super::output::{fraction_bar, write};
use super::{Failure, failed, now};
use discreet_resolver::directory::Directory;
use discreet_resolver::export::export;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(directory: &Directory, file: &Path) -> Result<ExitCode, Failure> {
    let (bar, progress) = fraction_bar();
    let count = write(file, |out| Ok(export(directory, now(), out, progress)?));
    bar.finish_and_clear();
    eprintln!("{} mappings exported", count.map_err(failed)?);
    Ok(ExitCode::SUCCESS)
}
