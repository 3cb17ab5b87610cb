//! Operating the servers: checking, starting, draining, `init`, `--help`.

#![allow(clippy::unwrap_used)]

use super::process::{Server, run};
use super::system::Site;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn every_help_names_the_exit_codes() {
    for name in ["discreet", "discreet-relay", "discreet-gateway", "discreet-resolver"] {
        let help = run(name, ["--help"]).succeeded().stdout;
        assert!(help.contains("Exit"), "{help}");
        let version = run(name, ["--version"]).succeeded().stdout;
        assert!(version.starts_with(name) && version.lines().count() == 1, "{version}");
    }
    assert!(run("discreet", ["lookup", "--help"]).succeeded().stdout.contains("Exit codes"));
    for name in ["discreet-relay", "discreet-gateway", "discreet-resolver"] {
        let ran = run(name, ["--no-such-option"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn a_good_configuration_is_checked_silently() {
    let site = Site::new();
    let relay = site.relay_config(0, "https://127.0.0.1:1", 0);
    let checked = run("discreet-relay", ["--config", relay.to_str().unwrap(), "--check-config"]);
    for ran in [checked, site.gateway(["--check-config"])] {
        let ran = ran.succeeded();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    }
}

#[test]
fn init_again_overwrites_nothing_and_prints_the_same_key() {
    let site = Site::new();
    assert!(site.directory_key.len() == 64 && site.directory_key.bytes().all(|b| b.is_ascii_hexdigit()));
    site.import("lines.jsonl", &[site.world.line("+14155550123")]).succeeded();
    let secrets = ["pepper.key", "ohttp.keys", "directory.key"];
    let read = || secrets.map(|file| fs::read(site.path(file)).unwrap());
    let before = read();
    site.resolver(["init"]).succeeded();
    let again = site.gateway(["init"]).succeeded().stdout;
    assert_eq!((again.trim(), read()), (site.directory_key.as_str(), before));
    assert_eq!(site.resolver(["export"]).succeeded().stdout.lines().count(), 1);
    for file in secrets.iter().chain(&["directory.db"]) {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(site.path(file)).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[test]
fn a_gateway_needs_its_secrets_and_makes_none_silently() {
    let site = Site::new();
    fs::remove_file(site.path("directory.key")).unwrap();
    site.gateway([]).refused(2, "directory.key is missing");
    assert!(!site.path("directory.key").exists());
}

/// SIGTERM arrives while the relay waits for a gateway that the test plays: the exchange is
/// finished, new connections are not taken, and the exit code is 0.
#[test]
fn a_relay_drains_on_sigterm() {
    let site = Site::new();
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", gateway.local_addr().unwrap());
    let config = site.relay_config(0, &url, 0);
    let text = fs::read_to_string(&config).unwrap();
    let (_, gateways) = text.split_once("[gateways.dp]").unwrap();
    let plain = format!("[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[gateways.dp]{gateways}");
    site.write("relay-0.toml", &plain);
    let relay = Server::start("discreet-relay", &config);

    let mut client = TcpStream::connect(relay.addr).unwrap();
    let head = "POST /dp HTTP/1.1\r\nhost: relay\r\ncontent-type: message/ohttp-req\r\ncontent-length: 4\r\n\r\nabcd";
    client.write_all(head.as_bytes()).unwrap();
    let (mut upstream, _) = gateway.accept().unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"abcd") {
        let mut byte = [0];
        upstream.read_exact(&mut byte).unwrap();
        received.extend(byte);
    }
    relay.terminate();
    // Until the drain has begun the port is open.
    let patience = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(relay.addr).is_ok() {
        assert!(Instant::now() < patience, "still open");
        std::thread::yield_now();
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: message/ohttp-res\r\ncontent-length: 2\r\n\r\nok";
    upstream.write_all(answer.as_bytes()).unwrap();
    let mut answered = String::new();
    client.read_to_string(&mut answered).unwrap();
    assert!(answered.starts_with("HTTP/1.1 200") && answered.ends_with("\r\n\r\nok"), "{answered}");
    let (code, log) = relay.wait();
    assert_eq!(code, Some(0), "{log}");
}
