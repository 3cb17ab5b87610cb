//! Which gateway a lookup is sealed for: the profile names the discovery domain and the key that signs
//! its policy. A lookup that passes none of this is not sent.

use crate::end_to_end::{NOW, ask};
use crate::recorder::Recorder;
use discreet_client::{Client, Error, PolicyError, Profile};
use discreet_protocol::statement::StatementError;
use std::fs;
use std::path::Path;
use tests::{Net, World};

const NUMBER: &str = "+14155550123";

/// A network of `world`, with a recorder before each of its roles.
pub(crate) async fn start(world: World, folder: &Path) -> (Net, Recorder) {
    let recorder = Recorder::new();
    let lines = vec![world.line(NUMBER)];
    let builder = Net::builder().lines(lines).folder(folder).front(recorder.front());
    (builder.start(world).await.unwrap(), recorder)
}

/// The profile of `net`, with one text in it replaced.
pub(crate) fn bent_profile(net: &Net, from: &str, to: &str) -> Profile {
    let text = fs::read_to_string(net.profile_path()).unwrap();
    assert!(text.contains(from), "{text}");
    Profile::from_toml(&text.replace(from, to)).unwrap()
}

pub(crate) fn client(profile: Profile, nets: &[&Net]) -> Client {
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

pub(crate) fn tests_folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
