//! The commands of `discreet-resolver`, their progress bars and exit codes.

use anyhow::{Context, anyhow};
use clap::{Parser, Subcommand};
use discreet_protocol::time::Timestamp;
use discreet_resolver::directory::Directory;
use discreet_resolver::import::{LineError, Observer, Summary};
use discreet_resolver::rules::Rules;
use discreet_resolver::{Config, export, import};
use discreet_serve::{Clock, config, secret::create_secret};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Lines were refused; the others are in the directory.
const REFUSED: u8 = 1;
/// The configuration or the command line is wrong; nothing was done.
const USAGE: u8 = 2;
/// The work could not be finished.
const FAILED: u8 = 3;

/// Administer a directory of mappings.
///
/// Exit codes: 0 done; 1 done, but lines were refused; 2 wrong usage or configuration, nothing
/// done; 3 the work could not be finished.
#[derive(Parser)]
#[command(name = "discreet-resolver", version)]
pub(crate) struct Command {
    /// Configuration: TOML with `rules`, `directory` and `pepper`
    #[arg(long, value_name = "FILE", default_value = "resolver.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make the pepper of a new directory, and the directory
    Init,
    /// Read mappings, one JSON object per line, verify each, and keep those that stand
    Import {
        /// The file; `-` reads standard input
        file: PathBuf,
    },
    /// Write all mappings as lines that `import` reads
    Export {
        /// The file, made readable by you alone; `-` writes standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
}

/// Why the command ended early, with its exit code.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) code: u8,
}

fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: USAGE }
}

fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), code: FAILED }
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let mut config: Config = config::load(&command.config).map_err(usage)?;
    config.resolve(config::folder(&command.config));
    match &command.action {
        Action::Init => init(&config),
        Action::Import { file } => {
            let (rules, directory) = discreet_resolver::open(&config).map_err(usage)?;
            run_import(&rules, &directory, file)
        }
        Action::Export { file } => {
            let (_, directory) = discreet_resolver::open(&config).map_err(usage)?;
            run_export(&directory, file)
        }
    }
}

fn init(config: &Config) -> Result<ExitCode, Failure> {
    Rules::load(&config.rules).map_err(usage)?;
    if config.directory.exists() && !config.pepper.exists() {
        return Err(usage(anyhow!(
            "the directory {} exists, but its pepper {} is missing; restore the pepper from its backup",
            config.directory.display(),
            config.pepper.display()
        )));
    }
    if !config.pepper.exists() {
        let mut pepper = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(pepper.as_mut_slice()).map_err(|error| failed(anyhow!("no randomness: {error}")))?;
        create_secret(&config.pepper, &pepper).map_err(failed)?;
        eprintln!("made the pepper {}; back it up, apart from the directory", config.pepper.display());
    }
    discreet_resolver::create(config).map_err(usage)?;
    eprintln!("the directory {} is ready", config.directory.display());
    Ok(ExitCode::SUCCESS)
}

fn run_import(rules: &Rules, directory: &Directory, file: &Path) -> Result<ExitCode, Failure> {
    let (input, size): (Box<dyn Read + Send>, _) = if file == Path::new("-") {
        (Box::new(std::io::stdin()), None)
    } else {
        let input = File::open(file).with_context(|| format!("cannot open {}", file.display()));
        let input = input.map_err(usage)?;
        let size = input.metadata().map(|metadata| metadata.len()).ok();
        (Box::new(input), size)
    };
    let now = Timestamp::from_unix(Clock::system().now());
    let mut observer = Progress { bar: bytes_bar(size) };
    let summary = import::import(directory, rules, now, BufReader::new(input), &mut observer);
    observer.bar.finish_and_clear();
    let summary = summary.map_err(failed)?;
    let Summary { added, replaced, unchanged, refused } = summary;
    println!("{added} added, {replaced} replaced, {unchanged} unchanged, {refused} refused");
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

struct Progress {
    bar: ProgressBar,
}

impl Observer for Progress {
    fn progress(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn refused(&mut self, number: u64, error: LineError) {
        self.bar.suspend(|| eprintln!("line {number}: refused: {error}"));
    }
}

fn run_export(directory: &Directory, file: &Path) -> Result<ExitCode, Failure> {
    const STEPS: u64 = 1000;
    let bar = ProgressBar::new(STEPS).with_style(style("{bar:40} {percent}% {elapsed}"));
    let progress = |position: f64| bar.set_position((position * STEPS as f64) as u64);
    let count = if file == Path::new("-") {
        export::export(directory, std::io::stdout().lock(), progress).map_err(failed)
    } else {
        export_to(directory, file, progress).map_err(failed)
    };
    bar.finish_and_clear();
    eprintln!("{} mappings exported", count?);
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the target and moves it there when it is whole.
fn export_to(directory: &Directory, file: &Path, progress: impl FnMut(f64)) -> anyhow::Result<u64> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let context = || format!("cannot write {}", partial.display());
    // A leftover of an interrupted export may have another mode.
    let _ = fs::remove_file(&partial);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(&partial).with_context(context)?);
    let exported =
        export::export(directory, &mut out, progress).map_err(anyhow::Error::from).and_then(|count| {
            out.flush().and_then(|()| out.get_ref().sync_all()).with_context(context)?;
            fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(count)
        });
    if exported.is_err() {
        // It names people, and nobody asked for half of it.
        let _ = fs::remove_file(&partial);
    }
    exported
}

/// A bar on a terminal, nothing elsewhere (`indicatif` hides it when stderr is no terminal).
fn bytes_bar(size: Option<u64>) -> ProgressBar {
    match size {
        Some(size) => ProgressBar::new(size)
            .with_style(style("{bar:40} {percent}% {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")),
        None => ProgressBar::new_spinner().with_style(style("{spinner} {bytes} {bytes_per_sec}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
