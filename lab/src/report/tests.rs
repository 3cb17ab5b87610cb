//! The page as a whole, made from small files.

use super::input::{self, Input};
use super::page;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn estimate(value: f64) -> Value {
    json!({ "value": value, "low": value - 0.01, "high": value + 0.01 })
}

fn adversary(name: &str, advantage: f64) -> Value {
    json!({
        "name": name, "sees": "the wires", "game": "which request is this", "challenges": 1000, "candidates": 64.0,
        "blind": 0.0156, "success": estimate(advantage + 0.0156), "advantage": estimate(advantage),
        "auc": estimate(0.5 + advantage / 2.0), "tpr_at_fpr_1e3": estimate(advantage),
        "set_by_entropy": estimate(60.0 * (1.0 - advantage) + 1.1), "set_by_min_entropy": estimate(30.0 * (1.0 - advantage) + 1.1),
        "roc": [[0.0, 0.0], [0.001, advantage], [0.2, 0.5 + advantage / 2.0], [1.0, 1.0]],
        "rounds": { "unit": "a lookup", "median": 8.0, "disclosed": estimate(0.7) }, "lost": 3, "note": null
    })
}

fn results(name: &str, clients: u64, mix: Value) -> Value {
    let delay = if mix["strategy"] == "off" { 0.0 } else { 1000.0 };
    let mixes = json!([{ "relay": 0, "gateway": 0, "direction": "up", "passed": 100, "mean_held": 3.0, "effective_pool": 4.0, "mean_delay_ms": delay }]);
    let size = json!({ "view": "relay", "direction": "down", "distinct": 1, "information_who": estimate(0.0), "information_whom": estimate(0.0) });
    json!({
        "format": 1, "version": "0.1.0", "mode": "virtual_time",
        "scenario": { "seed": 7, "clients": clients, "hours": 24.0, "mix": mix },
        "summary": {
            "clients": clients, "contacts": 80_000, "lookups": clients * 40, "covers": 100, "publishes": 10, "from_cache": 5,
            "issuances": 9, "per_client_and_day": 50.5, "latency_median_ms": 62.4, "latency_p99_ms": 152.0, "added_median_ms": delay
        },
        "mixes": mixes, "sizes": [size],
        "adversaries": [adversary(name, 0.6), adversary("both_hops", 0.2), adversary("gateway_alone", 0.0)]
    })
}

fn knowledge() -> Value {
    let cell = |what: &str, known: &[usize], verdict: &str| json!({ "what": what, "promise": "yes", "expect": "known", "of": 2, "known": known, "verdict": verdict, "traces": ["log (text)"] });
    let cells = [cell("address", &[0, 1], "kept"), cell("csi", &[], "kept"), cell("time", &[1], "leak")];
    let matrix = json!({ "clients": 2, "forms": 4881, "bytes": 860_171, "parties": [{ "party": "relay", "name": "relay", "cells": cells }] });
    json!({ "seed": 1, "broken": ["relay knows the time of 1 clients: log (text)"], "matrix": matrix })
}

fn swap() -> Value {
    let seen = |party: &str, auc: f64| json!({ "party": party, "auc": auc, "low": auc - 0.1, "high": auc + 0.1, "deviation_by_chance": 0.04 });
    let exact = json!({ "gateway_bytes": 31_448, "gateway_identical": true, "relay_bytes": 68_778, "relay_same_outside": true, "relay_ciphertext_differs": true });
    json!({ "exact": exact, "runs": 400, "seed": 1, "planted": null, "live": [seen("gateway", 0.529), seen("relays", 0.516)] })
}

/// Files of three runs, one without a mix, a matrix, and an exchange.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(name: &str) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let mix = json!({ "strategy": "exponential", "mean_ms": 1000, "max_delay_ms": 5000 });
        let runs = [("a", 200, json!({ "strategy": "off" })), ("b", 200, mix.clone()), ("c", 2000, mix)];
        for (folder, clients, mix) in runs {
            fs::create_dir_all(files.runs().join(folder)).unwrap();
            fs::write(
                files.runs().join(folder).join("results.json"),
                results(name, clients, mix).to_string(),
            )
            .unwrap();
        }
        fs::write(files.matrix(), knowledge().to_string()).unwrap();
        fs::write(files.swap(), swap().to_string()).unwrap();
        files
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn matrix(&self) -> PathBuf {
        self.folder.path().join("knowledge.json")
    }

    fn swap(&self) -> PathBuf {
        self.folder.path().join("swap.json")
    }

    fn read(&self) -> Input {
        input::read(&[self.runs()], Some(&self.matrix()), Some(&self.swap())).unwrap()
    }

    fn page(&self) -> String {
        page::draw(&self.read()).unwrap()
    }
}

fn rejected(results: &Path, knowledge: Option<&Path>) -> String {
    input::read(&[results.to_owned()], knowledge, None).unwrap_err().to_string()
}

#[test]
fn the_page_has_every_section_in_order_and_each_plot_a_name_and_a_table() {
    let page = Files::new("relay_alone").page();
    let places: Vec<_> =
        page::SECTIONS.iter().map(|(id, _)| page.find(&format!("<h2 id=\"{id}\"")).unwrap()).collect();
    assert!(places.is_sorted());
    assert!(page::SECTIONS.iter().all(|(id, _)| page.contains(&format!("<a href=\"#{id}\""))));
    // One for all, two ROC for each of three, and those against delay and against load.
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 1 + 2 * 3 + 2);
    assert_eq!(page.matches("role=\"img\"").count(), 9);
    assert_eq!((page.matches("<desc").count(), page.matches("<title id").count()), (9, 9));
    for figure in page.split("<figure>").skip(1) {
        let figure = figure.split("</figure>").next().unwrap();
        assert!(
            figure.contains("<details>") && figure.contains("<tbody>") && figure.contains("<figcaption>")
        );
    }
    assert_eq!(page.matches("<table").count(), page.matches("<caption").count());
    for text in [
        "0.800 (0.790 to 0.810)",
        "+0.600 (0.590 to 0.610)",
        "mean_ms = 1000",
        "SHA-256",
        "● yes",
        "! 1 of 2: leak",
        "31\u{202f}448 bytes that the gateway receives and sends are the same.",
        "In live runs a classifier cannot tell one from the other.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf<"));
}

#[test]
fn the_page_fetches_and_runs_nothing() {
    let page = Files::new("relay_alone").page();
    assert!(page.contains("default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;"));
    for outside in
        ["http:", "https:", "src=", "url(", "@import", "<script", "<link", "<iframe", "<object", "<form"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    // Links lead to places in the page only.
    assert_eq!(page.matches("href=\"").count(), page.matches("href=\"#").count());
}

#[test]
fn what_is_in_the_files_is_text() {
    let bad = "</style><script>alert(1)</script><img onerror='x'>";
    let files = Files::new(bad);
    let mut matrix = knowledge();
    for place in [
        "/matrix/parties/0/name",
        "/broken/0",
        "/matrix/parties/0/cells/0/traces/0",
        "/matrix/parties/0/cells/0/promise",
    ] {
        *matrix.pointer_mut(place).unwrap() = bad.into();
    }
    fs::write(files.matrix(), matrix.to_string()).unwrap();
    let mut exchange = swap();
    exchange["planted"] = bad.into();
    exchange["live"][0]["party"] = bad.into();
    fs::write(files.swap(), exchange.to_string()).unwrap();
    fs::rename(files.runs().join("a"), files.runs().join("<script>a")).unwrap();
    let page = files.page();
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert_eq!(page.matches("</style").count(), 1);
    assert!(page.contains("&lt;script&gt;a"));
}

#[test]
fn the_same_files_give_the_same_page_wherever_they_lie() {
    let (one, other) = (Files::new("relay_alone"), Files::new("relay_alone"));
    assert_eq!(one.page(), other.page());
    assert!(!one.page().contains(one.folder.path().to_str().unwrap()));
}

#[test]
fn one_run_and_no_matrix_are_a_page_too() {
    let files = Files::new("relay_alone");
    let page = page::draw(&input::read(&[files.runs().join("b")], None, None).unwrap()).unwrap();
    assert!(page.contains("One run is one point.") && page.contains("Not measured for this page"));
    assert!(page.contains("Not tried for this page"));
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 1 + 2 * 3);
}

#[test]
fn an_exchange_that_shows_is_said_to() {
    let files = Files::new("relay_alone");
    let mut exchange = swap();
    exchange["exact"]["gateway_identical"] = false.into();
    exchange["planted"] = "delay".into();
    exchange["live"][0]["auc"] = 0.905.into();
    fs::write(files.swap(), exchange.to_string()).unwrap();
    let page = files.page();
    for text in [
        "! who asks, exchanged",
        "bytes that the gateway receives and sends are not the same.",
        "! live",
        "tells one from the other at: gateway.",
        "to see that it is caught: delay.",
        "! exchanged",
    ] {
        assert!(page.contains(text), "{text}");
    }
    exchange["live"][0].as_object_mut().unwrap().remove("low");
    fs::write(files.swap(), exchange.to_string()).unwrap();
    let said = input::read(&[files.runs()], None, Some(&files.swap())).unwrap_err().to_string();
    assert!(said.contains("swap.json is not what `lab swap` writes: live[0]"), "{said}");
}

#[test]
fn an_adversary_without_games_says_why() {
    let files = Files::new("relay_alone");
    let file = files.runs().join("b/results.json");
    let mut results: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    results["adversaries"][0]["note"] = "nothing to pose".into();
    results["adversaries"][0]["roc"] = json!([]);
    fs::write(&file, results.to_string()).unwrap();
    let page = page::draw(&input::read(&[file], None, None).unwrap()).unwrap();
    assert!(page.contains("Run A: nothing to pose."));
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 1 + 2 * 2);
}

#[test]
fn rejects_a_folder_that_is_missing_or_has_no_figures() {
    let folder = tempfile::tempdir().unwrap();
    let missing = rejected(&folder.path().join("none"), None);
    assert!(missing.starts_with("cannot read ") && missing.contains("none: No such file"), "{missing}");
    let empty = rejected(folder.path(), None);
    assert!(empty.contains("holds no results.json"), "{empty}");
}

#[test]
fn rejects_files_of_another_shape_and_names_the_field() {
    let files = Files::new("relay_alone");
    let run = files.runs().join("a");
    let write = |value: &Value| fs::write(run.join("results.json"), value.to_string()).unwrap();
    let good = results("relay_alone", 200, json!({ "strategy": "off" }));
    let mut bad = good.clone();
    bad["adversaries"][1]["auc"]["low"] = "much".into();
    write(&bad);
    let said = rejected(&run, None);
    assert!(
        said.contains(
            "results.json is not what `lab unlinkability` writes: adversaries[1].auc.low: invalid type"
        ),
        "{said}"
    );
    let mut bad = good.clone();
    bad["summary"].as_object_mut().unwrap().remove("covers");
    write(&bad);
    let said = rejected(&run, None);
    assert!(said.contains("summary: missing field `covers`"), "{said}");
    let mut bad = good;
    bad["format"] = 2.into();
    write(&bad);
    assert!(rejected(&run, None).contains("format is 2, and this program reads 1"));
    fs::write(run.join("results.json"), "not json").unwrap();
    assert!(rejected(&run, None).contains("line 1 column 2"));
    let runs = files.runs().join("b");
    fs::write(files.matrix(), r#"{"matrix": {}}"#).unwrap();
    let said = rejected(&runs, Some(&files.matrix()));
    assert!(
        said.contains("knowledge.json is not what `lab knowledge` writes: matrix: missing field `clients`"),
        "{said}"
    );
}
