//! The issuer's files: its keys, its database, its users' tokens.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use super::machine::{Machine, NUMBER};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use discreet_protocol::token::{TOKEN_REQUEST_TYPE, TokenKey, TokenRequest};
use discreet_serve::{Upstream, UpstreamConfig};
use http::{Request, Response};
use serde_json::Value;
use std::fs;

/// Lookups are free, and Ann's account has two tokens at once.
fn with_issuer() -> Machine {
    let machine = Machine::with_issuer("", 2);
    assert_eq!(ask(&machine, "ann"), 200);
    machine
}

fn send(machine: &Machine, request: Request<Bytes>) -> Response<Bytes> {
    let addr = machine.server("discreet-provider").addr;
    let mut config = UpstreamConfig::new(format!("https://{addr}").parse().unwrap());
    config.ca = Some(machine.site.path("ca.pem"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Upstream::new(&config).unwrap().send(request, 65_536).await }).unwrap()
}

/// The `token-key` that signs now, as the issuer's directory has it.
fn key(machine: &Machine) -> String {
    let request = Request::get("/.well-known/private-token-issuer-directory").body(Bytes::new()).unwrap();
    let directory: Value = serde_json::from_slice(send(machine, request).body()).unwrap();
    directory["token-keys"][0]["token-key"].as_str().unwrap().to_owned()
}

/// The status with which the issuer answers who shows the token in this file.
fn ask(machine: &Machine, file: &str) -> u16 {
    let key = TokenKey::from_spki(&URL_SAFE.decode(key(machine)).unwrap()).unwrap();
    let wanted = TokenRequest { truncated_key_id: key.truncated_id(), blinded: Box::new([1; 256]) };
    let token = fs::read_to_string(machine.site.path(file)).unwrap();
    let request = Request::post("/v1/tokens").header("authorization", format!("Bearer {}", token.trim()));
    let request = request.header("content-type", TOKEN_REQUEST_TYPE).body(wanted.encode().into()).unwrap();
    send(machine, request).status().as_u16()
}

fn rules(machine: &Machine) -> String {
    fs::read_to_string(machine.site.path("rules.toml")).unwrap()
}

pub(crate) fn stolen_key(block: &str) {
    let mut machine = with_issuer();
    let stolen = key(&machine);
    assert!(rules(&machine).contains(&stolen));
    machine.follow(block);
    let new = key(&machine);
    assert!(new != stolen && !rules(&machine).contains(&stolen) && rules(&machine).contains(&new));
    assert_eq!(ask(&machine, "ann"), 200);
    // The gateway has taken the rules.
    machine.start_relays();
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn lost_key(block: &str) {
    let mut machine = with_issuer();
    let lost = key(&machine);
    machine.stop("discreet-provider");
    machine.shell("rm issuer.keys/*");
    let config = machine.path("provider.toml");
    let refused = crate::commands::process::run("discreet-provider", ["--config", &config, "--check-config"]);
    refused.refused(2, "holds no key whose time is not over");
    machine.follow(block);
    let new = key(&machine);
    assert!(new != lost && rules(&machine).contains(&lost) && rules(&machine).contains(&new));
    assert_eq!(ask(&machine, "ann"), 200);
    machine.start_relays();
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn lost_database(block: &str) {
    let mut machine = with_issuer();
    // Two, and a few more if a full hour strikes meanwhile.
    while ask(&machine, "ann") == 200 {}
    machine.stop("discreet-provider");
    machine.shell("rm -f issuer.db issuer.db-wal issuer.db-shm");
    let config = machine.path("provider.toml");
    let refused = crate::commands::process::run("discreet-provider", ["--config", &config, "--check-config"]);
    refused.refused(2, "issuer.db is missing");
    machine.follow(block);
    assert_eq!(ask(&machine, "ann"), 200);
}

pub(crate) fn stolen_token(block: &str) {
    let mut machine = with_issuer();
    machine.follow(block);
    assert_eq!(ask(&machine, "ann"), 401);
    assert_eq!(ask(&machine, "fresh"), 200);
}
