//! The gateway's keys over time: lookups go on while they turn, and what is gone is gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::end_to_end::{NOW, ask};
use crate::wire::{Http, lookup, seal};
use discreet_client::{Client, Error, GatewayError, Outcome};
use discreet_envelope::keys::{Aead, Kem};
use discreet_envelope::message;
use discreet_gateway::rotation;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::Clock;
use http::Version;
use std::path::PathBuf;
use tests::{Net, World};

/// Who is asked for: nobody, so that no status grows old while the clock runs.
const NOBODY: &str = "+14155550199";
const HOUR: u64 = 3600;

async fn start() -> Net {
    Net::builder().start(World::new(1, NOW)).await.unwrap()
}

fn keys_file(net: &Net) -> PathBuf {
    net.folder().join("ohttp.keys")
}

fn now(net: &Net) -> Timestamp {
    Timestamp::from_unix(net.clock.now())
}

async fn answers(client: &Client) {
    assert_eq!(client.lookup(ask(NOBODY)).await.unwrap().outcome(), Outcome::NoMapping);
}

#[tokio::test]
async fn no_lookup_fails_while_the_keys_turn_for_a_month() {
    let net = start().await;
    // One that stays, and at each step one that has just been installed.
    let staying = net.client().build().unwrap();
    for _ in 0..31 * 4 {
        net.clock.advance(6 * HOUR);
        answers(&staying).await;
        answers(&net.client().build().unwrap()).await;
    }
    let epochs = rotation::show(&keys_file(&net), now(&net)).unwrap();
    assert_eq!(epochs[0].epoch, 4, "31 days are in the fifth week");
}

#[tokio::test]
async fn c06_a_lookup_in_flight_while_the_keys_turn_is_answered() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    // Sealed in the first epoch, opened in the second; in the third it is too late.
    for (days, status) in [(0, 200), (7, 200), (7, 400)] {
        net.clock.advance(days * DAY);
        let (sealed, _) = seal(&keys, Kem::XWing, Aead::Aes128Gcm, lookup(NOBODY, None));
        assert_eq!(http.post_gateway(sealed).await.status(), status, "{days}");
    }
}

#[tokio::test]
async fn c08_two_replicas_publish_the_same_bytes_all_month() {
    let clock = Clock::manual(NOW.unix());
    let one = Net::builder().clock(clock.clone()).start(World::new(1, NOW)).await.unwrap();
    let other = Net::builder().clock(clock.clone()).start(World::new(1, NOW)).await.unwrap();
    let (first, second) = (Http::new(&one, Version::HTTP_2), Http::new(&other, Version::HTTP_2));
    for hour in 0..31 * 24 {
        clock.set(NOW.unix() + hour * HOUR);
        assert_eq!(first.keys().await, second.keys().await, "hour {hour}");
        let policy = first.get(&first.gateway("/.well-known/discreet")).await;
        let again = second.get(&second.gateway("/.well-known/discreet")).await;
        assert_eq!(policy.body(), again.body(), "hour {hour}");
    }
}

#[tokio::test]
async fn c39_a_replay_gains_nothing_across_replicas_and_dies_with_its_key() {
    let mut one = start().await;
    let other = start().await;
    let (first, second) = (Http::new(&one, Version::HTTP_2), Http::new(&other, Version::HTTP_2));
    let keys = first.keys().await;
    let (sealed, opener) = seal(&keys, Kem::XWing, Aead::Aes128Gcm, lookup(NOBODY, None));
    let answer = first.post_gateway(sealed.clone()).await;
    // A replica has no memory of it: it answers once more, to the one who can open it.
    let again = second.post_gateway(sealed.clone()).await;
    assert_ne!(answer.body(), again.body());
    let inner = message::decode_response(&opener.decapsulate(again.body()).unwrap()).unwrap();
    assert_eq!(inner.status(), 200);
    // Nor has the first one after a restart.
    let (restarted, opener) = seal(&keys, Kem::XWing, Aead::Aes128Gcm, lookup(NOBODY, None));
    let answer = first.post_gateway(restarted.clone()).await;
    one.restart_gateway().await.unwrap();
    let first = Http::new(&one, Version::HTTP_2);
    let again = first.post_gateway(restarted).await;
    assert_ne!(answer.body(), again.body());
    let inner = message::decode_response(&opener.decapsulate(again.body()).unwrap()).unwrap();
    assert_eq!(inner.status(), 200);
    // Two epochs later neither has the key.
    for net in [&one, &other] {
        net.clock.advance(14 * DAY);
    }
    for http in [&first, &second] {
        assert_eq!(http.post_gateway(sealed.clone()).await.status(), 400);
    }
}

#[tokio::test]
async fn rotating_early_turns_the_published_key_into_the_current_one() {
    let net = start().await;
    let client = net.client().build().unwrap();
    answers(&client).await;
    net.clock.advance(DAY);
    let next = rotation::show(&keys_file(&net), now(&net)).unwrap()[2].id;
    rotation::rotate(&keys_file(&net), now(&net)).unwrap();
    net.gateway.as_ref().unwrap().refresh_keys().unwrap();
    assert_eq!(rotation::show(&keys_file(&net), now(&net)).unwrap()[0].id, next);
    // The copy of the policy that the client has still leads to a key that drains.
    answers(&client).await;
    answers(&net.client().build().unwrap()).await;
}

#[tokio::test]
async fn a_dropped_key_opens_nothing_and_clients_recover_with_the_next_policy() {
    let net = start().await;
    let client = net.client().build().unwrap();
    answers(&client).await;
    rotation::drop_all(&keys_file(&net), now(&net)).unwrap();
    net.gateway.as_ref().unwrap().refresh_keys().unwrap();
    let refused = client.lookup(ask(NOBODY)).await;
    assert!(matches!(refused, Err(Error::Gateway(GatewayError::Key))), "{refused:?}");
    // Relays keep their copies for an hour.
    net.clock.advance(HOUR);
    answers(&client).await;
}

/// The gateway's word that it does not know a key makes a relay ask for the policy of today.
#[tokio::test]
async fn after_a_drop_lookups_succeed_again_once_each_relay_has_seen_one_fail() {
    let net = start().await;
    let urls = net.relay_urls();
    let clients = [net.client().build().unwrap(), net.client().build().unwrap()];
    for client in &clients {
        answers(client).await;
    }
    rotation::drop_all(&keys_file(&net), now(&net)).unwrap();
    net.gateway.as_ref().unwrap().refresh_keys().unwrap();
    for (client, avoided) in clients.iter().zip(urls) {
        let refused = client.lookup_avoiding(ask(NOBODY), Some(avoided)).await;
        assert!(matches!(refused, Err(Error::Gateway(GatewayError::Key))), "{refused:?}");
    }
    // Not a second later, and each with the one refresh that follows its failure.
    for client in &clients {
        answers(client).await;
    }
    answers(&net.client().build().unwrap()).await;
}
