//! `discreet lookup`: where can this person be reached?

use super::common::{Directory, now};
use super::failure::{Failure, NOBODY};
use super::output;
use clap::Args;
use discreet_client::{Outcome, Query, Tag, normalise};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Lookup {
    /// Whom: +14155550123, alice@a.example, or a national number with --region
    identifier: String,
    #[command(flatten)]
    directory: Directory,
    /// The purpose you ask for; without it, or where the recipient has none for it, you get Default
    #[arg(long)]
    tag: Option<String>,
    /// Two-letter region that completes national numbers, such as DE
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Ask, even if there is an answer from before that may still be used. Each question costs what the
    /// provider asks for one, and shows a relay that you ask somebody now
    #[arg(long)]
    fresh: bool,
}

impl Lookup {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let normalised = normalise(&self.identifier, self.region.as_deref())?;
        let tag = self.tag.as_deref().map(Tag::new).transpose()?;
        let client = self.directory.client()?;
        if normalised.implausible {
            eprintln!(
                "discreet: warning: this does not look like a number of its country; asking all the same"
            );
        }
        let query = Query { csi: normalised.csi, tag };
        let recalled = if self.fresh { None } else { client.recall(&query)? };
        let asked_at = recalled.as_ref().map(|recalled| recalled.asked_at);
        let answer = match recalled {
            Some(recalled) => recalled.answer,
            None => client.lookup(query).await?,
        };
        if json {
            println!("{}", output::json_from(&answer, asked_at));
        } else {
            output::text(&answer);
        }
        if let Some(asked_at) = asked_at.filter(|_| !json) {
            println!("  {}", output::from_cache(asked_at, now()));
        }
        Ok(match answer.outcome() {
            Outcome::NoMapping | Outcome::NoService => ExitCode::from(NOBODY),
            Outcome::SeveralMappings if answer.mappings.iter().all(|found| found.services.is_empty()) => {
                ExitCode::from(NOBODY)
            }
            Outcome::OneService | Outcome::SeveralServices | Outcome::SeveralMappings => ExitCode::SUCCESS,
        })
    }
}
