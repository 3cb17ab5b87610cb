//! Which gateway a lookup is sealed for: the profile names the discovery domain and the key that signs
//! its policy, and two relays must hand out one key. A lookup that passes none of this is not sent.

use crate::end_to_end::{NOW, ask};
use crate::hops::recorder::Recorder;
use discreet_client::{Client, Error, PolicyError, Profile};
use discreet_gateway::keyfile;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::statement::StatementError;
use discreet_serve::secret::Secret32;
use std::fs;
use std::path::Path;
use tests::{Net, World};

const NUMBER: &str = "+14155550123";

/// A network of `world`, with a recorder before each of its roles.
async fn start(world: World, folder: &Path) -> (Net, Recorder) {
    let recorder = Recorder::new();
    let lines = vec![world.line(NUMBER)];
    let builder = Net::builder().lines(lines).folder(folder).front(recorder.front());
    (builder.start(world).await.unwrap(), recorder)
}

/// The profile of `net`, with one text in it replaced.
fn bent_profile(net: &Net, from: &str, to: &str) -> Profile {
    let text = fs::read_to_string(net.profile_path()).unwrap();
    assert!(text.contains(from), "{text}");
    Profile::from_toml(&text.replace(from, to)).unwrap()
}

fn client(profile: Profile, nets: &[&Net]) -> Client {
    let ca: Vec<u8> = nets.iter().flat_map(|net| fs::read(net.ca()).unwrap()).collect();
    Client::builder(profile).ca(ca).clock(|| NOW.unix()).build().unwrap()
}

#[tokio::test]
async fn c30_rejects_a_gateway_of_another_domain_or_key_than_the_profile_names() {
    let folder = tests_folder();
    let (net, recorder) = start(World::new(1, NOW), folder.path()).await;
    let key = hex::encode(World::new(1, NOW).directory_key.verifying_key().to_bytes());
    let other = hex::encode(World::new(2, NOW).directory_key.verifying_key().to_bytes());
    let signature = PolicyError::Statement(StatementError::Signature);
    for (from, to, expected) in [
        (key.as_str(), other.as_str(), signature),
        ("domain = \"dp.example\"", "domain = \"other.example\"", PolicyError::Domain),
    ] {
        let error = client(bent_profile(&net, from, to), &[&net]).lookup(ask(NUMBER)).await.unwrap_err();
        assert!(matches!(&error, Error::Policy { error, .. } if *error == expected), "{error}");
    }
    assert!(recorder.lookups("").is_empty(), "nothing was sent");
    client(net.profile(), &[&net]).lookup(ask(NUMBER)).await.unwrap();
    assert_eq!(recorder.lookups("gateway").len(), 1);
}

#[tokio::test]
async fn c55_c72_rejects_a_gateway_that_shows_each_relay_another_key() {
    let folders = [tests_folder(), tests_folder()];
    // One provider, one signing key, one serial: but each relay reaches a gateway with OHTTP keys of
    // its own, as if to tell their clients apart.
    for (folder, seed) in folders.iter().zip([1, 2]) {
        let ratchet = Ratchet::new(Secret32::new([seed; 32]), 0, NOW.start_of_day(), 7);
        keyfile::create(&folder.path().join("ohttp.keys"), &ratchet).unwrap();
    }
    let (one, first) = start(World::new(1, NOW), folders[0].path()).await;
    let (other, second) = start(World::new(1, NOW), folders[1].path()).await;
    let profile = bent_profile(&one, &one.relay_urls()[1], &other.relay_urls()[1]);
    let error = client(profile, &[&one, &other]).lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::RelaysDisagree), "{error}");
    assert!(error.is_refusal());
    assert!(first.lookups("").is_empty() && second.lookups("").is_empty(), "nothing was sent");
    // RFC 9540 §7: the documents came through the relays, not from the gateway directly.
    assert_eq!((first.of("relay").len(), second.of("relay").len()), (1, 1));
}

fn tests_folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
