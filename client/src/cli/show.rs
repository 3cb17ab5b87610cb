//! `discreet show`: what this identity published, and what the directory serves of it.

use super::common::{now, own_client};
use super::failure::{ALARM, Failure};
use super::output::{self, date};
use clap::Args;
use discreet_client::{
    Answer, Client, Error, Finding, FoundMapping, Identity, IdentityFile, Published, Query, Tag, judge,
};
use discreet_protocol::identifier::Domain;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Show {
    /// The identity file
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Also look up what the directory of this profile serves, and take over what a later copy of this
    /// identity has published
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// As for lookup
    #[arg(long, value_name = "FOLDER", requires = "profile")]
    state: Option<PathBuf>,
}

/// What the directory serves for one tag.
struct Served {
    tag: Tag,
    answer: Result<Answer, Error>,
    finding: Finding,
}

impl Show {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let Some(profile) = &self.profile else {
            print(&IdentityFile::read(&self.identity)?, &[], json);
            return Ok(ExitCode::SUCCESS);
        };
        let client = own_client(profile, self.state.as_deref())?;
        let domain = client.policy().await?.domain;
        let mut file = IdentityFile::open(&self.identity)?;
        let mut served = look(&client, file.identity(), &domain).await;
        if served.iter().any(|served| later(&served.answer, file.identity(), &domain)) {
            file.update(|identity| {
                for found in served.iter().flat_map(found) {
                    identity.catch_up(&domain, found, now());
                }
                Ok::<_, Failure>(())
            })?;
            for one in &mut served {
                one.finding = judge(file.identity(), &one.tag, &domain, &one.answer, now());
            }
            eprintln!("discreet: the directory has something later than this file had noted; taken over");
        }
        print(file.identity(), &served, json);
        if let Some(alarm) = served.iter().find(|served| served.finding.is_alarm()) {
            eprintln!("discreet: alarm: {}", alarm.finding);
            return Ok(ExitCode::from(ALARM));
        }
        match served.into_iter().find_map(|served| served.answer.err()) {
            Some(error) => Err(error.into()),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Each tag by itself, as a sender would, and not through the relay it was published through.
async fn look(client: &Client, identity: &Identity, domain: &Domain) -> Vec<Served> {
    let mut tags: Vec<_> = identity.tags().cloned().collect();
    if !tags.iter().any(Tag::is_default) {
        tags.insert(0, Tag::default_tag());
    }
    let mut all = Vec::new();
    for tag in tags {
        let avoid = identity.published(&tag, domain).and_then(|published| published.relay.as_deref());
        let query =
            Query { csi: identity.csi().clone(), tag: Some(tag.clone()).filter(|tag| !tag.is_default()) };
        let answer = client.lookup_avoiding(query, avoid).await;
        let finding = judge(identity, &tag, domain, &answer, now());
        all.push(Served { tag, answer, finding });
    }
    all
}

fn found(served: &Served) -> &[FoundMapping] {
    served.answer.as_ref().map_or(&[], |answer| &answer.mappings)
}

/// Whether the directory has something of this key that is later than what this file knows.
fn later(answer: &Result<Answer, Error>, identity: &Identity, domain: &Domain) -> bool {
    answer
        .iter()
        .flat_map(|answer| &answer.mappings)
        .any(|found| identity.clone().catch_up(domain, found, now()))
}

fn print(identity: &Identity, served: &[Served], json: bool) {
    if json {
        let all: Vec<Value> = served.iter().map(served_json).collect();
        let all = if served.is_empty() { Value::Null } else { all.into() };
        return println!("{}", json!({ "published": published_json(identity), "served": all }));
    }
    println!("{}, by this identity file:", identity.csi().value());
    if identity.tags().next().is_none() {
        println!("  nothing published");
    }
    for tag in identity.tags() {
        for domain in identity.domains(tag) {
            text(identity, tag, domain);
        }
    }
    for served in served {
        let tag = served.tag.as_str();
        match &served.answer {
            Ok(answer) => {
                println!("asked for tag {tag}, the directory serves:");
                output::text(answer);
            }
            Err(error) => println!("asked for tag {tag}, the directory's answer is none: {error}"),
        }
    }
}

fn text(identity: &Identity, tag: &Tag, domain: &Domain) {
    let published = identity.published(tag, domain);
    let state = published.map_or("nothing taken in", state);
    let open = if identity.attempts(tag, domain).is_empty() {
        ""
    } else {
        "; the last attempt's outcome is unknown"
    };
    let at = published.map(|published| format!(", {}", date(published.at))).unwrap_or_default();
    println!("  {domain}, tag {}: {state}{at}{open}", tag.as_str());
    let mapping = published.and_then(Published::claims);
    for (at, reach) in mapping.iter().flat_map(|mapping| mapping.reaches.iter().enumerate()) {
        println!("    {}. {}", at + 1, reach.uri);
    }
}

fn state(published: &Published) -> &'static str {
    match published.claims() {
        None => "withdrawn",
        Some(mapping) if now() >= mapping.not_after => "expired",
        Some(mapping) if mapping.serve_as_not_found => "served as not found",
        Some(mapping) if mapping.reaches.is_empty() => "published, lists nobody",
        Some(_) => "published",
    }
}

fn published_json(identity: &Identity) -> Value {
    let one = |tag: &Tag, domain: &Domain| {
        let published = identity.published(tag, domain);
        let reaches = published.and_then(Published::claims).map(|mapping| mapping.reaches);
        let services = reaches.map(|list| list.iter().map(|reach| reach.uri.to_string()).collect::<Vec<_>>());
        json!({
            "tag": tag.as_str(),
            "domain": domain.as_str(),
            "state": published.map(state),
            "serial": published.map(|published| published.serial),
            "at": published.map(|published| published.at.unix()),
            "services": services,
            "unknown_attempts": identity.attempts(tag, domain).len(),
        })
    };
    let tags = identity.tags();
    tags.flat_map(|tag| identity.domains(tag).map(move |domain| one(tag, domain))).collect()
}

fn served_json(served: &Served) -> Value {
    json!({
        "tag": served.tag.as_str(),
        "finding": served.finding.name(),
        "answer": served.answer.as_ref().ok().map(output::json),
        "error": served.answer.as_ref().err().map(ToString::to_string),
    })
}
