//! Nobody can tell clients apart by the keys, or by the dates, that they were given.

use crate::end_to_end::{NOW, ask};
use crate::rfc9458::authorised::{bent_profile, client, start, tests_folder};
use crate::rfc9458::client::dates::{DATE, Got, gateway, wants_date};
use discreet_client::Error;
use discreet_gateway::keyfile;
use discreet_gateway::ratchet::Ratchet;
use discreet_serve::secret::Secret32;
use tests::World;

const NUMBER: &str = "+14155550123";

#[tokio::test]
async fn c72_rejects_a_gateway_that_shows_each_relay_another_key() {
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
    // Each of the two paths was taken.
    assert_eq!((first.of("relay").len(), second.of("relay").len()), (1, 1));
}

/// What goes back has room for a time in whole seconds and for nothing else.
#[tokio::test]
async fn c73_only_a_date_in_whole_seconds_is_passed_back() {
    // RFC 9110 §5.6.7: two obsolete forms of the same time.
    for date in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        let got = Got::default();
        gateway(wants_date(&[date]), &got).await.look_up().await.unwrap();
        assert_eq!(got.dates(), [None, Some(DATE.to_owned())]);
    }
}
