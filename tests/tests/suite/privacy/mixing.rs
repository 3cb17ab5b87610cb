//! A relay holds messages back if it is configured to, and only then.

use std::time::Duration;

use discreet_client::Outcome;
use discreet_relay::{
    Config,
    mix::{Settings, Strategy},
};
use http::StatusCode;
use tests::{Net, World};
use tokio::task::JoinSet;

use crate::end_to_end::{NOW, ask};
use crate::relay_alone::{Setup, oblivious, sealed, upstream};

fn mix(config: &mut Config, strategy: Strategy, max_delay_ms: u64) {
    let settings = Settings::new(strategy, Duration::from_millis(max_delay_ms)).unwrap();
    config.mix.insert("dp".parse().unwrap(), settings);
}

#[tokio::test]
async fn c68_a_relay_that_is_not_told_to_mix_holds_nothing() {
    let setup = Setup::new(oblivious()).await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert!(!setup.metrics().await.contains("mix_held{"));
}

#[tokio::test]
async fn c68_a_relay_that_is_told_to_mix_sends_nothing_before_others_have_come() {
    let setup = Setup::with(oblivious(), |config| mix(config, Strategy::Batch { size: 3 }, 9999)).await;
    let mut clients = JoinSet::new();
    let begin = |clients: &mut JoinSet<StatusCode>| {
        let client = upstream(setup.relay.addr());
        clients.spawn(async move { client.send(sealed("sealed"), 100).await.unwrap().status() });
    };
    begin(&mut clients);
    begin(&mut clients);
    while !setup.metrics().await.contains("discreet_relay_mix_held{direction=\"Requests\"} 2\n") {}
    assert_eq!((setup.gateway.seen().len(), clients.try_join_next().is_none()), (0, true));
    begin(&mut clients);
    assert_eq!(clients.join_all().await, [StatusCode::OK; 3]);
    assert_eq!(setup.gateway.seen().len(), 3);
}

#[tokio::test]
async fn c68_lookups_through_relays_that_mix_get_their_own_answers() {
    let numbers: Vec<_> = (0..24).map(|number| format!("+141555501{number:02}")).collect();
    let world = World::new(1, NOW);
    let lines = numbers.iter().step_by(2).map(|number| world.line(number)).collect();
    let net = Net::builder().lines(lines).relay_config(|config| mix(config, Strategy::Pool { size: 8 }, 200));
    let net = net.start(world).await.unwrap();
    let client = std::sync::Arc::new(net.client().build().unwrap());
    let mut lookups = JoinSet::new();
    for (place, number) in numbers.into_iter().enumerate() {
        let client = std::sync::Arc::clone(&client);
        lookups.spawn(async move {
            let answer = client.lookup(ask(&number)).await.unwrap();
            assert_eq!(answer.csi.uri(), format!("tel:{number}"));
            let expected = if place % 2 == 0 { Outcome::OneService } else { Outcome::NoMapping };
            assert_eq!(answer.outcome(), expected, "{number}");
        });
    }
    while let Some(lookup) = lookups.join_next().await {
        lookup.unwrap();
    }
}
