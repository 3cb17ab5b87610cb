//! Relays that serve their own users only, as operators set them up and people use them.

#![allow(clippy::unwrap_used)]

use super::process::{Server, binary, run};
use super::system::{Site, System};
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

const ALICE: &str = "+14155550123";
const OPERATORS: [&str; 2] = ["operator = \"Relay operator 0\"\n", "operator = \"Relay operator 1\"\n"];

/// A file that only its owner may read.
fn write_own(site: &Site, file: &str, text: &str) {
    site.write(file, text);
    fs::set_permissions(site.path(file), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A directory that knows Alice.
fn site() -> Site {
    let site = Site::new();
    site.import("lines.jsonl", &[site.world.line(ALICE)]).succeeded();
    site
}

/// Both relays with the same tokens; the token of one user.
fn guarded() -> (System, String) {
    let site = site();
    let printed = run("discreet-relay", ["token"]).succeeded().stdout;
    let (token, line) = printed.trim_end().split_once('\n').unwrap();
    assert!(!line.contains(token) && line.len() == 64, "{printed}");
    write_own(&site, "tokens", &format!("# users\n{line} alice\n"));
    let system = site.start_with_relays(|_| "[access.bearer]\nfile = \"tokens\"\n".to_owned());
    (system, token.to_owned())
}

/// Names the token's file at both relays of the profile.
fn show_tokens(site: &Site) {
    for operator in OPERATORS {
        site.bend("profile.toml", operator, &format!("{operator}bearer = \"alice.token\"\n"));
    }
}

#[test]
fn a_relay_with_tokens_serves_those_who_show_one() {
    let (system, token) = guarded();
    let site = &system.site;
    site.lookup([ALICE]).refused(5, "wants a token it knows (a token is needed)");
    show_tokens(site);
    site.lookup([ALICE]).refused(5, "alice.token");
    write_own(site, "alice.token", &format!("{token}\n"));
    site.lookup([ALICE]).succeeded().silent_about(&token);
    let (gateway, relays) = (system.gateway.stop(), system.relays.map(Server::stop));
    assert!(!gateway.contains(&token) && relays.iter().all(|log| !log.contains(&token)));
}

#[test]
fn a_token_the_relay_does_not_know_is_named_as_the_reason() {
    let (system, _) = guarded();
    show_tokens(&system.site);
    write_own(&system.site, "alice.token", "a-wrong-token\n");
    let refused = system.site.lookup([ALICE]);
    refused.refused(5, "wants a token it knows (the token is not known)").silent_about("a-wrong-token");
}

#[test]
fn a_token_that_others_may_read_is_not_used() {
    let (system, token) = guarded();
    show_tokens(&system.site);
    system.site.write("alice.token", &token);
    fs::set_permissions(system.site.path("alice.token"), fs::Permissions::from_mode(0o640)).unwrap();
    let refused = system.site.lookup([ALICE]).refused(5, "has mode 640, so others may read it");
    refused.silent_about(&token);
}

#[test]
fn what_is_no_token_is_refused_before_anything_is_sent() {
    let site = site();
    site.profile(["https://127.0.0.1:1/dp", "https://127.0.0.1:2/dp"]);
    show_tokens(&site);
    write_own(&site, "alice.token", "two words\n");
    site.lookup([ALICE])
        .refused(5, "the token for a relay or the issuer is none: letters, digits and -._~+/= are allowed")
        .silent_about("two words");
}

#[test]
fn a_tokens_file_that_others_may_read_is_refused() {
    let site = Site::new();
    site.write("tokens", "");
    fs::set_permissions(site.path("tokens"), fs::Permissions::from_mode(0o644)).unwrap();
    let config = site.relay_config(0, "https://127.0.0.1:1", 0);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "[access.bearer]\nfile = \"tokens\"\n").unwrap();
    let ran = run("discreet-relay", ["--config", config.to_str().unwrap(), "--check-config"]);
    ran.refused(2, "has mode 644, so others may use it");
}

/// Descriptors run out long before `max_connections` does.
#[test]
fn silent_connections_make_room_before_descriptors_run_out() {
    let site = Site::new();
    // Nobody leaves for being idle, only for another.
    let text = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n\
                [limits]\nidle_timeout_secs = 3600\nheader_timeout_secs = 3600\n\
                [gateways.dp]\nurl = \"https://127.0.0.1:1\"\n";
    site.write("relay.toml", text);
    let (relay, config) = (binary("discreet-relay"), site.path("relay.toml"));
    let limited = format!("ulimit -n 96; exec {} --config {}", relay.display(), config.display());
    let relay = Server::spawn(Command::new("sh").args(["-c", &limited]));
    let silent: Vec<_> = (0..120).map(|_| TcpStream::connect(relay.addr).unwrap()).collect();
    let mut honest = TcpStream::connect(relay.addr).unwrap();
    honest.write_all(b"GET /nowhere HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").unwrap();
    honest.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut answer = String::new();
    honest.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    drop(silent);
    relay.stop();
}

#[test]
fn a_relay_with_known_certificates_serves_those_who_show_one() {
    let site = site();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["alice.example".to_owned()]).unwrap();
    write_own(&site, "alice.pem", &names.self_signed(&key).unwrap().pem());
    write_own(&site, "alice.key", &key.serialize_pem());
    let gateway = Server::start("discreet-gateway", &site.path("gateway.toml"));
    let relays = [0, 1].map(|index| {
        let config = site.relay_config(index, &format!("https://{}", gateway.addr), 0);
        let name = config.file_name().unwrap().to_str().unwrap();
        site.bend(name, "[listen.tls]\n", "[listen.mutual_tls]\npeers = [\"alice.pem\"]\n");
        Server::start("discreet-relay", &config)
    });
    let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    site.profile(urls.each_ref().map(String::as_str));
    site.lookup([ALICE]).refused(3, "relay 127.0.0.1:");
    for operator in OPERATORS {
        let identity = "identity = { certificate = \"alice.pem\", key = \"alice.key\" }\n";
        site.bend("profile.toml", operator, &format!("{operator}{identity}"));
    }
    site.lookup([ALICE]).succeeded();
    fs::set_permissions(site.path("alice.key"), fs::Permissions::from_mode(0o644)).unwrap();
    site.lookup([ALICE]).refused(5, "has mode 644, so others may read it");
}
