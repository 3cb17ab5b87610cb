//! `discreet watch`: look one's own identifier up at random intervals, and raise the alarm.

use super::common::{Directory, now};
use super::failure::{ALARM, Failure};
use super::wait;
use clap::Args;
use discreet_client::{Finding, Identity, IdentityFile, Query, Tag, Unanswered, judge, watch_delay};
use discreet_protocol::identifier::Domain;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Watch {
    /// The identity file
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    directory: Directory,
    /// Mean of the random time between two looks at one tag
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = hours)]
    interval: Duration,
    /// End after so many looks; without it, never. One that goes unanswered is no alarm; five in a row at
    /// one tag are, if the provider's policy arrives meanwhile
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Watch {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.directory.own_client()?;
        let (mut looked, mut judged) = (0, false);
        let mut unanswered = Unanswered::default();
        loop {
            // Read anew each time: it may have been published from meanwhile.
            let identity = IdentityFile::read(&self.identity)?;
            let policy = client.policy().await;
            let domain = policy.as_ref().ok().map(|policy| policy.domain.clone());
            let tag = draw(&identity)?;
            let avoid = domain.as_ref().and_then(|domain| relay(&identity, &tag, domain));
            let asked = Some(tag.clone()).filter(|tag| !tag.is_default());
            let query = Query { csi: identity.csi().clone(), tag: asked };
            let (finding, error) = match domain {
                Some(domain) => {
                    let answer = client.lookup_avoiding(query, avoid.as_deref()).await;
                    let finding = judge(&identity, &tag, &domain, &answer, now());
                    let error = answer.err();
                    (unanswered.count(&tag, finding, error.as_ref()), error)
                }
                None => (Finding::Unknown, policy.err()),
            };
            let error = error.map(|error| error.to_string());
            say(&finding, &tag, error.as_deref(), json);
            if finding.is_alarm() {
                return Ok(ExitCode::from(ALARM));
            }
            (looked, judged) = (looked + 1, judged || finding != Finding::Unknown);
            if self.count.is_some_and(|count| looked >= count) {
                return if judged { Ok(ExitCode::SUCCESS) } else { Err(Failure::NothingSeen) };
            }
            // A timer for each tag: together they are one that is so many times as fast.
            let tags = u32::try_from(identity.tags().count()).unwrap_or(1).max(1);
            wait::with_bar(watch_delay(self.interval / tags)?, "next look").await;
        }
    }
}

/// One of the tags, evenly drawn: all at once would tell that they are one person's.
fn draw(identity: &Identity) -> Result<Tag, Failure> {
    let mut tags: Vec<_> = identity.tags().cloned().collect();
    let mut drawn = [0; 4];
    let _ = getrandom::fill(&mut drawn);
    let at = u32::from_le_bytes(drawn) as usize % tags.len().max(1);
    Ok(if tags.is_empty() { Tag::default_tag() } else { tags.swap_remove(at) })
}

/// The relay the tag was published through, if that is known.
fn relay(identity: &Identity, tag: &Tag, domain: &Domain) -> Option<String> {
    let attempts = identity.attempts(tag, domain).iter();
    attempts.chain(identity.published(tag, domain)).find_map(|published| published.relay.clone())
}

fn say(finding: &Finding, tag: &Tag, error: Option<&str>, json: bool) {
    if json {
        println!(
            "{}",
            json!({
                "finding": finding.name(),
                "alarm": finding.is_alarm(),
                "tag": tag.as_str(),
                "say": finding.to_string(),
                "error": error,
            })
        );
    }
    match finding {
        Finding::Fine if json => {}
        Finding::Fine => println!("fine (tag {}): {finding}", tag.as_str()),
        Finding::Unknown => eprintln!("discreet: {finding}: {}", error.unwrap_or_default()),
        alarm => eprintln!("discreet: alarm (tag {}): {alarm}", tag.as_str()),
    }
}

fn hours(text: &str) -> Result<Duration, String> {
    let hours: f64 = text.parse().map_err(|_| "not a number of hours".to_owned())?;
    let seconds = hours * 3600.0;
    if hours > 0.0 && hours <= 24.0 * 365.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("more than 0 hours, and at most a year".to_owned())
    }
}
