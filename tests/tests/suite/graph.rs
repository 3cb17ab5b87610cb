//! The dependency graph is the trust graph (design §3): what each crate must not reach.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

/// For each package of the workspace, the names of all packages it is built from.
static REACHED: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let metadata = metadata();
    let members: Vec<&str> = texts(&metadata["workspace_members"]);
    let edges = edges(&metadata);
    let names: BTreeMap<&str, &str> = (metadata["packages"].as_array().unwrap().iter())
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let closure = |member: &str| reach(&edges, member).into_iter().map(|id| names[id].to_owned()).collect();
    members.into_iter().map(|member| (names[member].to_owned(), closure(member))).collect()
});

fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments = ["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal and build dependencies by package id; what only tests need is nobody's trust.
fn edges(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let counts = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array().unwrap();
        kinds.iter().any(|kind| kind["kind"] != "dev")
    };
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            let dependencies = node["deps"].as_array().unwrap().iter().filter(counts);
            let ids = dependencies.map(|dependency| dependency["pkg"].as_str().unwrap());
            (node["id"].as_str().unwrap(), ids.collect())
        })
        .collect()
}

fn reach<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = edges[from].clone();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(&edges[id]);
        }
    }
    reached
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn must_not_reach(package: &str, forbidden: &[&str]) {
    let reached = &REACHED[package];
    let wrong: Vec<_> = forbidden.iter().filter(|name| reached.contains(**name)).collect();
    assert!(wrong.is_empty(), "{package} reaches {wrong:?}");
}

#[test]
fn the_graph_is_read_as_it_is() {
    assert!(REACHED["discreet-gateway"].contains("hpke"));
    assert!(REACHED["discreet-gateway"].contains("discreet-resolver"));
    assert!(REACHED["discreet-resolver"].contains("rusqlite"));
    assert!(REACHED["discreet-client"].contains("ohttp"));
    assert!(REACHED["discreet-client"].contains("bhttp"));
    assert!(REACHED["discreet-relay"].contains("tokio"));
    assert!(!REACHED["discreet-relay"].contains("proptest"), "tests' dependencies do not count");
}

#[test]
#[should_panic(expected = "discreet-gateway reaches [\"hpke\"]")]
fn a_forbidden_edge_is_noticed() {
    must_not_reach("discreet-gateway", &["hpke", "quinn"]);
}

#[test]
fn who_attests_numbers_sees_no_lookup() {
    must_not_reach("discreet-provider", &["hpke", "ohttp", "bhttp", "discreet-envelope"]);
    must_not_reach("discreet-provider", &["discreet-gateway", "discreet-resolver", "discreet-client"]);
}

#[test]
fn the_relay_could_not_decrypt() {
    let crypto = ["hpke", "ohttp", "bhttp", "chacha20poly1305", "x-wing"];
    must_not_reach("discreet-relay", &crypto);
    must_not_reach("discreet-relay", &["discreet-protocol", "discreet-envelope", "rusqlite"]);
    must_not_reach("discreet-relay", &["discreet-gateway", "discreet-resolver", "discreet-client"]);
}

#[test]
fn the_resolver_knows_neither_ohttp_nor_clients() {
    must_not_reach("discreet-resolver", &["hpke", "ohttp", "bhttp", "discreet-envelope"]);
    must_not_reach("discreet-resolver", &["discreet-client", "discreet-gateway", "discreet-relay"]);
}

#[test]
fn the_gateway_does_not_share_the_clients_framing() {
    must_not_reach("discreet-gateway", &["ohttp", "discreet-client", "discreet-relay"]);
}

#[test]
fn the_protocol_has_no_sockets_clock_or_randomness() {
    let io = ["tokio", "hyper", "mio", "socket2"];
    must_not_reach("discreet-protocol", &io);
    must_not_reach("discreet-protocol", &["aws-lc-rs", "aws-lc-sys", "rustls", "ring"]);
    must_not_reach("discreet-protocol", &["discreet-serve", "discreet-envelope"]);
}

/// Features of one workspace are united, so `digest` gets randomness from others; by itself, as a
/// WebAssembly build sees it, the protocol has none.
#[test]
fn the_protocol_by_itself_has_no_randomness() {
    let built_alone = |package: &str| {
        let arguments =
            ["tree", "--locked", "--prefix", "none", "--edges", "normal,build", "--target", "all"];
        let manifest = ["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")];
        let mut command = Command::new(env!("CARGO"));
        let output = command.args(arguments).args(manifest).args(["--package", package]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(built_alone("discreet-client").contains("getrandom v"));
    let protocol = built_alone("discreet-protocol");
    assert!(protocol.contains("ed25519-dalek v"));
    assert!(!protocol.contains("getrandom v"), "{protocol}");
}

#[test]
fn the_envelope_does_no_io() {
    must_not_reach("discreet-envelope", &["tokio", "hyper", "mio", "rustls", "hpke", "discreet-serve"]);
}

#[test]
fn the_client_links_no_server() {
    let servers = ["discreet-relay", "discreet-gateway", "discreet-resolver", "discreet-provider"];
    must_not_reach("discreet-client", &servers);
    must_not_reach("discreet-client", &["discreet-serve", "rusqlite"]);
}

#[test]
fn nobody_depends_on_lab_and_no_product_on_the_harness() {
    for (package, reached) in REACHED.iter() {
        assert!(!reached.contains("lab"), "{package}");
        assert!(package == "lab" || !reached.contains("tests"), "{package}");
    }
}
