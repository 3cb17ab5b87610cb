//! `discreet withdraw`: be found no more.

use super::common::{Directory, now};
use super::failure::Failure;
use super::publish::{conclude, delay};
use clap::Args;
use discreet_client::{IdentityFile, Tag};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Withdraw {
    /// The identity file
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    directory: Directory,
    /// Withdraw the mapping for this tag only; without it, all
    #[arg(long)]
    tag: Option<String>,
    /// Withdraw at once instead of at a random moment within the hour
    #[arg(long)]
    now: bool,
}

impl Withdraw {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let tag = self.tag.as_deref().map(Tag::new).transpose()?;
        let client = self.directory.own_client()?;
        let policy = client.policy().await?;
        // Whatever is wrong is said now, not in an hour.
        IdentityFile::read(&self.identity)?.withdrawal(tag.as_ref(), &policy, now())?;
        if !self.now {
            delay(json).await;
        }
        let policy = client.policy().await?;
        let mut file = IdentityFile::open(&self.identity)?;
        let withdrawal = file.withdrawal(tag.as_ref(), &policy, now())?;
        let sent = client.withdraw(withdrawal, None).await;
        conclude(&mut file, tag.as_ref(), &policy.domain, sent)?;
        let tag = tag.as_ref().map(Tag::as_str);
        if json {
            println!("{}", json!({ "withdrawn": true, "tag": tag, "domain": policy.domain.as_str() }));
        } else {
            let what = tag.map_or("everything".to_owned(), |tag| format!("tag {tag}"));
            println!("withdrawn from {}: {what}", policy.domain);
        }
        Ok(ExitCode::SUCCESS)
    }
}
