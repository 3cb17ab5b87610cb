//! `discreet publish`: sign where the user can be reached, and send it like a lookup.

use super::common::{self, Directory, now, statement};
use super::failure::Failure;
use super::wait;
use clap::Args;
use discreet_client::{
    Draft, Error, IdentityFile, MimiUri, PublishError, Reach, RelayError, Sent, Tag, Taken, publish_delay,
};
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::DAY;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Publish {
    /// The identity file
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    directory: Directory,
    /// A service, most preferred first (or --nobody, or --not-found): mimi://b.example/u/alice, with ,key=THUMBPRINT (64 hex digits) and
    /// ,endorsement=FILE if you have them. A device: mimi://b.example/d/…
    #[arg(long, value_name = "URI[,key=HEX][,endorsement=FILE]", required_unless_present_any = ["nobody", "not_found"])]
    reach: Vec<String>,
    /// The purpose; without it Default, which senders get who ask for nothing else
    #[arg(long)]
    tag: Option<String>,
    /// Look absent to those who ask for this tag
    #[arg(long)]
    not_found: bool,
    /// List no service: "I exist, and can be reached nowhere"
    #[arg(long, conflicts_with = "reach")]
    nobody: bool,
    /// For how many days senders may use the answer without asking again, 1 to 90
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=90))]
    refresh_after: u64,
    /// Publish at once instead of at a random moment within the hour
    #[arg(long)]
    now: bool,
}

impl Publish {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let draft = self.draft()?;
        let client = self.directory.own_client()?;
        let policy = client.policy().await?;
        // Whatever is wrong is said now, not in an hour.
        IdentityFile::read(&self.identity)?.mapping(&draft, &policy, now())?;
        if !self.now {
            delay(json).await;
        }
        let policy = client.policy().await?;
        let mut file = IdentityFile::open(&self.identity)?;
        let mapping = file.mapping(&draft, &policy, now())?;
        let sent = client.publish(mapping, None).await;
        conclude(&mut file, Some(&draft.tag), &policy.domain, sent)?;
        let tag = draft.tag.as_str();
        if json {
            println!("{}", json!({ "published": true, "tag": tag, "domain": policy.domain.as_str() }));
        } else {
            println!("published in {} (tag {tag}); the next lookup finds it", policy.domain);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn draft(&self) -> Result<Draft, Failure> {
        let tag = self.tag.as_deref().map_or_else(|| Ok(Tag::default_tag()), Tag::new)?;
        let reaches = self.reach.iter().enumerate().map(|(at, text)| reach(text, at + 1));
        Ok(Draft {
            tag,
            reaches: reaches.collect::<Result<_, _>>()?,
            refresh_after: self.refresh_after * DAY,
            serve_as_not_found: self.not_found,
        })
    }
}

/// `URI[,key=HEX][,endorsement=FILE]`. A URI may hold commas, so the options are found by name.
pub(crate) fn reach(text: &str, position: usize) -> Result<Reach, Failure> {
    let (text, endorsement) = match text.split_once(",endorsement=") {
        Some((text, path)) => (text, Some(endorsement(Path::new(path))?)),
        None => (text, None),
    };
    let (uri, key) = match text.split_once(",key=") {
        Some((uri, key)) => (uri, Some(key)),
        None => (text, None),
    };
    let uri = MimiUri::new(uri).map_err(|_| Failure::ReachUri { position })?;
    let thumbprint = match key {
        Some(digits) => {
            let mut thumbprint = [0; 32];
            let decoded = hex::decode_to_slice(digits, &mut thumbprint);
            decoded.map_err(|_| Failure::ReachKey { position })?;
            Some(thumbprint)
        }
        None => None,
    };
    Ok(Reach { uri, thumbprint, endorsement })
}

fn endorsement(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = statement(common::read(path)?);
    content.ok_or_else(|| Failure::Content { path: path.to_owned(), what: "endorsement" })
}

/// Waits for a random moment within the hour, and says which.
pub(crate) async fn delay(json: bool) {
    let delay = publish_delay();
    if !json {
        let minutes = delay.as_secs().div_ceil(60).max(1);
        eprintln!(
            "sending within {minutes} min, at a moment drawn at random; Ctrl-C: nothing is sent; --now: at once"
        );
    }
    wait::with_bar(delay, "sending").await;
}

/// Keeps what became of what was sent.
pub(crate) fn conclude(
    file: &mut IdentityFile,
    tag: Option<&Tag>,
    domain: &Domain,
    sent: Result<Sent, Error>,
) -> Result<(), Failure> {
    let (relay, outcome) = match sent {
        Ok(Sent { relay, outcome }) => (relay, outcome),
        Err(error) => {
            file.conclude(tag, domain, "", Taken::No)?;
            return Err(error.into());
        }
    };
    let taken = match &outcome {
        Ok(()) => Taken::Yes,
        Err(Error::Publish(PublishError::Refused { .. } | PublishError::TooLarge { .. })) => Taken::No,
        // Nothing was sent.
        Err(Error::Relay { error: RelayError::Unreachable | RelayError::Untrusted, .. }) => Taken::No,
        Err(_) => Taken::Unknown,
    };
    file.conclude(tag, domain, &relay, taken)?;
    if matches!(&outcome, Err(Error::Publish(PublishError::Refused { status: 409, .. }))) {
        eprintln!(
            "discreet: if another copy of this identity was in use, `discreet show --profile` catches up"
        );
    }
    if taken == Taken::Unknown {
        eprintln!("discreet: it may have been taken in all the same; to be sure, run the command again");
    }
    Ok(outcome?)
}
