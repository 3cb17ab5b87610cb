//! The authority's files: its key, its database, the operator's token, the service's key; and the key
//! of one of its users.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use super::machine::{Machine, NUMBER};
use bytes::Bytes;
use discreet_serve::{Upstream, UpstreamConfig};
use http::Request;
use serde_json::Value;
use std::fs;

/// Somebody whom the authority attests.
const ALICE: &str = "+14155550188";
const REACH: &str = "mimi://b.example/u/alice";

/// Somebody is attested and found.
fn with_alice() -> Machine {
    let machine = Machine::with_authority();
    machine.enrol("alice", ALICE);
    machine.publish("alice", REACH).succeeded();
    assert!(machine.lookup(ALICE, "state").succeeded().stdout.contains(REACH));
    machine
}

/// The status with which the operator's endpoint answers to who shows this token.
fn operator(machine: &Machine, token: &str) -> u16 {
    let addr = machine.server("discreet-provider").addr;
    let mut config = UpstreamConfig::new(format!("https://{addr}").parse().unwrap());
    config.ca = Some(machine.site.path("ca.pem"));
    let request = Request::get("/v1/enrolments").header("authorization", format!("Bearer {}", token.trim()));
    let request = request.body(Bytes::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async { Upstream::new(&config).unwrap().send(request, 65_536).await });
    answer.unwrap().status().as_u16()
}

pub(crate) fn stolen_key(block: &str) {
    let mut machine = with_alice();
    // The thief attests a key of his own for a number of the namespace.
    let forged = machine.person("+14155550166", "mimi://thief.example/u/bob");
    machine.site.import("forged.jsonl", &[forged.line()]).succeeded();
    assert!(machine.lookup("+14155550166", "state").succeeded().stdout.contains("thief.example"));

    machine.follow(block);
    machine.start_relays();
    assert_eq!(machine.lookup("+14155550166", "state").code, Some(1), "nobody is told of what he attested");
    let mut again = machine.person("+14155550167", "mimi://thief.example/u/eve");
    again.mapping.serial += 1;
    let refused = machine.site.import("again.jsonl", &[again.line()]);
    assert_eq!(refused.code, Some(1), "nothing of his is taken in: {refused:?}");
    // Nobody is found until they have proved their number to the new authority.
    assert_eq!(machine.lookup(ALICE, "state").code, Some(1));
    machine.attest("alice", ALICE);
    machine.publish("alice", REACH).succeeded();
    assert!(machine.lookup(ALICE, "state").succeeded().stdout.contains(REACH));
}

pub(crate) fn backed_up(block: &str) {
    let mut machine = with_alice();
    machine.follow(block);
    // Again, as every night.
    machine.enrol("ben", "+14155550189");
    machine.follow(block);
    machine.stop("discreet-provider");
    machine.shell("rm -f authority.db-wal authority.db-shm; cp safe/authority.db authority.db");
    machine.start("discreet-provider");
    for who in ["alice", "ben"] {
        machine.discreet(&format!("credential renew --identity @{who}")).succeeded();
    }
}

pub(crate) fn lost_database(block: &str) {
    let mut machine = with_alice();
    machine.follow("back-up-authority");
    machine.stop("discreet-provider");
    machine.shell("rm -f authority.db authority.db-wal authority.db-shm");
    let config = machine.path("provider.toml");
    let refused = crate::commands::process::run("discreet-provider", ["--config", &config, "--check-config"]);
    refused.refused(2, "authority.db is missing");
    machine.follow(block);
    machine.discreet("credential renew --identity @alice").succeeded();
    machine.publish("alice", REACH).succeeded();
}

pub(crate) fn stolen_token(block: &str) {
    let mut machine = Machine::with_authority();
    let stolen = fs::read_to_string(machine.site.path("operator.token")).unwrap();
    assert_eq!(operator(&machine, &stolen), 200);
    machine.follow(block);
    assert_eq!(operator(&machine, &stolen), 401);
    assert_eq!(operator(&machine, &fs::read_to_string(machine.site.path("operator.token")).unwrap()), 200);
}

pub(crate) fn stolen_service_key(block: &str) {
    let mut machine = with_alice();
    let shown = machine.discreet("identity show @alice --json").succeeded().stdout;
    let holder = serde_json::from_str::<Value>(&shown).unwrap()["key"].as_str().unwrap().to_owned();
    let endorse =
        format!("discreet-provider --config provider.toml endorse {REACH} --holder {holder} > word");
    let publish = |machine: &Machine| {
        machine.publish("alice", &format!("{REACH},endorsement={}", machine.path("word")))
    };
    let confirmed = |machine: &Machine| {
        let answer: Value = serde_json::from_str(&machine.lookup(ALICE, "state").succeeded().stdout).unwrap();
        answer["mappings"][0]["services"][0]["confirmed"].as_bool().unwrap()
    };
    machine.shell(&endorse);
    publish(&machine).succeeded();
    assert!(confirmed(&machine));
    machine.follow(block);
    machine.start_relays();
    // What was endorsed with the stolen key is the holder's word alone, until it is endorsed anew.
    assert!(!confirmed(&machine));
    assert_ne!(publish(&machine).code, Some(0));
    machine.shell(&endorse);
    publish(&machine).succeeded();
    assert!(confirmed(&machine));
}

pub(crate) fn stolen_phone(block: &str) {
    let mut machine = Machine::with_authority();
    machine.enrol("alice", NUMBER);
    machine.publish("alice", REACH).succeeded();
    machine.site.write("person", &format!("tel:{NUMBER}\n"));
    machine.follow(block);
    assert_eq!(machine.lookup(NUMBER, "state").code, Some(1));
    assert_ne!(machine.publish("alice", REACH).code, Some(0), "the stolen key has nothing to say any more");
    // The person, with a new key, proves the number again.
    machine.enrol("again", NUMBER);
    machine.publish("again", "mimi://c.example/u/alice").succeeded();
    let found = machine.lookup(NUMBER, "state").succeeded();
    assert!(found.stdout.contains("c.example") && !found.stdout.contains(REACH), "{found:?}");
}
