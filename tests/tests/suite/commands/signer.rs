//! A directory key that the gateway does not have: policies are signed by a command.

use super::process::Server;
use super::system::{Site, System};
use crate::end_to_end::{NOW, ask};
use discreet_client::{Error, Outcome, PolicyError};
use discreet_gateway::keyfile;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::SigningKey;
use discreet_protocol::policy::ValidityError;
use discreet_protocol::time::DAY;
use discreet_serve::secret::{Secret32, create_secret};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Net, World};

const NUMBER: &str = "+14155550123";
const SIGNER: &str = env!("CARGO_BIN_EXE_signer");
const SEED: [u8; 32] = [31; 32];
/// More than the gateway's pause after a signer has failed, with which a new try begins.
const PATIENCE: Duration = Duration::from_secs(120);

/// A site whose directory key is with the signer only. Its OHTTP keys are two days old, so that they can be
/// rotated, for which a new policy has to be signed.
fn site() -> Site {
    let mut site = Site::new();
    create_secret(&site.path("signer.key"), &SEED).unwrap();
    site.write("signer.mode", "sign");
    site.directory_key = hex::encode(SigningKey::from_bytes(&SEED).verifying_key().to_bytes());
    let command = [SIGNER.into(), site.path("signer.key"), site.path("signer.mode")];
    let signer = format!("{{ command = {command:?}, public_key = \"{}\" }}", site.directory_key);
    site.bend("gateway.toml", "\"directory.key\"", &signer);
    fs::remove_file(site.path("directory.key")).unwrap();
    fs::remove_file(site.path("ohttp.keys")).unwrap();
    let begun = site.world.now.start_of_day().minus(2 * DAY);
    keyfile::create(&site.path("ohttp.keys"), &Ratchet::new(Secret32::new([12; 32]), 0, begun, 7)).unwrap();
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    site
}

/// A counter or gauge of the gateway; 0 while there is none of that name.
fn metric(gateway: &Server, name: &str) -> u64 {
    let mut socket = TcpStream::connect(gateway.admin.unwrap()).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

#[track_caller]
fn wait_for(gateway: &Server, outcome: &str, count: u64) {
    let name = format!("discreet_gateway_policy_signings_total{{outcome=\"{outcome}\"}}");
    let patience = Instant::now() + PATIENCE;
    while metric(gateway, &name) < count {
        assert!(Instant::now() < patience, "{name} stays at {}", metric(gateway, &name));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn look_up(system: &System) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A client that remembers nothing: it fetches and verifies the policy.
    let answer = runtime.block_on(system.client().lookup(ask(NUMBER))).unwrap();
    assert_eq!(answer.outcome(), Outcome::OneService);
}

/// The keys turn while the signer misbehaves: the last policy is served on, its keys drain as long, and
/// metrics and log say so.
#[track_caller]
fn goes_on_while_the_signer(mode: &str, outcome: &str, reason: &str) -> System {
    let system = site().start();
    look_up(&system);
    let expires = metric(&system.gateway, "discreet_gateway_policy_expires_timestamp_seconds");
    assert_eq!(expires, super::system::now().start_of_day().plus(7 * DAY).unix());
    system.site.write("signer.mode", mode);
    system.site.gateway(["keys", "rotate"]).succeeded();
    wait_for(&system.gateway, outcome, 1);
    look_up(&system);
    let line = system.gateway.logged(|line| line.contains("the last policy is served until it expires"));
    // An hour may have ended between the line and now.
    let left = (expires - super::system::now().unix()) / 3600;
    let said = [left, left + 1].iter().any(|hours| line.contains(&format!("hours_left={hours}")));
    assert!(line.contains(reason) && said, "{line}");
    system
}

#[test]
fn a_policy_signed_by_a_command_is_served_and_verified() {
    let system = site().start();
    look_up(&system);
    assert!(!system.site.path("directory.key").exists());
    let log = system.gateway.stop();
    assert!(!log.contains("ERROR"), "{log}");
}

/// And when the signer is well again, the next policy is signed, with the new keys.
#[test]
fn a_signer_that_fails_leaves_the_last_policy_and_is_asked_again() {
    let system = goes_on_while_the_signer("fail", "NoSignature", "gave no signature");
    system.site.write("signer.mode", "sign");
    // The first was signed at the start.
    wait_for(&system.gateway, "Signed", 2);
    look_up(&system);
}

#[test]
fn a_signer_that_hangs_is_given_up_after_ten_seconds() {
    let began = Instant::now();
    let system = goes_on_while_the_signer("hang", "NoSignature", "within 10 s");
    assert!(began.elapsed() >= Duration::from_secs(10), "it had its time");
    // Nobody waits for it when the gateway stops.
    system.gateway.stop();
}

#[test]
fn a_signer_with_another_key_leaves_the_last_policy() {
    goes_on_while_the_signer(
        "wrong-key",
        "OtherKey",
        "signs with another key than the configured public_key",
    );
}

#[test]
fn a_signer_that_prints_garbage_leaves_the_last_policy() {
    goes_on_while_the_signer("garbage", "NoSignature", "must print 128 hex digits");
}

#[test]
fn a_signer_that_is_gone_leaves_the_last_policy() {
    let site = site();
    // A name of its own, which can be taken away.
    let link = site.path("signer");
    fs::copy(SIGNER, &link).unwrap();
    site.bend("gateway.toml", SIGNER, link.to_str().unwrap());
    let system = site.start();
    look_up(&system);
    fs::remove_file(link).unwrap();
    system.site.gateway(["keys", "rotate"]).succeeded();
    wait_for(&system.gateway, "NotRun", 1);
    look_up(&system);
}

#[test]
fn rejects_to_start_without_a_signature() {
    let site = site();
    for (mode, reason) in [
        ("fail", "gave no signature"),
        ("garbage", "gave no signature"),
        ("wrong-key", "signs with another key than the configured public_key"),
    ] {
        site.write("signer.mode", mode);
        let ran = site.gateway([]);
        assert_eq!(ran.code, Some(2), "{mode}: {ran:?}");
        assert!(
            ran.stderr.contains("the directory key: the signer") && ran.stderr.contains(reason),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn without_a_signer_the_last_policy_is_served_for_its_seven_days_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1, NOW);
    create_secret(&folder.path().join("signer.key"), world.directory_key.as_bytes()).unwrap();
    let mode = folder.path().join("signer.mode");
    fs::write(&mode, "sign").unwrap();
    let command = [Path::new(SIGNER), &folder.path().join("signer.key"), &mode];
    let command = command.map(|part| part.to_str().unwrap().to_owned()).to_vec();
    let net = Net::builder().folder(folder.path()).signer(command).start(world).await.unwrap();
    fs::write(&mode, "fail").unwrap();
    net.clock.set(NOW.start_of_day().plus(7 * DAY).unix() - 1);
    let answer = net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap();
    assert_eq!(answer.outcome(), Outcome::NoMapping);
    net.clock.advance(1);
    let error = net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap_err();
    let expired = PolicyError::Validity(ValidityError::Expired);
    assert!(matches!(&error, Error::Policy { error, .. } if *error == expired), "{error}");
    net.clock.advance(DAY);
    // Now the relays' copies are gone, too, so they have asked.
    net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap_err();
    let log = net.log.text();
    assert!(log.contains("the last signed policy has expired; look after the signer"), "{log}");
}
