//! `discreet identity`: the file that holds the key. The key itself is never shown.

use super::common::now;
use super::failure::Failure;
use super::output::{self, date};
use clap::{Args, Subcommand};
use discreet_client::{CredentialState, Identity as Key, IdentityFile, IdentityFileError, normalise};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Identity {
    /// Make a new key for one identifier of yours, in a file that only you can read
    New(New),
    /// Show whose it is, its public key, its credential and its tags; never the secret
    Show {
        /// The identity file
        file: PathBuf,
    },
    /// Copy the identity to a place that survives this machine. Whoever has the copy can publish for you
    Backup {
        /// The identity file
        file: PathBuf,
        /// The copy; an existing file is left alone
        copy: PathBuf,
    },
    /// Put a backup to use again. Use one copy only: two would take the same serials
    Restore {
        /// The backup
        copy: PathBuf,
        /// The identity file to make; an existing file is left alone
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct New {
    /// The file to make; an existing one is left alone
    file: PathBuf,
    /// Your phone number or e-mail address
    #[arg(long)]
    identifier: String,
    /// Two-letter region that completes a national number, such as DE
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

impl Identity {
    pub(crate) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        match self {
            Self::New(new) => new.run(json)?,
            Self::Show { file } => show(&IdentityFile::read(file)?, json),
            Self::Backup { file, copy } => {
                IdentityFile::create(copy, &IdentityFile::read(file)?)?;
                done(json, copy, "backed up to", "keep it as you keep keys");
            }
            Self::Restore { copy, file } => {
                let mut identity = IdentityFile::read(copy)?;
                identity.restored()?;
                IdentityFile::create(file, &identity)?;
                done(
                    json,
                    file,
                    "restored to",
                    "`discreet show --profile` takes over what was published since",
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl New {
    fn run(&self, json: bool) -> Result<(), Failure> {
        if self.file.exists() {
            return Err(IdentityFileError::Exists { path: self.file.clone() }.into());
        }
        let normalised = normalise(&self.identifier, self.region.as_deref())?;
        if normalised.implausible {
            eprintln!("discreet: warning: this does not look like a number of its country");
        }
        let identity = Key::generate(normalised.csi)?;
        IdentityFile::create(&self.file, &identity)?;
        if json {
            println!("{}", as_json(&identity));
        } else {
            println!("made {} for {}", self.file.display(), identity.csi().value());
            println!("next: discreet credential get --identity {} --authority URL", self.file.display());
        }
        Ok(())
    }
}

fn done(json: bool, path: &Path, what: &str, advice: &str) {
    if json {
        println!("{}", json!({ "file": path.display().to_string() }));
    } else {
        println!("{what} {}; {advice}", path.display());
    }
}

fn show(identity: &Key, json: bool) {
    if json {
        return println!("{}", as_json(identity));
    }
    println!("identifier  {}", output::Bold::new().of(identity.csi().value()));
    println!("key         {}", hex::encode(identity.holder().to_bytes()));
    println!("credential  {}", credential(identity));
    for tag in identity.tags() {
        let domains: Vec<_> = identity.domains(tag).map(ToString::to_string).collect();
        println!("tag         {} ({})", tag.as_str(), domains.join(", "));
    }
}

/// How the credential is, in one line.
pub(crate) fn credential(identity: &Key) -> String {
    let authority = identity.authority().map(|authority| authority.name.to_string()).unwrap_or_default();
    match (identity.credential_state(now()), identity.credential()) {
        (CredentialState::None, _) | (_, None) if identity.pending().is_some() => {
            format!("pending at {authority}: `discreet credential get` goes on")
        }
        (CredentialState::None, _) | (_, None) => "none yet: `discreet credential get`".to_owned(),
        (CredentialState::Revoked, _) => format!("revoked by {authority}"),
        (CredentialState::Expired, Some(said)) => format!("by {authority}, expired {}", date(said.expires)),
        (CredentialState::Stands, Some(said)) => format!("by {authority}, until {}", date(said.expires)),
    }
}

pub(crate) fn as_json(identity: &Key) -> Value {
    let state = match identity.credential_state(now()) {
        CredentialState::None if identity.pending().is_some() => "pending",
        CredentialState::None => "none",
        CredentialState::Stands => "stands",
        CredentialState::Expired => "expired",
        CredentialState::Revoked => "revoked",
    };
    let claims = identity.credential();
    json!({
        "identifier": identity.csi().uri(),
        "key": hex::encode(identity.holder().to_bytes()),
        "authority": identity.authority().map(|authority| authority.name.to_string()),
        "credential": state,
        "expires": claims.as_ref().map(|claims| claims.expires.unix()),
        "proved_at": claims.as_ref().map(|claims| claims.proved_at.unix()),
        "holder_since": claims.as_ref().map(|claims| claims.holder_since.unix()),
        "tags": identity.tags().map(discreet_client::Tag::as_str).collect::<Vec<_>>(),
    })
}
