//! `lab stress`, as small as it can be: that it measures, not what.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::process::Command;

mod support;

/// What `lab stress` prints as JSON; it must have met its targets.
fn stress(arguments: &[&str]) -> serde_json::Value {
    support::build();
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).arg("stress").args(arguments).arg("--json").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn idle_and_active_connections_are_counted_and_measured() {
    let arguments = ["--connections", "10", "--active", "2", "--seconds", "1", "--mappings", "40"];
    let said = stress(&[&["idle"][..], &arguments].concat());
    let figures = &said["figures"];
    assert!(figures["lookups"].as_u64().unwrap() > 0, "{said}");
    assert_eq!((figures["failed"].as_u64(), figures["idle_lost"].as_u64()), (Some(0), Some(0)));
    let bytes = |state: usize| figures["states"][state]["resident_bytes"].as_u64().unwrap();
    assert!(bytes(0) > 0 && bytes(1) > bytes(0), "{said}");
}

#[test]
fn no_lookup_is_lost_through_one_round_of_restarts() {
    let arguments =
        ["--rounds", "1", "--pause", "0", "--clients", "2", "--every-ms", "10", "--mappings", "40"];
    let said = stress(&[&["restarts"][..], &arguments].concat());
    assert!(said["figures"]["lookups"].as_u64().unwrap() > 0, "{said}");
    assert_eq!(said["figures"]["failed"].as_u64(), Some(0), "{said}");
    let events = said["figures"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 6, "{said}");
    assert!(events.iter().all(|event| event["times"] == 1), "{said}");
}
