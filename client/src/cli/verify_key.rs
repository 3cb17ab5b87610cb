//! `discreet verify-key`: is the key that a service presents the one the holder named?

use super::common::read;
use super::failure::Failure;
use clap::{ArgGroup, Args};
use discreet_client::{KeyMismatch, MimiUri, Service, cose_key};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(group = ArgGroup::new("named").required(true).args(["answer", "thumbprint"]))]
pub(crate) struct VerifyKey {
    /// The key: COSE_Key (binary, hex or base64url) or JWK (OKP Ed25519, EC P-256)
    key: PathBuf,
    /// What `discreet lookup --json` printed; - is standard input
    #[arg(long, value_name = "FILE", requires = "service")]
    answer: Option<PathBuf>,
    /// The service in that answer which presents the key
    #[arg(long, value_name = "URI", requires = "answer")]
    service: Option<String>,
    /// The thumbprint itself, 64 hex digits
    #[arg(long, value_name = "HEX")]
    thumbprint: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    mappings: Vec<Mapping>,
}

#[derive(Deserialize)]
struct Mapping {
    services: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    uri: String,
    thumbprint: Option<String>,
}

impl VerifyKey {
    pub(crate) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let key = cose_key(&read(&self.key)?)?;
        let named = self.named()?;
        // Where several authorities attest mappings, all that list the service must name this key.
        for thumbprint in named {
            check(&key, thumbprint)?;
        }
        if json {
            println!("{}", json!({ "matches": true }));
        } else {
            println!("the key is the one the holder named");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn named(&self) -> Result<Vec<Option<[u8; 32]>>, Failure> {
        let Some(path) = &self.answer else {
            return Ok(vec![self.thumbprint.as_deref().map(thumbprint).transpose()?]);
        };
        let service = self.service.as_deref().unwrap_or_default();
        let listed = answer(path)?.mappings.into_iter().flat_map(|mapping| mapping.services);
        let named = listed.filter(|listed| listed.uri == service);
        let named = named.map(|listed| listed.thumbprint.as_deref().map(thumbprint).transpose());
        let named = named.collect::<Result<Vec<_>, _>>()?;
        if named.is_empty() { Err(Failure::NoSuchService) } else { Ok(named) }
    }
}

fn answer(path: &Path) -> Result<Answer, Failure> {
    let what = "answer of `discreet lookup --json`";
    serde_json::from_slice(&read(path)?).map_err(|_| Failure::Content { path: path.to_owned(), what })
}

fn thumbprint(digits: &str) -> Result<[u8; 32], Failure> {
    let mut thumbprint = [0; 32];
    hex::decode_to_slice(digits, &mut thumbprint).map_err(|_| Failure::Thumbprint)?;
    Ok(thumbprint)
}

/// As an app does it with the answer in hand.
fn check(key: &[u8], thumbprint: Option<[u8; 32]>) -> Result<(), KeyMismatch> {
    let uri = MimiUri::new("mimi://service.invalid").map_err(|_| KeyMismatch::NotNamed)?;
    Service { uri, thumbprint, confirmed: false }.verify_key(key)
}
