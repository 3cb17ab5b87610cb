//! Everything that can be wrong with what a command is given: one sentence on standard error, the
//! right exit code, no panic, and nothing about who was looked up.

#![allow(clippy::unwrap_used)]

use super::process::{Server, run};
use super::system::{Site, System};
use std::fs::{self, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

const NUMBER: &str = "+14155550123";
/// The part of it that any way of writing it has in common.
const SECRET: &str = "5550123";

/// A site that needs no servers, because nothing is to be sent.
fn offline() -> Site {
    let site = Site::new();
    site.profile(["https://127.0.0.1:1/dp", "https://127.0.0.2:1/dp"]);
    site
}

#[test]
fn rejects_what_is_no_identifier_before_anything_is_sent() {
    let site = offline();
    for (input, reason) in [
        ("4155550123", "no country code"),
        ("+1415555O123", "no letters"),
        ("+1415555012345678901234567890123456789012", "too long"),
        ("", "nothing to look up"),
        ("+999123456", "country code that does not exist"),
        ("+1", "too short"),
        ("alice@@a.example", ""),
        ("++!", ""),
    ] {
        let refused = site.lookup([input]).refused(2, reason);
        assert!(input.is_empty() || !refused.stderr.contains(input), "{refused:?}");
    }
    site.lookup(["4155550123", "--region", "XX"]).refused(2, "region is not known").silent_about(SECRET);
    site.lookup([NUMBER, "--tag", "not a tag"]).refused(2, "a tag has").silent_about(SECRET);
    assert!(!site.path("state").exists(), "nothing was remembered");
}

#[test]
fn rejects_profiles_that_cannot_be_used() {
    let site = offline();
    site.bend("profile.toml", "ca = ", "colour = 3\nca = ");
    site.lookup([NUMBER]).refused(5, "profile.toml: line 3: unknown field `colour`").silent_about(SECRET);
    site.profile(["http://192.0.2.1/dp", "https://127.0.0.2:1/dp"]);
    site.lookup([NUMBER]).refused(5, "a relay's url must be https").silent_about(SECRET);
    site.profile(["https://127.0.0.1:1/dp", "https://127.0.0.2:1/dp"]);
    site.bend("profile.toml", "ca.pem", "missing.pem");
    site.lookup([NUMBER]).refused(5, "missing.pem").silent_about(SECRET);
    fs::remove_file(site.path("profile.toml")).unwrap();
    site.lookup([NUMBER]).refused(5, "cannot read ").silent_about(SECRET);
}

#[test]
fn a_lookup_needs_a_place_to_remember_and_says_so() {
    let site = offline();
    let profile = site.path("profile.toml");
    let ran = run("discreet", ["lookup", NUMBER, "--profile", profile.to_str().unwrap()]);
    ran.refused(5, "--state").silent_about(SECRET);
}

#[test]
fn a_failure_in_json_is_one_object_and_an_exit_code() {
    let ran = offline().lookup([NUMBER, "--json"]).silent_about(SECRET);
    let failure: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""));
    assert_eq!(failure["code"], 3);
    assert!(failure["error"].as_str().unwrap().contains("cannot be reached"), "{failure}");
}

#[test]
fn rejects_a_relay_that_is_down() {
    let System { site, gateway, relays: [one, other] } = Site::new().start();
    one.stop();
    site.lookup([NUMBER]).refused(3, "cannot be reached").silent_about(SECRET);
    assert!(!(other.stop() + &gateway.stop()).contains(SECRET));
}

#[test]
fn rejects_a_gateway_that_is_down_with_and_without_a_policy_in_the_relays() {
    let System { site, gateway, relays } = Site::new().start();
    let url = format!("https://{}", gateway.addr);
    assert_eq!(site.lookup([NUMBER]).code, Some(1), "the relays have the policy now");
    gateway.stop();
    site.lookup([NUMBER]).refused(3, "the gateway cannot be reached").silent_about(SECRET);
    drop(relays);
    let relays = [0, 1].map(|index| Server::start("discreet-relay", &site.relay_config(index, &url, 0)));
    let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    site.profile(urls.each_ref().map(String::as_str));
    site.lookup([NUMBER]).refused(3, "answered with status 50").silent_about(SECRET);
}

#[test]
fn rejects_a_relay_that_returns_html() {
    let site = Site::new();
    let url = || format!("http://127.0.0.1:{}/dp", web_server());
    site.profile([&url(), &url()]);
    site.lookup([NUMBER]).refused(3, "captive portal").silent_about(SECRET);
}

/// Answers everything with a web page; returns its port.
fn web_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 12\r\nconnection: close\r\n\r\n<p>Log in</p";
            // Whoever looked up may be gone already.
            let _ = stream.write_all(page);
        }
    });
    port
}

/// Overwrites a file from `from` on.
fn garble(site: &Site, file: &str, from: u64) {
    let path = site.path(file);
    let length = fs::metadata(&path).unwrap().len();
    assert!(length > from, "there is something to overwrite");
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let garbage: Vec<u8> = (from..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    file.write_all(&garbage).unwrap();
}

#[test]
fn rejects_a_corrupt_directory() {
    let site = Site::new();
    garble(&site, "directory.db", 0);
    for ran in [
        site.gateway([]),
        site.gateway(["--check-config"]),
        site.resolver(["export"]),
        site.resolver(["init"]),
    ] {
        ran.refused(2, "directory.db is damaged or not one of ours");
    }
    let lines = [site.world.line(NUMBER)];
    site.import("lines.jsonl", &lines).refused(2, "directory.db is damaged or not one of ours");
    assert!(site.path("pepper.key").exists());
}

#[test]
fn a_directory_that_goes_bad_fails_its_lookups_and_nothing_else() {
    let site = Site::new();
    let numbers: Vec<_> = (0..40).map(|n| format!("+1415555{n:04}")).collect();
    let lines: Vec<_> = numbers.iter().map(|number| site.world.line(number)).collect();
    site.import("lines.jsonl", &lines).succeeded();
    let system = site.start();
    // The first page holds the schema; all the rest is rows.
    garble(&system.site, "directory.db", 4096);
    for number in &numbers[..3] {
        let refused =
            system.site.lookup([number.as_str()]).refused(3, "directory: it answered with status 500");
        refused.silent_about(&number[5..]);
    }
    let System { site, gateway, relays } = system;
    let log = gateway.stop();
    assert!(log.contains("a lookup failed") && !log.contains("1415555"), "{log}");
    drop(relays);
    let export = site.path("export.jsonl");
    let failed = site.resolver(["export", export.to_str().unwrap()]);
    assert!(matches!(failed.code, Some(2 | 3)) && failed.stdout.is_empty(), "{failed:?}");
    assert!(!export.exists(), "half an export is none");
}

/// Every command that opens the directory says why it does not.
#[track_caller]
fn nobody_opens(site: &Site, reason: &str) {
    let none = site.import("none.jsonl", &[]);
    for ran in [site.gateway([]), site.gateway(["--check-config"]), site.resolver(["export"]), none] {
        ran.refused(2, reason);
    }
}

#[test]
fn rejects_a_missing_pepper_and_makes_none_silently() {
    let site = Site::new();
    fs::remove_file(site.path("pepper.key")).unwrap();
    nobody_opens(&site, "pepper.key is missing; restore it");
    site.resolver(["init"]).refused(2, "restore the pepper from its backup");
    assert!(!site.path("pepper.key").exists());
}

#[test]
fn rejects_a_wrong_pepper() {
    let site = Site::new();
    site.write("pepper.key", &format!("{}\n", "5a".repeat(32)));
    nobody_opens(&site, "this pepper does not belong to this directory");
    site.write("pepper.key", "5a5a\n");
    nobody_opens(&site, "must hold one line of 64 hex digits");
    site.gateway([]).silent_about("5a5a");
}

#[test]
fn rejects_secrets_that_others_can_read() {
    let site = Site::new();
    let expose =
        |file: &str, mode| fs::set_permissions(site.path(file), Permissions::from_mode(mode)).unwrap();
    expose("pepper.key", 0o640);
    nobody_opens(&site, "pepper.key has mode 640, so others may use it; run chmod 600");
    expose("pepper.key", 0o600);
    for secret in ["ohttp.keys", "directory.key"] {
        expose(secret, 0o604);
        site.gateway([]).refused(2, &format!("{secret} has mode 604"));
        expose(secret, 0o600);
    }
    site.gateway(["--check-config"]).succeeded();
}

#[test]
fn rejects_configuration_with_an_unknown_field() {
    let site = Site::new();
    let relay = site.relay_config(0, "https://127.0.0.1:1", 0);
    for file in ["relay-0.toml", "gateway.toml", "resolver.toml", "rules.toml"] {
        let good = fs::read_to_string(site.path(file)).unwrap();
        site.write(file, &format!("colour = 3\n{good}"));
        let reason = format!("{file} line 1: unknown field `colour`");
        match file {
            "relay-0.toml" => {
                let config = relay.to_str().unwrap();
                run("discreet-relay", ["--config", config]).refused(2, &reason);
                run("discreet-relay", ["--config", config, "--check-config"]).refused(2, &reason);
            }
            "gateway.toml" => {
                site.gateway([]).refused(2, &reason);
                site.gateway(["init"]).refused(2, &reason);
            }
            _ => {
                nobody_opens(&site, &reason);
                site.resolver(["init"]).refused(2, &reason);
            }
        }
        site.write(file, &good);
    }
    fs::remove_file(site.path("rules.toml")).unwrap();
    nobody_opens(&site, "cannot read the configuration");
}

#[test]
fn rejects_rules_with_a_bad_authority() {
    let site = Site::new();
    let key = hex::encode(site.world.authorities[0].verifying_key().to_bytes());
    let good = fs::read_to_string(site.path("rules.toml")).unwrap();
    for (from, to, reason) in [
        (key.as_str(), &key[1..], "authorities.key must be an Ed25519 public key"),
        (key.as_str(), "01", "authorities.key must be an Ed25519 public key"),
        ("two.authority", "one.authority", "authorities.name stands twice"),
        ("tel:+", "tel:0", "authorities.namespaces must each be"),
        ("edition = 1", "edition = -1", "rules.toml line 3: "),
    ] {
        site.bend("rules.toml", from, to);
        nobody_opens(&site, reason);
        site.write("rules.toml", &good);
    }
}

#[test]
fn rejects_a_port_in_use() {
    let site = Site::new();
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let reason = format!("127.0.0.1:{port} is in use by another process");
    let relay = site.relay_config(0, "https://127.0.0.1:1", port);
    run("discreet-relay", ["--config", relay.to_str().unwrap()]).refused(1, &reason);
    site.bend("gateway.toml", "127.0.0.1:0", &format!("127.0.0.1:{port}"));
    site.gateway([]).refused(1, &reason);
}
