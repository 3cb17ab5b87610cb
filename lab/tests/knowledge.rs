//! `lab knowledge` on the real programs: the promise is kept, and every planted leak is caught.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::process::{Command, Output};

mod support;

fn knowledge(arguments: &[&str]) -> Output {
    support::build();
    let lab = Command::new(env!("CARGO_BIN_EXE_lab")).arg("knowledge").args(arguments).output();
    lab.unwrap()
}

#[test]
fn everybody_learns_what_was_promised_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/results");
    let ran = knowledge(&["--clients", "3", "--json", "--out", out.to_str().unwrap()]);
    assert!(ran.status.success(), "{ran:?}");
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("knowledge.json")).unwrap()).unwrap();
    assert_eq!(said, file);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    let known = |party: &str, what: &str| {
        let rows = said["matrix"]["parties"].as_array().unwrap();
        let row = rows.iter().find(|row| row["party"] == party).unwrap();
        let cell = row["cells"].as_array().unwrap().iter().find(|cell| cell["what"] == what).unwrap();
        cell["known"].as_array().unwrap().len()
    };
    assert_eq!((known("relay-1", "address"), known("relay-1", "csi")), (3, 0));
    assert_eq!((known("gateway", "address"), known("gateway", "csi")), (0, 3));
    assert_eq!((known("authority", "account"), known("authority", "time")), (3, 0));
    assert_eq!((known("issuer-1", "account"), known("issuer-1", "issued")), (1, 1));
    assert_eq!((known("issuer-1", "spent"), known("issuer-1", "time")), (0, 0));
    assert_eq!(
        (known("gateway", "provider"), known("gateway", "spent"), known("gateway", "issued")),
        (3, 3, 0)
    );
}

#[test]
fn every_planted_leak_is_caught() {
    let mut plants = vec!["--clients", "3"];
    for kind in [
        "forwarded-address",
        "forwarded-account",
        "logged-csi",
        "address-in-metric",
        "hashed-csi",
        "kept-answer",
        "kept-moment",
        "kept-account",
        "kept-token",
    ] {
        plants.extend(["--plant", kind]);
    }
    let ran = knowledge(&plants);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said} {}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("caught: all 9 that were planted"), "{said}");
}

#[test]
fn a_party_that_knows_too_little_is_noticed() {
    let ran = knowledge(&["--clients", "3", "--plant", "lost-record"]);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}");
    assert!(
        said.contains("gateway and resolver knows the CSI asked of 0 of 3 clients, and should of all"),
        "{said}"
    );
}

#[test]
fn rejects_too_few_clients() {
    let ran = Command::new(env!("CARGO_BIN_EXE_lab")).args(["knowledge", "--clients", "2"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("2 is not in 3..=200"));
}
