//! Why a command did not do what was asked, in one sentence and one exit code.

use super::contacts::BookError;
use super::output;
use super::stop::Stop;
use discreet_client::{
    AuthorityError, BuildError, CredentialError, Error, Fault, IdentityError, IdentityFileError, InputError,
    KeyFormatError, KeyMismatch, ProfileError, PublishError, RelayError, TokensError,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Nobody is reachable there: no mapping, or one that lists no service.
pub(crate) const NOBODY: u8 = 1;
/// Wrong usage or input; nothing was sent.
pub(crate) const USAGE: u8 = 2;
/// Relay, gateway, directory or authority did not answer.
pub(crate) const UNAVAILABLE: u8 = 3;
/// Something was refused, by us or by them.
pub(crate) const REFUSED: u8 = 4;
/// This machine: profile, identity, state or clock.
pub(crate) const LOCAL: u8 = 5;
/// What is served about the user is not what they published.
pub(crate) const ALARM: u8 = 6;
/// The key is not the one the holder named.
pub(crate) const OTHER_KEY: u8 = 7;
/// A stage of a probe failed.
pub(crate) const PROBE_FAILED: u8 = 8;
/// There are no tokens to pay with, or not yet.
pub(crate) const NO_TOKENS: u8 = 9;
/// Ctrl-C, as shells say it.
const INTERRUPTED: u8 = 130;
/// SIGTERM: for a service manager it is as it should be that a command ends then.
const TERMINATED: u8 = 0;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Tag(#[from] discreet_protocol::mapping::TagError),
    #[error("service number {position} is no MIMI URI like mimi://b.example/u/alice")]
    ReachUri { position: usize },
    #[error("the key of service number {position} is no thumbprint of 64 hex digits")]
    ReachKey { position: usize },
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Unwritten { path: PathBuf, source: std::io::Error },
    #[error("{} holds more than such a file may", path.display())]
    TooLong { path: PathBuf },
    #[error("{} has mode {mode:03o}, so others may read it; run chmod 600 on it", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} holds no {what}", path.display())]
    Content { path: PathBuf, what: &'static str },
    #[error("profile {}: {error}", path.display())]
    Profile { path: PathBuf, error: ProfileError },
    #[error("the policy in {}: {error}", path.display())]
    Policy { path: PathBuf, error: discreet_client::PolicyError },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("no folder to remember in: set HOME, or name one with --state")]
    NoState,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    IdentityFile(#[from] IdentityFileError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the ticket cannot be read: it is 43 characters of base64url")]
    Ticket,
    #[error("the proof is not there yet; run the same command again, it goes on where it stopped")]
    NotConfirmed,
    #[error(transparent)]
    Key(#[from] KeyMismatch),
    #[error(transparent)]
    KeyFormat(#[from] KeyFormatError),
    #[error("the thumbprint must be 64 hex digits")]
    Thumbprint,
    #[error("the answer lists no such service")]
    NoSuchService,
    #[error("nothing arrived that could be judged, not once")]
    NothingSeen,
    #[error("address book {}: {error}", path.display())]
    Book { path: PathBuf, error: BookError },
    #[error("{} holds no progress of contacts sync; remove it to begin anew", path.display())]
    Progress { path: PathBuf },
    #[error("another contacts sync is running with this state folder; wait for it or stop it")]
    Busy,
    #[error("no relay can be reached; run the same command again, it goes on where it stopped")]
    NobodyThere,
    #[error("the system gives no randomness, so there are no random times to ask at")]
    NoRandomness,
    #[error("stopped; run the same command again, it goes on where it stopped")]
    Stopped(Stop),
    #[error("the system does not tell of Ctrl-C and SIGTERM: {0}")]
    Signals(std::io::Error),
}

impl Failure {
    pub(crate) fn stopped(stop: std::io::Result<Stop>) -> Self {
        stop.map_or_else(Self::Signals, Self::Stopped)
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Client(error) | Self::Identity(IdentityError::Client(error)) => client(error),
            Self::Identity(IdentityError::File(_)) | Self::IdentityFile(_) => LOCAL,
            Self::Identity(IdentityError::Credential(error)) | Self::Credential(error) => credential(error),
            Self::Identity(_) => USAGE,
            Self::Authority(error) => authority(error),
            Self::Policy { .. } => REFUSED,
            Self::Profile { .. }
            | Self::Build(_)
            | Self::NoState
            | Self::File { .. }
            | Self::Exposed { .. }
            | Self::Unwritten { .. } => LOCAL,
            Self::NotConfirmed | Self::NothingSeen | Self::NobodyThere => UNAVAILABLE,
            Self::Progress { .. } | Self::Busy | Self::NoRandomness => LOCAL,
            Self::Book { .. } => USAGE,
            Self::Stopped(Stop::Interrupted) => INTERRUPTED,
            Self::Stopped(Stop::Terminated) => TERMINATED,
            Self::Signals(_) => LOCAL,
            Self::Key(KeyMismatch::Other | KeyMismatch::NotNamed) => OTHER_KEY,
            Self::Key(KeyMismatch::Unreadable(_)) | Self::KeyFormat(_) => USAGE,
            Self::Input(_) | Self::Tag(_) | Self::ReachUri { .. } | Self::ReachKey { .. } => USAGE,
            Self::TooLong { .. } | Self::Content { .. } | Self::Ticket => USAGE,
            Self::Thumbprint | Self::NoSuchService => USAGE,
        }
    }

    /// Says it in one sentence on standard error, or as JSON on standard output.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            println!("{}", output::failure(&self.to_string(), self.code()));
        } else {
            eprintln!("discreet: {self}");
        }
        ExitCode::from(self.code())
    }
}

fn client(error: &Error) -> u8 {
    match error.fault() {
        _ if matches!(error, Error::Publish(PublishError::Refused { .. })) => REFUSED,
        _ if matches!(error, Error::Tokens(TokensError::NoneUsable { .. })) => NO_TOKENS,
        Fault::Input => USAGE,
        Fault::Local => LOCAL,
        _ if error.is_refusal() => REFUSED,
        Fault::Relay | Fault::Gateway | Fault::Provider | Fault::Issuer => UNAVAILABLE,
    }
}

fn credential(error: &CredentialError) -> u8 {
    match error {
        CredentialError::NoAuthority | CredentialError::NoCredential | CredentialError::OtherIdentifier => {
            USAGE
        }
        CredentialError::Expired => LOCAL,
        _ => REFUSED,
    }
}

fn authority(error: &AuthorityError) -> u8 {
    match error {
        AuthorityError::Url => USAGE,
        AuthorityError::Build(_) => LOCAL,
        AuthorityError::Exchange(RelayError::Untrusted) | AuthorityError::Answer => REFUSED,
        AuthorityError::Refused { status: 400..500, .. } => REFUSED,
        AuthorityError::Exchange(_) | AuthorityError::Refused { .. } => UNAVAILABLE,
    }
}
