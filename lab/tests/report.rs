//! `lab unlinkability --report` and `lab sweep`: pages and folders are whole, or not there.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nobody plays, so that a run of few is over at once.
const NOBODY_PLAYS: &str = "seed = 1\nclients = 20\nhours = 24\n[adversaries]\nrun = []\nresamples = 20";

fn room() -> tempfile::TempDir {
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("scenario.toml"), NOBODY_PLAYS).unwrap();
    room
}

fn lab(room: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.current_dir(room).env_remove("RUST_BACKTRACE").args(arguments).stderr(Stdio::piped());
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_goes_straight_to_the_page_that_lab_report_writes() {
    let room = room();
    let run = ["unlinkability", "scenario.toml", "--out", "run", "--figures-only", "--json"];
    let ran = lab(room.path(), &[&run[..], &["--report", "page.html"]].concat()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    // Standard output stays one line for programs.
    assert_eq!(String::from_utf8(ran.stdout).unwrap().lines().count(), 1);
    let again = ["report", "--results", "run", "--out", "again.html"];
    assert!(lab(room.path(), &again).output().unwrap().status.success());
    let page = |name: &str| std::fs::read_to_string(room.path().join(name)).unwrap();
    assert!(page("page.html").starts_with("<!doctype html>"));
    assert_eq!(page("page.html"), page("again.html"));
}

#[test]
fn rejects_a_page_in_a_folder_that_is_not_there_before_the_run() {
    let room = room();
    let ran = lab(room.path(), &["unlinkability", "scenario.toml", "--report", "none/page.html"]).output();
    let said = String::from_utf8(ran.unwrap().stderr).unwrap();
    assert!(said.starts_with("Error: cannot write none/page.html"), "{said}");
    assert_eq!(names(room.path()), ["scenario.toml"]);
}

#[test]
fn an_interrupted_sweep_leaves_whole_runs_only() {
    let room = room();
    let arguments = ["sweep", "scenario.toml", "--vary", "clients=[20,100000]", "--out", "runs"];
    let mut sweep = lab(room.path(), &arguments).stderr(Stdio::null()).spawn().unwrap();
    let runs = room.path().join("runs");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !runs.join("01").exists() {
        assert!(
            Instant::now() < deadline && sweep.try_wait().unwrap().is_none(),
            "the first run never ended"
        );
        std::thread::yield_now();
    }
    // The second takes minutes, and is under way.
    assert!(names(&runs).iter().any(|name| name.starts_with(".unfinished-")));
    let pid = rustix::process::Pid::from_child(&sweep);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(sweep.wait().unwrap().code(), Some(130));
    assert_eq!(names(&runs), ["01"]);
    assert!(runs.join("01/results.json").is_file());
}
