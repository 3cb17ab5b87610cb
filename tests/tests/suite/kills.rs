//! What was acknowledged survives: the real gateway is killed again and again while people publish and
//! withdraw.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::commands::process::Server;
use crate::commands::system::{Site, now};
use discreet_client::{Client, Error, Outcome, Profile, PublishError, Query, Withdrawal};
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::sign;
use discreet_protocol::withdrawal;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tests::world::{DOMAIN, domain, phone};
use tests::{Person, World};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const KILLS: usize = 50;
/// Requests under way at any moment.
const WRITERS: usize = 8;

/// People who publish and withdraw, and what they were told.
struct Writers {
    world: World,
    client: Client,
    next: AtomicU32,
    published: Mutex<BTreeSet<u32>>,
    withdrawn: Mutex<BTreeSet<u32>>,
    progress: Notify,
}

/// Somebody with a number of their own.
pub(crate) fn person(world: &World, n: u32) -> Person {
    world.person(&phone(&format!("+1415{n:07}")), 0)
}

/// The person's mapping with its status, as it is published.
pub(crate) fn statement(person: &Person) -> VerifiableMapping {
    VerifiableMapping::new(person.signed_mapping(), person.signed_status())
}

/// The person's word that this mapping and all before it are void.
pub(crate) fn withdrawing(person: &Person) -> Withdrawal {
    let claims = withdrawal::Withdrawal {
        csi: person.mapping.csi.clone(),
        audience: vec![domain(DOMAIN)],
        tag: None,
        serial: person.mapping.serial + 1,
        credential: sign(&person.credential, &person.authority),
    };
    Withdrawal(sign(&claims, &person.holder))
}

/// Relays in front of `gateway`, and a client of theirs.
pub(crate) fn in_front_of(site: &Site, gateway: &Server) -> (Client, [Server; 2]) {
    let url = format!("https://{}", gateway.addr);
    let relays = [0, 1].map(|index| Server::start("discreet-relay", &site.relay_config(index, &url, 0)));
    let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    site.profile(urls.each_ref().map(String::as_str));
    let profile = Profile::from_toml(&fs::read_to_string(site.path("profile.toml")).unwrap()).unwrap();
    let ca = fs::read(site.path("ca.pem")).unwrap();
    (Client::builder(profile).ca(ca).build().unwrap(), relays)
}

/// Every third withdraws what was acknowledged.
fn withdraws(n: u32) -> bool {
    n.is_multiple_of(3)
}

impl Writers {
    /// One person after the other publishes, and some withdraw, until the gateway is gone.
    async fn write(self: Arc<Self>) {
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let person = person(&self.world, n);
            let sent = self.client.publish(statement(&person), None).await;
            if !sent.is_ok_and(|sent| sent.outcome.is_ok()) {
                return;
            }
            self.published.lock().unwrap().insert(n);
            self.progress.notify_one();
            if withdraws(n) {
                let sent = self.client.withdraw(withdrawing(&person), None).await;
                if !sent.is_ok_and(|sent| sent.outcome.is_ok()) {
                    return;
                }
                self.withdrawn.lock().unwrap().insert(n);
                self.progress.notify_one();
            }
        }
    }

    /// How much was acknowledged.
    fn count(&self) -> usize {
        self.published.lock().unwrap().len() + self.withdrawn.lock().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_publish_and_withdrawal_survives_fifty_kills() {
    let site = Site::new();
    let gateway = Server::start("discreet-gateway", &site.path("gateway.toml"));
    // From now on on this port, so that the relays find it again.
    site.bend("gateway.toml", "127.0.0.1:0", &gateway.addr.to_string());
    let (client, _relays) = in_front_of(&site, &gateway);
    // The relays keep the policy, the client its session: both outlast a dead gateway.
    assert_eq!(client.lookup(ask(&person(&site.world, 0))).await.unwrap().outcome(), Outcome::NoMapping);
    let writers = Arc::new(Writers {
        world: World::new(7, now()),
        client,
        next: AtomicU32::new(0),
        published: Mutex::default(),
        withdrawn: Mutex::default(),
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
        let some = before + 1 + kill * 7 % 23;
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
    let published = writers.published.lock().unwrap().clone();
    let withdrawn = writers.withdrawn.lock().unwrap().clone();
    assert!(published.len() >= KILLS && !withdrawn.is_empty(), "{} {}", published.len(), withdrawn.len());
    for n in 0..writers.next.load(Ordering::Relaxed) {
        let answer = look_up(&writers, n).await;
        match (published.contains(&n), withdrawn.contains(&n)) {
            (_, true) => {
                assert_eq!(answer, Outcome::NoMapping, "{n} withdrew");
                // Whoever kept a copy brings nothing back.
                assert_eq!(publish_again(&writers, n).await, 409, "{n} withdrew");
            }
            (true, false) if !withdraws(n) => assert_eq!(answer, Outcome::OneService, "{n} published"),
            // Who was not told is there wholly or not at all.
            _ => assert!(matches!(answer, Outcome::OneService | Outcome::NoMapping), "{n}"),
        }
    }
    gateway.stop();
    println!("{} published, {} withdrawn, {KILLS} kills", published.len(), withdrawn.len());
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

/// The status with which the old mapping is refused; as [`look_up`], over the connections there are.
async fn publish_again(writers: &Writers, n: u32) -> u16 {
    for _ in 0..32 {
        if let Ok(sent) = writers.client.publish(statement(&person(&writers.world, n)), None).await {
            match sent.outcome {
                Err(Error::Publish(PublishError::Refused { status, .. })) => return status,
                other => panic!("{n}: {other:?}"),
            }
        }
    }
    panic!("{n}: nobody answers")
}
