//! `lab stress`, `scraping` and `tokens`, as small as they can be: that they measure, not what.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::process::Command;

mod support;

fn stress(arguments: &[&str]) -> serde_json::Value {
    lab(&[&["stress"], arguments].concat())
}

/// What `lab` prints as JSON; it must have met its targets.
fn lab(arguments: &[&str]) -> serde_json::Value {
    support::build();
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).args(arguments).arg("--json").output();
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

#[test]
fn an_enumerator_gets_its_budget_and_not_one_lookup_more() {
    let said = lab(&["scraping", "--accounts", "3", "--tokens", "8"]);
    let tries = said["figures"]["enumerator"].as_array().unwrap();
    let came = |at: usize, what: &str| tries[at]["came"][what].as_u64().unwrap_or(0);
    // 24 tokens: all of them; then each again and 24 lookups without.
    assert_eq!((came(0, "answered"), came(0, "401"), came(0, "429")), (24, 48, 0), "{said}");
    // The issuer's budgets allow half.
    assert_eq!((came(1, "answered"), came(1, "429")), (12, 12), "{said}");
    assert_eq!((came(2, "answered"), came(2, "429")), (12, 12), "{said}");
    // The sample: 500,000 answers "not found" a day for 505 million numbers.
    assert_eq!(said["figures"]["malicious_together_days"], 1010, "{said}");
}

#[test]
fn tokens_are_measured() {
    let small = ["--tokens", "40", "--rounds", "1", "--spent", "400", "--lookups", "3", "--cold", "4"];
    let said = lab(&[&["tokens", "--at-least", "0"][..], &small].concat());
    for figure in
        ["spent_per_second", "spent_syncs_per_second", "bytes_per_million", "paid_ms", "cold_per_second"]
    {
        assert!(said["figures"][figure].as_f64().unwrap() > 0.0, "{figure}: {said}");
    }
}
