//! The mix at work, in virtual time: tokio's clock stands still but for timers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    task::Poll,
};

use prometheus_client::registry::Registry;
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{sleep, timeout},
};

use super::*;
use crate::{metrics::Metrics, mix::Strategy};

const SECOND: Duration = Duration::from_secs(1);
/// How long the gateway of these tests takes.
const EXCHANGE: Duration = Duration::from_millis(7);

/// What arrived at the gateway, or back at a client, and when.
type Seen = Vec<(Duration, String)>;

/// A mix before a gateway that gives back what it gets. It keeps `wait` waiting, fails at `fail`, and panics
/// at `panic`.
struct Bench {
    mixer: Arc<Mixer>,
    began: Instant,
    seen: Arc<Mutex<Seen>>,
    release: Arc<Notify>,
    registry: Registry,
    stop: oneshot::Sender<()>,
    work: JoinSet<()>,
}

impl Bench {
    fn new(strategy: Strategy, max_delay: Duration, seed: u64) -> Self {
        let (began, seen, release) = (Instant::now(), Arc::<Mutex<Seen>>::default(), Arc::new(Notify::new()));
        let exchange = {
            let (seen, release) = (Arc::clone(&seen), Arc::clone(&release));
            move |content: Bytes| {
                let (seen, release) = (Arc::clone(&seen), Arc::clone(&release));
                async move {
                    seen.lock().unwrap().push((began.elapsed(), text(&content)));
                    match content.as_ref() {
                        b"wait" => release.notified().await,
                        b"fail" => return Err(ForwardError::BadAnswer),
                        b"panic" => panic!("a bug"),
                        _ => sleep(EXCHANGE).await,
                    }
                    Ok(Response::new(content))
                }
            }
        };
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let settings = Settings::new(strategy, max_delay).unwrap();
        let mixing = Mixing::new(settings, ChaCha20Rng::seed_from_u64(seed), metrics.mix(), exchange);
        let ((mixer, arriving), (stop, stopped)) = (Mixer::channel(), oneshot::channel());
        let stopping = Box::pin(async move { stopped.await.unwrap() });
        let mut work = JoinSet::new();
        work.spawn(mixing.run(arriving, stopping));
        Self { mixer: Arc::new(mixer), began, seen, release, registry, stop, work }
    }

    /// One client's request, on its way. It holds on for so long.
    fn ask(&self, content: &str, patience: Duration) -> impl Future<Output = Option<String>> + use<> {
        let (mixer, content) = (Arc::clone(&self.mixer), content.to_owned());
        async move {
            let answer = timeout(patience, mixer.pass(content.as_bytes())).await.ok()?;
            Some(answer.map_or_else(|error| format!("{error:?}"), |answer| text(answer.body())))
        }
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Returns once that many messages are held in this direction.
    async fn holds(&self, count: usize, direction: &str) {
        let line = format!("mix_held{{direction=\"{direction}\"}} {count}\n");
        loop {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
            if text.contains(&line) {
                return;
            }
            yield_now().await;
        }
    }

    /// Returns once all work has ended, after everybody who could ask has gone.
    async fn end(self) {
        let Self { mixer, mut work, stop, .. } = self;
        drop(mixer);
        work.join_next().await.unwrap().unwrap();
        drop(stop);
    }
}

fn text(content: &[u8]) -> String {
    String::from_utf8(content.to_vec()).unwrap()
}

fn contents(seen: &Seen) -> Vec<&str> {
    seen.iter().map(|(_, content)| content.as_str()).collect()
}

/// 120 requests, one each 10 ms, of which every third is given up after 5 ms if `impatient`: what the gateway
/// sees, and what comes back to the others.
async fn traffic(seed: u64, impatient: bool) -> (Seen, Seen) {
    let bench = Bench::new(Strategy::Pool { size: 8 }, SECOND, seed);
    let (began, back) = (bench.began, Arc::<Mutex<Seen>>::default());
    let mut clients = JoinSet::new();
    for number in 0..120 {
        let gives_up = number % 3 == 0;
        let patience = if gives_up && impatient { SECOND / 200 } else { 100 * SECOND };
        let (content, back) = (format!("request {number:03}"), Arc::clone(&back));
        let asked = bench.ask(&content, patience);
        clients.spawn(async move {
            if let Some(answer) = asked.await {
                assert_eq!(answer, content, "each answer on its own stream");
                if !gives_up {
                    back.lock().unwrap().push((began.elapsed(), answer));
                }
            }
        });
        sleep(SECOND / 100).await;
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    // Nobody waits for what has been given up.
    bench.holds(0, "Requests").await;
    let seen = bench.seen();
    bench.end().await;
    (seen, Arc::into_inner(back).unwrap().into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn requests_and_answers_leave_in_another_order_than_they_came() {
    let (seen, back) = traffic(1, false).await;
    let order = contents(&seen);
    assert!(!order.is_sorted(), "{order:?}");
    let each: BTreeSet<_> = order.iter().collect();
    assert_eq!((order.len(), each.len()), (120, 120), "each once");
    // Those that went on to a client, in the order in which the gateway saw them, and in which they came back.
    let forth: Vec<_> = order.iter().filter(|content| contents(&back).contains(content)).copied().collect();
    assert_eq!(back.len(), 80);
    assert_ne!(forth, contents(&back), "answers are mixed once more");
    assert_eq!(traffic(1, false).await.0, seen, "equal seeds");
    assert_ne!(contents(&traffic(2, false).await.0), order, "other seeds");
}

#[tokio::test(start_paused = true)]
async fn nobody_behind_the_relay_notices_who_gave_up() {
    let (patient, impatient) = (traffic(3, false).await, traffic(3, true).await);
    assert_eq!(impatient.0, patient.0, "what the gateway sees, and when");
    assert_eq!(impatient.1, patient.1, "what the others get, and when");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_longer_than_the_longest_delay_in_each_direction() {
    for strategy in [
        Strategy::Pool { size: 16 },
        Strategy::Batch { size: 16 },
        Strategy::Exponential { mean: SECOND / 4 },
    ] {
        let bench = Bench::new(strategy, SECOND, 4);
        for number in 0..50 {
            let (content, asked) = (format!("request {number}"), Instant::now());
            // Alone, so that nothing but the delay lets it leave.
            assert_eq!(bench.ask(&content, 100 * SECOND).await, Some(content));
            let took = asked.elapsed();
            assert!(took > EXCHANGE && took <= 2 * SECOND + EXCHANGE, "{strategy:?}: {took:?}");
        }
        bench.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_a_held_request_is_held_too_a_failure_as_well() {
    let bench = Bench::new(Strategy::Batch { size: 2 }, 60 * SECOND, 5);
    let mut clients = JoinSet::new();
    clients.spawn(bench.ask("fail", 100 * SECOND));
    let mut waiting = Box::pin(bench.ask("wait", 100 * SECOND));
    std::future::poll_fn(|context| {
        assert!(waiting.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    bench.holds(1, "Answers").await;
    assert_eq!(bench.seen().len(), 2);
    assert!(clients.try_join_next().is_none());
    bench.release.notify_one();
    assert_eq!(waiting.await.as_deref(), Some("wait"));
    assert_eq!(clients.join_next().await.unwrap().unwrap().as_deref(), Some("BadAnswer"));
    assert_eq!(bench.began.elapsed(), Duration::ZERO, "nothing waited for its time");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn at_a_stop_everything_that_is_held_leaves_at_once_and_once() {
    let mut bench = Bench::new(Strategy::Batch { size: 20 }, 60 * SECOND, 6);
    let mut clients = JoinSet::new();
    // A batch leaves, and all but one are answered; those answers are held.
    clients.spawn(bench.ask("wait", 100 * SECOND));
    for number in 1..20 {
        clients.spawn(bench.ask(&format!("early {number}"), 100 * SECOND));
    }
    sleep(EXCHANGE).await;
    bench.holds(19, "Answers").await;
    // Ten more are held as requests.
    for number in 0..10 {
        clients.spawn(bench.ask(&format!("late {number}"), 100 * SECOND));
    }
    bench.holds(10, "Requests").await;
    assert_eq!((clients.try_join_next().is_none(), bench.seen().len()), (true, 20));

    let (stop, began) = (bench.stop, bench.began);
    stop.send(()).unwrap();
    // What comes now is not held.
    clients.spawn({
        let (mixer, content) = (Arc::clone(&bench.mixer), "last");
        async move { mixer.pass(content.as_bytes()).await.ok().map(|answer| text(answer.body())) }
    });
    bench.release.notify_one();
    let mut answers = Vec::new();
    while let Some(answer) = clients.join_next().await {
        answers.push(answer.unwrap().unwrap());
    }
    assert_eq!(began.elapsed(), 2 * EXCHANGE);
    answers.sort_unstable();
    let mut seen: Vec<_> = bench.seen.lock().unwrap().iter().map(|(_, content)| content.clone()).collect();
    seen.sort_unstable();
    assert_eq!(answers, seen);
    assert_eq!(BTreeSet::from_iter(seen).len(), 31, "each once");
    drop(bench.mixer);
    bench.work.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_exchange_is_answered_and_ends_no_other() {
    let bench = Bench::new(Strategy::Pool { size: 1 }, SECOND, 7);
    let (lost, fine) = tokio::join!(bench.ask("panic", 100 * SECOND), bench.ask("request", 100 * SECOND));
    assert_eq!(lost.as_deref(), Some("Target(Upstream(Protocol))"));
    assert_eq!(fine.as_deref(), Some("request"));
    bench.end().await;
}
