//! Relays and gateway are restarted under a stream of lookups, and none is lost.

use crate::end_to_end::{NOW, ask};
use discreet_client::{Client, Outcome};
use std::time::Duration;
use tests::{Net, World};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Who is asked for: nobody.
const NOBODY: &str = "+14155550199";
/// How many clients look up, one lookup after the other.
const CLIENTS: usize = 8;
/// How many lookups there are at least between two restarts.
const BETWEEN: usize = 40;
/// After so long without them the test has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Clients that look up until they are told to stop; an error ends the test.
struct Load {
    answered: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    clients: JoinSet<usize>,
}

impl Load {
    fn start(net: &Net) -> Self {
        let (answered, stop) = (watch::Sender::new(0), watch::Sender::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = net.client().build().unwrap();
            clients.spawn(look_up(client, answered.clone(), stop.subscribe()));
        }
        Self { answered, stop, clients }
    }

    /// Returns when there have been some more answers.
    async fn some_more(&self) {
        let target = *self.answered.borrow() + BETWEEN;
        let mut answered = self.answered.subscribe();
        let enough = answered.wait_for(|answered| *answered >= target);
        tokio::time::timeout(DEADLINE, enough).await.expect("lookups go on").unwrap();
    }

    /// How many lookups were answered: all.
    async fn end(self) -> usize {
        self.stop.send_replace(true);
        self.clients.join_all().await.into_iter().sum()
    }
}

async fn look_up(client: Client, answered: watch::Sender<usize>, stop: watch::Receiver<bool>) -> usize {
    let mut count = 0;
    while !*stop.borrow() {
        let answer = client.lookup(ask(NOBODY)).await.unwrap();
        assert_eq!(answer.outcome(), Outcome::NoMapping);
        answered.send_modify(|answered| *answered += 1);
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lookup_is_lost_while_relays_and_gateway_are_restarted() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let load = Load::start(&net);
    load.some_more().await;
    for _ in 0..3 {
        net.restart_gateway().await.unwrap();
        load.some_more().await;
        for relay in 0..2 {
            net.restart_relay(relay).await.unwrap();
            load.some_more().await;
        }
    }
    assert!(load.end().await >= 10 * BETWEEN);
}

/// The refresh of the policy needs both relays: it waits for the one that is being restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lookup_is_lost_while_policies_are_fetched_and_a_relay_is_restarted() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    for relay in [0, 1, 0, 1] {
        let mut fresh = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = net.client().build().unwrap();
            fresh.spawn(async move { client.lookup(ask(NOBODY)).await.unwrap() });
        }
        net.restart_relay(relay).await.unwrap();
        assert_eq!(fresh.join_all().await.len(), CLIENTS);
    }
}
