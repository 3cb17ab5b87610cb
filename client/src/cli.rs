//! The command `discreet`: options, files and exit codes.

use clap::{Args, Parser, Subcommand};
use discreet_client::{
    BuildError, Client, Error, Fault, FolderStorage, InputError, Outcome, Profile, ProfileError, Query, Tag,
    normalise,
};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod show;

/// Nobody is reachable there: no mapping, or one that lists no service.
const NOBODY: u8 = 1;
/// Wrong usage or input; nothing was sent.
const USAGE: u8 = 2;
/// Relay, gateway or directory did not answer.
const UNAVAILABLE: u8 = 3;
/// Something arrived and was refused, because it does not verify.
const REFUSED: u8 = 4;
/// This machine: profile, state or clock.
const LOCAL: u8 = 5;

const EXIT_CODES: &str = "Exit codes:
  0  reachable: at least one service was found and verified
  1  not reachable: no mapping, or one that lists no service
  2  wrong usage or input; nothing was sent
  3  relay, gateway or directory did not answer
  4  an answer arrived and was refused, because it does not verify
  5  this machine's profile, state or clock cannot be used";

/// Find where a person can be reached, without any server learning who asked.
#[derive(Parser)]
#[command(name = "discreet", version, after_help = EXIT_CODES)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Look up a phone number or an e-mail address
    #[command(after_help = EXIT_CODES)]
    Lookup(Lookup),
}

#[derive(Args)]
struct Lookup {
    /// Whom: +14155550123, alice@a.example, or a national number with --region
    identifier: String,
    /// The profile (TOML): discovery domain, directory key, relays
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// The purpose you ask for; without it, or where the recipient has none for it, you get Default
    #[arg(long)]
    tag: Option<String>,
    /// Two-letter region that completes national numbers, such as DE
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Folder that remembers what was seen, to notice rollbacks and new holders. It tells whom you
    /// looked up
    /// [default: $XDG_STATE_HOME/discreet or ~/.local/state/discreet]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Lookup(#[from] Error),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Tag(#[from] discreet_protocol::mapping::TagError),
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("profile {}: {error}", path.display())]
    Profile { path: PathBuf, error: ProfileError },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("no folder to remember in: set HOME, or name one with --state")]
    NoState,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Input(_) | Self::Tag(_) => USAGE,
            Self::File { .. } | Self::Profile { .. } | Self::Build(_) | Self::NoState => LOCAL,
            Self::Lookup(error) => match error.fault() {
                Fault::Input => USAGE,
                Fault::Local => LOCAL,
                _ if error.is_refusal() => REFUSED,
                Fault::Relay | Fault::Gateway | Fault::Provider => UNAVAILABLE,
            },
        }
    }

    /// Says it in one sentence on standard error, or as JSON on standard output.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            println!("{}", show::failure(&self.to_string(), self.code()));
        } else {
            eprintln!("discreet: {self}");
        }
        ExitCode::from(self.code())
    }
}

impl Command {
    pub(crate) fn json(&self) -> bool {
        let Action::Lookup(lookup) = &self.action;
        lookup.json
    }
}

pub(crate) async fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Action::Lookup(lookup) = &command.action;
    run_lookup(lookup).await
}

async fn run_lookup(lookup: &Lookup) -> Result<ExitCode, Failure> {
    let normalised = normalise(&lookup.identifier, lookup.region.as_deref())?;
    let tag = lookup.tag.as_deref().map(Tag::new).transpose()?;
    let client = client(&lookup.profile, lookup.state.as_deref())?;
    if normalised.implausible {
        eprintln!("discreet: warning: this does not look like a number of its country; asking all the same");
    }
    let query = Query { csi: normalised.csi, tag };
    let answer = client.lookup(query).await?;
    if lookup.json {
        println!("{}", show::json(&answer));
    } else {
        show::text(&answer);
    }
    Ok(match answer.outcome() {
        Outcome::NoMapping | Outcome::NoService => ExitCode::from(NOBODY),
        Outcome::SeveralMappings if answer.mappings.iter().all(|mapping| mapping.services.is_empty()) => {
            ExitCode::from(NOBODY)
        }
        Outcome::OneService | Outcome::SeveralServices | Outcome::SeveralMappings => ExitCode::SUCCESS,
    })
}

fn client(path: &Path, state: Option<&Path>) -> Result<Client, Failure> {
    let refuse = |error| Failure::Profile { path: path.to_owned(), error };
    let file = Profile::parse(&String::from_utf8_lossy(&read(path)?)).map_err(refuse)?;
    let profile = Profile::check(&file).map_err(refuse)?;
    let state = state.map(Path::to_owned).or_else(default_state).ok_or(Failure::NoState)?;
    let mut builder = Client::builder(profile).storage(FolderStorage::new(state));
    if let Some(ca) = file.ca {
        let folder = path.parent().unwrap_or(Path::new(""));
        builder = builder.ca(read(&folder.join(ca))?);
    }
    Ok(builder.build()?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// XDG Base Directory Specification; relative values of the variable are to be ignored.
fn default_state() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local/state")))
        .map(|path| path.join("discreet"))
}
