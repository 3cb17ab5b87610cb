//! The command: exit codes, and one sentence on standard error.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.toml");
    std::fs::write(&path, text).unwrap();
    File { _folder: folder, path }
}

fn config(address: &str) -> String {
    format!("[listen.plaintext]\naddress = \"{address}\"\n[gateways.dp]\nurl = \"https://gateway.example\"\n")
}

fn run(arguments: &[&str], config: Option<&File>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discreet-relay"));
    command.args(arguments);
    if let Some(config) = config {
        command.arg("--config").arg(&config.path);
    }
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_good_configuration_is_0_and_silent() {
    assert_eq!(run(&["--check-config"], Some(&file(&config("127.0.0.1:0")))), (Some(0), String::new()));
}

#[test]
fn a_wrong_usage_is_2() {
    assert_eq!(run(&[], None).0, Some(2));
    assert_eq!(run(&["--trust-everyone"], Some(&file(""))).0, Some(2));
}

#[test]
fn a_wrong_configuration_is_2_and_one_sentence() {
    let unknown = format!("colour = 3\n{}", config("127.0.0.1:0"));
    let cases = [
        (unknown.as_str(), "relay.toml line 1: unknown field `colour`"),
        ("[listen.plaintext]\naddress = \"127.0.0.1:0\"\n", "the configuration names no gateway"),
        (&config("0.0.0.0:0"), "0.0.0.0:0 is not a loopback address"),
        (&format!("{}ca = \"no-such.pem\"\n", config("127.0.0.1:0")), "gateway dp: cannot read "),
        (
            &format!("{}[limits]\nmax_requests = 0\n", config("127.0.0.1:0")),
            "limits.max_requests must be at least 1",
        ),
        (
            &format!(
                "{}[mix.dp]\nstrategy = \"pool\"\nsize = 16\nmax_delay_ms = 10000\n",
                config("127.0.0.1:0")
            ),
            "mix.dp: a request and its answer may take 30000 ms",
        ),
    ];
    for (text, expected) in cases {
        for arguments in [&["--check-config"][..], &[]] {
            let (code, error) = run(arguments, Some(&file(text)));
            assert_eq!(code, Some(2), "{error}");
            assert!(error.starts_with("discreet-relay: ") && error.contains(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn a_missing_configuration_is_2() {
    let (code, error) = run(&["--config", "no/such/relay.toml"], None);
    assert_eq!(code, Some(2));
    assert!(
        error.starts_with("discreet-relay: cannot read the configuration no/such/relay.toml: "),
        "{error}"
    );
}

#[test]
fn a_port_in_use_is_1_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, error) = run(&[], Some(&file(&config(&address))));
    assert_eq!((code, error), (Some(1), format!("discreet-relay: {address} is in use by another process\n")));
}

#[test]
fn a_stop_signal_is_0() {
    for signal in ["TERM", "INT"] {
        let config = file(&config("127.0.0.1:0"));
        let mut relay = Command::new(env!("CARGO_BIN_EXE_discreet-relay"))
            .arg("--config")
            .arg(&config.path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut log = BufReader::new(relay.stderr.take().unwrap());
        log.read_line(&mut line).unwrap();
        assert!(line.contains("listening address=127.0.0.1:"), "{line}");
        let sent = Command::new("kill").args(["-s", signal, &relay.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert_eq!(relay.wait().unwrap().code(), Some(0), "{signal}");
    }
}
