//! `lab swap` and `lab record`, as small as they can be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab")).args(arguments).output().unwrap()
}

#[test]
fn no_party_alone_sees_who_asks_about_whom() {
    let ran = lab(&["swap", "--runs", "80", "--json"]);
    assert!(ran.status.success(), "{ran:?}");
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(said["exact"]["gateway_identical"], true);
    assert_eq!(said["exact"]["relay_same_outside"], true);
    assert_eq!(said["exact"]["relay_ciphertext_differs"], true);
    // Two lookups up and down are in it.
    assert!(said["exact"]["gateway_bytes"].as_u64().unwrap() > 2 * (4096 + 8192));
    assert_eq!(said["live"].as_array().unwrap().len(), 2);
}

/// The result of an experiment with this leak, which must be caught.
fn planted(leak: &str) -> serde_json::Value {
    let ran = lab(&["swap", "--runs", "80", "--plant", leak, "--json"]);
    assert!(ran.status.success(), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn a_planted_header_field_is_caught_at_the_gateway() {
    let live = &planted("header")["live"][0];
    assert_eq!((live["party"].as_str(), live["auc"].as_f64()), (Some("gateway"), Some(1.0)));
}

#[test]
fn a_size_that_depends_on_whom_is_caught_at_the_relays() {
    let live = &planted("size")["live"][1];
    assert_eq!((live["party"].as_str(), live["auc"].as_f64()), (Some("relays"), Some(1.0)));
}

#[test]
fn bytes_that_depend_on_who_asks_are_caught_in_the_gateways_transcript() {
    let exact = &planted("tag")["exact"];
    assert_eq!((&exact["gateway_identical"], &exact["relay_same_outside"]), (&false.into(), &true.into()));
}

#[test]
fn a_request_more_that_depends_on_whom_is_caught_in_the_relays_transcripts() {
    let exact = &planted("twice")["exact"];
    assert_eq!((&exact["gateway_identical"], &exact["relay_same_outside"]), (&true.into(), &false.into()));
}

/// A table's rows, by the names of its columns.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_recording_is_read_back_and_the_truth_lies_apart() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("recording");
    let out_text = out.to_str().unwrap();
    let ran = lab(&["record", "--clients", "2", "--lookups", "4", "--mean-ms", "1", "--out", out_text]);
    assert!(ran.status.success(), "{ran:?}");
    let truth = rows(&out.join("truth.csv"));
    assert_eq!(truth.len(), 8);
    let lookups = |party: &str| {
        let table = rows(&out.join(format!("{party}.csv")));
        let received = table.into_iter().filter(|row| row["direction"] == "received");
        received.filter(|row| row["kind"].starts_with("POST")).collect::<Vec<_>>()
    };
    let relays = [lookups("relay-1"), lookups("relay-2")].concat();
    let gateway = lookups("gateway");
    assert_eq!((relays.len(), gateway.len()), (8, 8));
    assert!(relays.iter().chain(&gateway).all(|row| row["body_bytes"] == "4096"));
    // The same ciphertext on both sides of a relay, and another one each time.
    let hashes = |rows: &[HashMap<String, String>]| {
        rows.iter().map(|row| row["body_sha256"].clone()).collect::<HashSet<_>>()
    };
    assert_eq!(hashes(&relays), hashes(&gateway));
    assert_eq!(hashes(&gateway).len(), 8);
    let askers: HashSet<_> = truth.iter().map(|row| row["address"].clone()).collect();
    assert_eq!(relays.iter().map(|row| row["peer"].clone()).collect::<HashSet<_>>(), askers);
    // No view holds what only the truth knows.
    for party in ["relay-1", "relay-2", "gateway"] {
        let text = std::fs::read_to_string(out.join(format!("{party}.csv"))).unwrap();
        assert!(truth.iter().all(|row| !text.contains(&row["csi"])), "{party}");
        assert!(party != "gateway" || askers.iter().all(|address| !text.contains(address)));
    }
}

#[test]
fn an_interrupted_recording_leaves_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("recording");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["record", "--mean-ms", "60000", "--out", out.to_str().unwrap()]);
    let mut child = lab.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !out.exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it goes on for minutes");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn rejects_file_in_the_place_of_the_folder() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for command in ["knowledge", "swap", "record"] {
        let ran = lab(&[command, "--out", file.path().to_str().unwrap()]);
        assert_eq!(ran.status.code(), Some(1), "{command}");
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(said.contains(&format!("cannot create {}", file.path().display())), "{command}: {said}");
    }
}

#[test]
fn rejects_more_lookups_than_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("none");
    let ran = lab(&["record", "--lookups", "100000", "--out", out.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("500000 lookups are too many"));
    assert!(!out.exists());
}
