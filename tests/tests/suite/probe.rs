//! A probe through every relay: each stage, where it ends when something is broken.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::commands::process::{Ran, run};
use crate::commands::system::Site;
use crate::end_to_end::NOW;
use crate::refusals::fakes::{Fake, Provider, Relays, client, found, profile, response};
use bytes::Bytes;
use discreet_client::{Client, Csi, Error, Profile, RelayError, RelayProbe, Stage, Verdict};
use discreet_gateway::rotation;
use discreet_protocol::SigningKey;
use discreet_protocol::policy::{Authorities, Authority, Policy};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::fs;
use tests::{Net, Person, World};

/// What a provider may publish the mapping of.
fn reserved() -> Csi {
    Csi::from_uri("handle:discreet-probe").unwrap()
}

/// What each relay failed at.
fn failed(probes: &[RelayProbe]) -> Vec<Option<Stage>> {
    assert!(probes.iter().map(|probe| probe.number).eq(1..=probes.len()));
    probes.iter().map(|probe| probe.failure.as_ref().map(|(stage, _)| *stage)).collect()
}

fn verdicts(probe: &RelayProbe) -> [Verdict; 6] {
    Stage::ALL.map(|stage| probe.verdict(stage))
}

async fn start(relays: usize) -> Net {
    Net::builder().relays(relays).start(World::new(1, NOW)).await.unwrap()
}

/// A profile of `net` in which relay `index` is somewhere else.
fn with_relay(net: &Net, index: usize, url: &str) -> Profile {
    let text = fs::read_to_string(net.profile_path()).unwrap();
    Profile::from_toml(&text.replace(&net.relay_urls()[index], url)).unwrap()
}

fn client_of(net: &Net, profile: Profile) -> Client {
    Client::builder(profile).ca(fs::read(net.ca()).unwrap()).clock(|| NOW.unix()).build().unwrap()
}

/// Two relays before a provider that also attests handles.
async fn fakes(
    provider: &Provider,
    lookup: impl Fn(&Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
) -> Relays {
    let policy = provider.policy();
    let everybody = |authority: &Authority| {
        let namespaces = [authority.namespaces.clone(), vec!["handle:".parse().unwrap()]].concat();
        Authority { namespaces, ..authority.clone() }
    };
    let authorities = policy.authorities.iter().map(everybody).collect();
    let policy = Policy { authorities: Authorities::new(authorities).unwrap(), ..policy };
    let served = provider.serve(&policy);
    Relays::start(move |_| served.clone(), lookup).await
}

/// What both relays show of a directory that says this about the reserved identifier.
async fn answered(bend: impl Fn(&mut Person)) -> [RelayProbe; 2] {
    let provider = Provider::new();
    let mut person = provider.world.person(&reserved(), 0);
    bend(&mut person);
    let content = Bytes::from(found(&[person]).encode().unwrap());
    let answering = provider.clone();
    let lookup = move |request: &Request<Bytes>| answering.seal(request, &Response::new(content.clone()));
    fakes(&provider, lookup).await.client.probe().await.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn all_is_fine_through_every_relay() {
    let net = start(3).await;
    let probes = net.client().build().unwrap().probe().await.unwrap();
    assert_eq!(failed(&probes), [None, None, None]);
    for (probe, url) in probes.iter().zip(net.relay_urls()) {
        assert_eq!(format!("https://{}/dp", probe.relay), *url);
        let expected = [
            Verdict::Passed,
            Verdict::Passed,
            Verdict::Passed,
            Verdict::NotNeeded,
            Verdict::Passed,
            Verdict::NothingToCheck,
        ];
        assert_eq!(verdicts(probe), expected);
    }
}

#[tokio::test]
async fn a_mapping_of_the_reserved_identifier_is_verified() {
    for probe in answered(|_| {}).await {
        assert!(probe.failure.is_none());
        assert_eq!(probe.verdict(Stage::Signature), Verdict::Passed);
    }
}

/// One look at the policy and one lookup through each, and nothing about anybody.
#[tokio::test]
async fn each_relay_is_asked_once() {
    let provider = Provider::new();
    let relays = Relays::of(&provider, |_| response(500, "text/plain", "")).await;
    relays.client.probe().await.unwrap();
    for relay in &relays.relays {
        assert_eq!((relay.asked(Method::GET), relay.asked(Method::POST)), (1, 1));
    }
}

#[tokio::test]
async fn tls_fails_where_a_relay_is_down_and_no_other_stands_in() {
    let mut net = start(3).await;
    let relay = net.relays.remove(1);
    relay.shutdown();
    relay.join().await.unwrap();
    let probes = net.client().build().unwrap().probe().await.unwrap();
    assert_eq!(failed(&probes), [None, Some(Stage::Tls), None]);
    let unreachable = &probes[1].failure.as_ref().unwrap().1;
    assert!(matches!(unreachable, Error::Relay { error: RelayError::Unreachable, .. }), "{unreachable}");
    assert!(verdicts(&probes[1])[1..].iter().all(|verdict| *verdict == Verdict::NotReached));
}

#[tokio::test]
async fn the_last_relay_is_probed_with_nothing_to_compare_its_policy_with() {
    let net = start(2).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let profile = with_relay(&net, 1, &format!("https://{free}/dp"));
    let probes = client_of(&net, profile).probe().await.unwrap();
    assert_eq!(failed(&probes), [None, Some(Stage::Tls)]);
    assert_eq!(probes[0].verdict(Stage::Policy), Verdict::NotCompared);
}

#[tokio::test]
async fn tls_fails_where_a_certificate_is_not_trusted() {
    let (net, other) = (start(3).await, start(2).await);
    let probes = client_of(&net, with_relay(&net, 2, &other.relay_urls()[0])).probe().await.unwrap();
    assert_eq!(failed(&probes), [None, None, Some(Stage::Tls)]);
    let untrusted = &probes[2].failure.as_ref().unwrap().1;
    assert!(matches!(untrusted, Error::Relay { error: RelayError::Untrusted, .. }), "{untrusted}");
}

#[tokio::test]
async fn policy_fails_where_a_relay_serves_a_wrong_one() {
    let provider = Provider::new();
    let forged = sign(&provider.policy(), &SigningKey::from_bytes(&[9; 32]));
    let forged = response(200, "application/cose; cose-type=\"cose-sign1\"", forged);
    let void = Policy { not_after: Timestamp::from_unix(NOW.unix()), ..provider.policy() };
    for wrong in [forged, provider.serve(&void), response(404, "text/plain", "")] {
        let good = provider.serve(&provider.policy());
        let served = move |index| if index == 0 { wrong.clone() } else { good.clone() };
        let relays = Relays::start(served, |_| response(500, "text/plain", "")).await;
        let probes = relays.client.probe().await.unwrap();
        assert_eq!(failed(&probes), [Some(Stage::Policy), Some(Stage::Keys)]);
        assert_eq!(relays.relays[0].asked(Method::POST), 0, "nothing is sealed by a wrong policy");
    }
}

/// Of three relays the one that shows another policy than the two others is at fault.
#[tokio::test]
async fn policy_fails_where_a_relay_disagrees_with_all_others() {
    let provider = Provider::new();
    let person = provider.world.person(&reserved(), 0);
    let content = Bytes::from(found(&[person]).encode().unwrap());
    let mut relays = Vec::new();
    for index in 0..3 {
        let operator = if index == 0 { "Somebody Else" } else { "Example Discovery Ltd" };
        let served = provider.serve(&Policy { operator: operator.to_owned(), ..provider.policy() });
        let (provider, content) = (provider.clone(), content.clone());
        let relay = Fake::start(move |request| match *request.method() {
            Method::GET => served.clone(),
            _ => provider.seal(request, &Response::new(content.clone())),
        });
        relays.push(relay.await);
    }
    let urls: Vec<_> = relays.iter().map(Fake::url).collect();
    let probes = client(profile(&urls), &Clock::manual(NOW.unix())).probe().await.unwrap();
    // The authorities of this provider do not speak for handles.
    assert_eq!(failed(&probes), [Some(Stage::Policy), Some(Stage::Signature), Some(Stage::Signature)]);
    assert!(matches!(probes[0].failure, Some((_, Error::RelaysDisagree))));
}

#[tokio::test]
async fn keys_fail_where_the_gateway_has_others() {
    let net = start(2).await;
    // The relays keep what they have fetched.
    let client = net.client().build().unwrap();
    assert_eq!(failed(&client.probe().await.unwrap()), [None, None]);
    rotation::drop_all(&net.folder().join("ohttp.keys"), NOW).unwrap();
    net.gateway.as_ref().unwrap().refresh_keys().unwrap();
    let probes = client.probe().await.unwrap();
    assert_eq!(failed(&probes), [Some(Stage::Keys), Some(Stage::Keys)]);
    assert_eq!(probes[0].verdict(Stage::Token), Verdict::NotReached);
}

#[tokio::test]
async fn keys_fail_where_the_policy_has_none_for_us() {
    let provider = Provider::new();
    for keys in [Vec::new(), vec![0, 1]] {
        let served = provider.serve(&Policy { keys, ..provider.policy() });
        let relays = Relays::start(move |_| served.clone(), |_| response(500, "text/plain", "")).await;
        let probes = relays.client.probe().await.unwrap();
        assert_eq!(failed(&probes), [Some(Stage::Keys), Some(Stage::Keys)]);
    }
}

#[tokio::test]
async fn store_fails_where_the_directory_cannot_answer() {
    for status in [500, 503] {
        let provider = Provider::new();
        let answering = provider.clone();
        let broken = move |request: &Request<Bytes>| {
            answering.seal(request, &Response::builder().status(status).body(Bytes::new()).unwrap())
        };
        let probes = Relays::of(&provider, broken).await.client.probe().await.unwrap();
        assert_eq!(failed(&probes), [Some(Stage::Store), Some(Stage::Store)]);
        assert_eq!(probes[1].verdict(Stage::Keys), Verdict::Passed);
    }
}

#[tokio::test]
async fn signature_fails_where_a_mapping_does_not_verify() {
    let other = SigningKey::from_bytes(&[5; 32]);
    for probe in answered(|person| person.holder = other.clone()).await {
        assert!(matches!(probe.failure, Some((Stage::Signature, _))), "{probe:?}");
        assert_eq!(probe.verdict(Stage::Store), Verdict::Passed);
    }
}

/// Of two mappings one that does not verify is left out of an answer; a probe says so.
#[tokio::test]
async fn signature_fails_where_one_of_several_mappings_does_not_verify() {
    let provider = Provider::new();
    let good = provider.world.person(&reserved(), 0);
    let mut stale = provider.world.person(&reserved(), 1);
    stale.status.at = NOW.minus(73 * 3600);
    let content = Bytes::from(found(&[good, stale]).encode().unwrap());
    let answering = provider.clone();
    let lookup = move |request: &Request<Bytes>| answering.seal(request, &Response::new(content.clone()));
    let probes = fakes(&provider, lookup).await.client.probe().await.unwrap();
    assert_eq!(failed(&probes), [Some(Stage::Signature), Some(Stage::Signature)]);
}

fn probe(site: &Site, args: &[&str]) -> Ran {
    let (profile, state) = (site.path("profile.toml"), site.path("state"));
    let common = ["probe", "--profile", profile.to_str().unwrap(), "--state", state.to_str().unwrap()];
    run("discreet", [&common, args].concat())
}

#[test]
fn the_command_prints_a_table_json_and_metrics() {
    let system = Site::new().start();
    let site = &system.site;
    let ran = probe(site, &[]).succeeded();
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines: Vec<_> = ran.stdout.lines().map(cells).collect();
    assert_eq!(lines[0], ["relay", "tls", "policy", "keys", "token", "store", "signature"]);
    for (at, relay) in system.relays.iter().enumerate() {
        let name = format!("{} {}", at + 1, relay.addr);
        assert_eq!(lines[at + 1], [name.as_str(), "ok", "ok", "ok", "not needed", "ok", "nothing to check"]);
    }

    let file = site.path("probe.prom");
    system.relays[0].terminate();
    let down = system.relays[0].addr;
    while std::net::TcpStream::connect(down).is_ok() {
        std::thread::yield_now();
    }
    let ran = probe(site, &["--json", "--prometheus", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(8), ""), "{ran:?}");
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&said["fine"], &said["relays"][0]["failed"]), (&json!(false), &json!("tls")));
    let good = json!({
        "relay": 2, "host": system.relays[1].addr.to_string(), "failed": null, "error": null,
        "stages": {
            "tls": "passed", "policy": "not_compared", "keys": "passed", "token": "not_needed",
            "store": "passed", "signature": "nothing_to_check",
        },
    });
    assert_eq!(said["relays"][1], good);
    let stage = |stage: &str| format!("discreet_probe_stage_success{{relay=\"2\",stage=\"{stage}\"}} 1\n");
    let stages: String = ["tls", "policy", "keys", "token", "store", "signature"].map(stage).concat();
    let expected = format!(
        "# HELP discreet_probe_success Whether a lookup through this relay of the profile passed every stage.\n\
         # TYPE discreet_probe_success gauge\n\
         discreet_probe_success{{relay=\"1\"}} 0\n\
         discreet_probe_success{{relay=\"2\"}} 1\n\
         # HELP discreet_probe_stage_success Whether this stage passed, or had nothing to do; absent when not reached.\n\
         # TYPE discreet_probe_stage_success gauge\n\
         discreet_probe_stage_success{{relay=\"1\",stage=\"tls\"}} 0\n{stages}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    let left = fs::read_dir(file.parent().unwrap()).unwrap();
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().ends_with(".new")));
    let nowhere = probe(site, &["--prometheus", site.path("no/such/folder").to_str().unwrap()]);
    assert_eq!(nowhere.code, Some(5), "{nowhere:?}");
    assert!(nowhere.stderr.starts_with("discreet: cannot write "), "{nowhere:?}");
}
