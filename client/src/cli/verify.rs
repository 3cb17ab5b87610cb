//! `discreet verify`: check a mapping by itself, step by step.

use super::common::{self, base64, now, own_client, statement};
use super::failure::{Failure, REFUSED};
use super::output::{Bold, date};
use clap::Args;
use discreet_client::{Policy, PolicyError};
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::open;
use discreet_protocol::verify::{Step, Verified, VerifyError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// All steps, in the order in which they are taken.
const STEPS: [Step; 9] = [
    Step::Form,
    Step::Asked,
    Step::Authority,
    Step::Credential,
    Step::CredentialTimes,
    Step::Status,
    Step::Signature,
    Step::Audience,
    Step::Validity,
];

#[derive(Args)]
pub(crate) struct Verify {
    /// The mapping: a line of an export, or the statement, binary or in base64url; - is standard input
    file: PathBuf,
    /// The profile (TOML): discovery domain, directory key, relays
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// A signed policy in a file, instead of fetching it: nothing is sent then
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The authority's status, binary or in base64url, where FILE has none
    #[arg(long, value_name = "FILE")]
    status: Option<PathBuf>,
    /// As for lookup
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

/// A line of the import format.
#[derive(Deserialize)]
struct Line {
    mapping: String,
    status: String,
}

impl Verify {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let mapping = self.mapping()?;
        let policy = match &self.policy {
            Some(path) => self.offline(path)?,
            None => own_client(&self.profile, self.state.as_deref())?.policy().await?,
        };
        let mut passed = Vec::new();
        let verifier = policy.verifier(now());
        let result = verifier.explain(mapping.mapping(), mapping.status(), None, |step| passed.push(step));
        if json {
            println!("{}", as_json(&passed, &result));
        } else {
            text(&passed, &result);
        }
        Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
    }

    fn mapping(&self) -> Result<VerifiableMapping, Failure> {
        let refuse = |path: &Path, what| Failure::Content { path: path.to_owned(), what };
        let bytes = common::read(&self.file)?;
        let status = match &self.status {
            Some(path) => Some(statement(common::read(path)?).ok_or_else(|| refuse(path, "statement"))?),
            None => None,
        };
        if !bytes.trim_ascii_start().starts_with(b"{") {
            let mapping = statement(bytes).ok_or_else(|| refuse(&self.file, "mapping"))?;
            return Ok(VerifiableMapping::new(mapping, status.unwrap_or_default()));
        }
        let line = serde_json::from_slice::<Line>(&bytes).ok();
        let line = line.and_then(|line| Some((base64(&line.mapping)?, base64(&line.status)?)));
        let (mapping, its_status) = line.ok_or_else(|| refuse(&self.file, "mapping"))?;
        Ok(VerifiableMapping::new(mapping, status.unwrap_or(its_status)))
    }

    /// The policy in a file, by the profile's directory key.
    fn offline(&self, path: &Path) -> Result<Policy, Failure> {
        let refuse = |error: PolicyError| Failure::Policy { path: path.to_owned(), error };
        let (profile, _) = common::profile(&self.profile)?;
        let bytes = statement(common::read(path)?);
        let bytes = bytes.ok_or_else(|| Failure::Content { path: path.to_owned(), what: "policy" })?;
        let policy = open::<Policy>(&bytes, profile.directory_key()).map_err(|error| refuse(error.into()))?;
        if policy.domain != *profile.domain() {
            return Err(refuse(PolicyError::Domain));
        }
        policy.check_validity(now()).map_err(|error| refuse(error.into()))?;
        Ok(policy)
    }
}

/// The step at which it ended, if it did.
fn failed(passed: &[Step], result: &Result<Verified, VerifyError>) -> Option<Step> {
    result.as_ref().err()?;
    STEPS.iter().find(|step| !passed.contains(step)).copied()
}

fn text(passed: &[Step], result: &Result<Verified, VerifyError>) {
    for step in passed.iter().filter(|step| **step != Step::Asked) {
        println!("ok      {step}");
    }
    let (step, found) = (failed(passed, result), result.as_ref());
    match found {
        Err(error) => println!("FAILED  {}: {error}", step.map(|step| step.to_string()).unwrap_or_default()),
        Ok(found) => describe(found),
    }
}

fn describe(found: &Verified) {
    let bold = Bold::new();
    let (mapping, credential) = (&found.mapping, &found.credential);
    println!(
        "{}, attested by {} (tag {}, holder since {}), valid until {}:",
        mapping.csi.value(),
        bold.of(credential.authority.as_str()),
        mapping.tag.as_str(),
        date(credential.holder_since),
        date(mapping.not_after)
    );
    if mapping.serve_as_not_found {
        println!("  to be served as not found");
    }
    if mapping.reaches.is_empty() {
        println!("  exists, but lists no service");
    }
    for (at, (reach, confirmed)) in mapping.reaches.iter().zip(&found.confirmed).enumerate() {
        let key = reach.thumbprint.map(|key| format!("  key {}", hex::encode(key))).unwrap_or_default();
        let by = if *confirmed { "confirmed by" } else { "not confirmed by" };
        println!("  {}. {}{key}  {by} {}", at + 1, bold.of(reach.uri.as_str()), reach.uri.provider());
    }
}

fn as_json(passed: &[Step], result: &Result<Verified, VerifyError>) -> Value {
    let mut steps: Vec<_> =
        passed.iter().map(|step| json!({ "step": step.to_string(), "ok": true })).collect();
    if let (Some(step), Err(error)) = (failed(passed, result), result) {
        steps.push(json!({ "step": step.to_string(), "ok": false, "reason": error.to_string() }));
    }
    let mapping = result.as_ref().ok().map(|found| {
        let services = found.mapping.reaches.iter().zip(&found.confirmed).map(|(reach, confirmed)| {
            json!({
                "uri": reach.uri.as_str(),
                "thumbprint": reach.thumbprint.map(hex::encode),
                "confirmed": confirmed,
            })
        });
        json!({
            "identifier": found.mapping.csi.uri(),
            "authority": found.credential.authority.as_str(),
            "tag": found.mapping.tag.as_str(),
            "serve_as_not_found": found.mapping.serve_as_not_found,
            "services": services.collect::<Vec<_>>(),
        })
    });
    json!({ "ok": result.is_ok(), "steps": steps, "mapping": mapping })
}
