//! What commands write: files that name people, and progress bars.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Has `content` written to `file`, or to standard output for `-`. A file is readable by its owner
/// alone, written beside its place, and moved there when it is whole.
pub(super) fn write<T>(
    file: &Path,
    content: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if file == Path::new("-") {
        let mut out = std::io::stdout().lock();
        let done = content(&mut out)?;
        out.flush().context("cannot write to standard output")?;
        return Ok(done);
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write_beside(&partial, file, content);
    if written.is_err() {
        // It names people, and nobody asked for half of it.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_beside<T>(
    partial: &Path,
    file: &Path,
    content: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let context = || format!("cannot write {}", partial.display());
    // A leftover of an interrupted run may have another mode.
    let _ = fs::remove_file(partial);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(partial).with_context(context)?);
    let done = content(&mut out)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).with_context(context)?;
    fs::rename(partial, file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(done)
}

/// A bar on a terminal, nothing elsewhere (`indicatif` hides it when stderr is no terminal).
pub(super) fn bar(length: u64, template: &str) -> ProgressBar {
    ProgressBar::new(length).with_style(style(template))
}

/// A bar for work that says how far it is, from 0 to 1, and who tells it.
pub(super) fn fraction_bar() -> (ProgressBar, impl FnMut(f64)) {
    const STEPS: u64 = 1000;
    let bar = bar(STEPS, "{bar:40} {percent}% {elapsed}");
    let told = bar.clone();
    (bar, move |position: f64| told.set_position((position * STEPS as f64) as u64))
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
