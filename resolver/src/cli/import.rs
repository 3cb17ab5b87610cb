//! `import`: lines into the directory.

use super::output::{bar, style};
use super::{Failure, REFUSED, failed, now, usage};
use anyhow::Context;
use discreet_resolver::directory::Directory;
use discreet_resolver::import::{LineError, Observer, Source, Summary, import};
use discreet_resolver::rules::Rules;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

pub(super) fn run(
    rules: &Rules,
    directory: &Directory,
    file: &Path,
    own_export: bool,
) -> Result<ExitCode, Failure> {
    let (input, size): (Box<dyn Read + Send>, _) = if file == Path::new("-") {
        (Box::new(std::io::stdin()), None)
    } else {
        let input = File::open(file).with_context(|| format!("cannot open {}", file.display()));
        let input = input.map_err(usage)?;
        let size = input.metadata().map(|metadata| metadata.len()).ok();
        (Box::new(input), size)
    };
    let mut observer = Progress { bar: bytes_bar(size), start: Instant::now() };
    let source = if own_export { Source::Own } else { Source::Anybody };
    let summary = import(source, directory, rules, now(), BufReader::new(input), &mut observer);
    observer.bar.finish_and_clear();
    let Summary { added, replaced, withdrawn, unchanged, refused } = summary.map_err(failed)?;
    println!(
        "{added} added, {replaced} replaced, {withdrawn} withdrawn, {unchanged} unchanged, {refused} refused"
    );
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Observer for Progress {
    fn progress(&mut self, bytes: u64, lines: u64) {
        self.bar.set_position(bytes);
        let rate = lines as f64 / self.start.elapsed().as_secs_f64();
        self.bar.set_message(format!("{rate:.0} mappings/s"));
    }

    fn refused(&mut self, number: u64, error: LineError) {
        self.bar.suspend(|| eprintln!("line {number}: refused: {error}"));
    }
}

fn bytes_bar(size: Option<u64>) -> ProgressBar {
    match size {
        Some(size) => bar(size, "{bar:40} {percent}% {bytes}/{total_bytes} {msg} eta {eta}"),
        None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes} {msg}")),
    }
}
