//! `discreet-gateway keys`: shown, rotated and dropped, under a gateway that runs.

use super::system::{Site, System};
use serde_json::Value;

const NUMBER: &str = "+14155550123";

fn keys(site: &Site) -> Vec<Value> {
    let shown = site.gateway(["keys", "--json"]).succeeded().stdout;
    shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_new_gateway_has_a_current_and_a_next_key_of_each_kem() {
    let site = Site::new();
    let keys = keys(&site);
    let told: Vec<_> =
        keys.iter().map(|key| (key["kem"].as_str().unwrap(), key["use"].as_str().unwrap())).collect();
    assert_eq!(told, [("XWing", "Current"), ("X25519", "Current"), ("XWing", "Next"), ("X25519", "Next")]);
    let text = site.gateway(["keys"]).succeeded().stdout;
    assert_eq!(text.lines().count(), 4);
    let secret = std::fs::read_to_string(site.path("ohttp.keys")).unwrap();
    let seed = secret.lines().find_map(|line| line.strip_prefix("seed = \"")).unwrap().trim_end_matches('"');
    assert!(seed.len() == 64 && !text.contains(seed));
}

#[test]
fn rejects_rotating_keys_that_are_younger_than_a_day() {
    let site = Site::new();
    // They began at midnight, so they may be older than that only tomorrow.
    site.gateway(["keys", "rotate"]).refused(1, "in use for less than 24 hours");
}

#[test]
fn dropped_keys_open_nothing_more_and_new_ones_do() {
    let site = Site::new();
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    let System { site, gateway, relays } = site.start();
    site.lookup([NUMBER]).succeeded();
    let before: Vec<_> = keys(&site).iter().map(|key| key["id"].clone()).collect();
    site.gateway(["keys", "drop"]).succeeded();
    assert!(keys(&site).iter().all(|key| !before.contains(&key["id"])));
    // The running gateway takes the file up within seconds; the relays still hand out the old keys.
    let refused = (0..2000).map(|_| site.lookup([NUMBER])).find(|ran| ran.code != Some(0)).unwrap();
    assert!(refused.code == Some(3) && refused.stderr.contains("does not know the key"), "{refused:?}");
    // Relays that have fetched the policy since lead to the new ones.
    let url = format!("https://{}", gateway.addr);
    drop(relays);
    let relays = [0, 1]
        .map(|index| super::process::Server::start("discreet-relay", &site.relay_config(index, &url, 0)));
    let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    site.profile(urls.each_ref().map(String::as_str));
    site.lookup([NUMBER]).succeeded();
}
