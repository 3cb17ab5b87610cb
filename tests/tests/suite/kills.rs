//! What was acknowledged survives: the real gateway is killed again and again while people publish.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::commands::process::Server;
use crate::commands::system::{Site, now};
use discreet_client::{Client, Outcome, Profile, Query};
use discreet_protocol::query::VerifiableMapping;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tests::world::phone;
use tests::{Person, World};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const KILLS: u64 = 50;
/// Publishes under way at any moment.
const WRITERS: usize = 12;

/// People who publish, and what they were told.
struct Writers {
    world: World,
    client: Client,
    next: AtomicU32,
    acknowledged: Mutex<Vec<u32>>,
    progress: Notify,
}

fn person(world: &World, n: u32) -> Person {
    world.person(&phone(&format!("+1415{n:07}")), 0)
}

impl Writers {
    /// Publishes one person after the other until the gateway is gone.
    async fn write(self: Arc<Self>) {
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let person = person(&self.world, n);
            let mapping = VerifiableMapping::new(person.signed_mapping(), person.signed_status());
            let sent = self.client.publish(mapping, None).await;
            if !sent.is_ok_and(|sent| sent.outcome.is_ok()) {
                return;
            }
            self.acknowledged.lock().unwrap().push(n);
            self.progress.notify_one();
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_publish_survives_fifty_kills() {
    let site = Site::new();
    let gateway = Server::start("discreet-gateway", &site.path("gateway.toml"));
    // From now on on this port, so that the relays find it again.
    site.bend("gateway.toml", "127.0.0.1:0", &gateway.addr.to_string());
    let url = format!("https://{}", gateway.addr);
    let relays = [0, 1].map(|index| Server::start("discreet-relay", &site.relay_config(index, &url, 0)));
    let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    site.profile(urls.each_ref().map(String::as_str));
    let profile = Profile::from_toml(&fs::read_to_string(site.path("profile.toml")).unwrap()).unwrap();
    let ca = fs::read(site.path("ca.pem")).unwrap();
    let client = Client::builder(profile).ca(ca).build().unwrap();
    // The relays keep the policy, the client its session: both outlast a dead gateway.
    assert_eq!(client.lookup(ask(&person(&site.world, 0))).await.unwrap().outcome(), Outcome::NoMapping);
    let writers = Arc::new(Writers {
        world: World::new(7, now()),
        client,
        next: AtomicU32::new(0),
        acknowledged: Mutex::default(),
        progress: Notify::new(),
    });

    let mut gateway = Some(gateway);
    for kill in 0..KILLS {
        let running = gateway.take().unwrap_or_else(|| start(&site));
        let before = writers.count();
        let mut tasks = JoinSet::new();
        for _ in 0..WRITERS {
            tasks.spawn(Arc::clone(&writers).write());
        }
        // Somewhere among the first acknowledgements, another place each time.
        let some = before + 1 + usize::try_from(kill * 7 % 23).unwrap();
        while writers.count() < some && !tasks.is_empty() {
            tokio::select! {
                () = writers.progress.notified() => {}
                _ = tasks.join_next() => {}
            }
        }
        // Dropping it sends SIGKILL and waits.
        drop(running);
        while tasks.join_next().await.is_some() {}
    }

    let gateway = start(&site);
    let acknowledged = writers.acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= usize::try_from(KILLS).unwrap(), "{}", acknowledged.len());
    for n in &acknowledged {
        let answer = look_up(&writers, *n).await;
        assert_eq!(answer, Outcome::OneService, "{n} was acknowledged");
    }
    // Whoever was not told is there wholly or not at all.
    for n in (0..writers.next.load(Ordering::Relaxed)).filter(|n| !acknowledged.contains(n)) {
        let answer = look_up(&writers, n).await;
        assert!(matches!(answer, Outcome::OneService | Outcome::NoMapping), "{n}");
    }
    gateway.stop();
    println!("{} acknowledged, {KILLS} kills", acknowledged.len());
}

fn start(site: &Site) -> Server {
    Server::start("discreet-gateway", &site.path("gateway.toml"))
}

fn ask(person: &Person) -> Query {
    Query { csi: person.mapping.csi.clone(), tag: None }
}

/// A request may still meet a connection of the last gateway in the relay's pool: those are used up
/// one by one.
async fn look_up(writers: &Writers, n: u32) -> Outcome {
    for _ in 0..32 {
        if let Ok(answer) = writers.client.lookup(ask(&person(&writers.world, n))).await {
            return answer.outcome();
        }
    }
    writers.client.lookup(ask(&person(&writers.world, n))).await.unwrap().outcome()
}
