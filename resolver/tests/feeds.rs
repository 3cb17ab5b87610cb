//! Authorities that answer, lie, stall and never end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use bytes::Bytes;
use discreet_protocol::SigningKey;
use discreet_protocol::credential::Revocation;
use discreet_protocol::feed::{FEED_TYPE, MAX_PAGE_BYTES, Page};
use discreet_protocol::identifier::Domain;
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use discreet_resolver::directory::Directory;
use discreet_resolver::feeds::{MAX_PAGES, Metrics, PullError, Pulled, pull, pull_all};
use discreet_resolver::rules::{Feed, Rules};
use discreet_resolver::seal::Pepper;
use discreet_resolver::statuses::{self, Applied};
use discreet_resolver::store::Sqlite;
use discreet_serve::secret::Secret32;
use discreet_serve::{
    Admin, Handler, Inherited, Limits, Listen, Log, Shell, ShellConfig, UpstreamConfig, UpstreamError,
};
use http::{Request, Response};
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The revocation of credential `number`, by key `seed`.
fn revocation(number: u128, seed: u8) -> Vec<u8> {
    let id = number.to_be_bytes();
    sign(&Revocation { id, at: NOW, expires: NOW.plus(1000) }, &key(seed))
}

type Answer = dyn Fn(u64) -> Response<Bytes> + Send + Sync;

/// Answers by the position asked for, and remembers all of them.
struct Fake {
    answer: Box<Answer>,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Handler for Fake {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let after = request.uri().query().unwrap().strip_prefix("after=").unwrap().parse().unwrap();
        assert_eq!(request.uri().path(), "/v1/statuses");
        self.asked.lock().unwrap().push(after);
        (self.answer)(after)
    }
}

struct Setup {
    folder: tempfile::TempDir,
    shell: Shell,
    directory: Arc<Directory>,
    feed: Feed,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Setup {
    async fn new(answer: impl Fn(u64) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let asked = Arc::default();
        let config = ShellConfig {
            listen: &Listen::Plaintext { address: "127.0.0.1:0".parse().unwrap() },
            admin: &Admin::Disabled,
            limits: &Limits::default(),
            max_request_bytes: 0,
            log: &Log::off(),
            registry: Registry::default(),
            background: Vec::new(),
            reloads: Vec::new(),
            inherited: &Inherited::default(),
        };
        let fake = Fake { answer: Box::new(answer), asked: Arc::clone(&asked) };
        let shell = Shell::start(config, fake).await.unwrap();
        let store = Sqlite::open(&folder.path().join("directory.db")).unwrap();
        let pepper = Pepper::new(Secret32::new([9; 32]));
        let journal = folder.path().join("directory.db.journal");
        let directory = Arc::new(Directory::open(store, pepper, &journal).unwrap());
        let feed = Feed {
            authority: Domain::new("authority.example").unwrap(),
            key: key(1).verifying_key(),
            upstream: UpstreamConfig::new(format!("http://{}", shell.addr()).parse().unwrap()),
        };
        Self { folder, shell, directory, feed, asked }
    }

    async fn pull(&self) -> Pulled {
        pull(&self.directory, &self.feed, NOW).await
    }

    /// The positions asked for since the last time.
    fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn is_revoked(&self, number: u128) -> bool {
        let status = self.directory.status(&self.feed.authority, &number.to_be_bytes()).unwrap();
        status.value.is_some()
    }
}

fn page(next: u64, more: bool, statements: Vec<Vec<u8>>) -> Response<Bytes> {
    let page = Page { next, more, statements }.encode();
    Response::builder().header("content-type", FEED_TYPE).body(page.into()).unwrap()
}

/// Three revocations on three pages.
fn three(after: u64) -> Response<Bytes> {
    match after {
        0 => page(10, true, vec![revocation(1, 1)]),
        10 => page(20, true, vec![revocation(2, 1)]),
        20 => page(30, false, vec![revocation(3, 1)]),
        _ => page(after, false, vec![]),
    }
}

#[tokio::test]
async fn a_feed_is_read_to_its_end_and_then_from_there() {
    let setup = Setup::new(three).await;
    let pulled = setup.pull().await;
    pulled.ended.unwrap();
    assert_eq!((pulled.pages, pulled.applied), (3, Applied { revoked: 3, ..Applied::default() }));
    assert!([1, 2, 3].into_iter().all(|number| setup.is_revoked(number)));
    assert_eq!(setup.asked(), [0, 10, 20]);
    let again = setup.pull().await;
    again.ended.unwrap();
    assert_eq!((again.pages, again.applied, setup.asked()), (0, Applied::default(), vec![30]));
}

#[tokio::test]
async fn an_interrupted_pull_goes_on_where_it_was() {
    let broken = |after| if after == 20 { Response::new(Bytes::new()) } else { three(after) };
    let setup = Setup::new(broken).await;
    assert!(matches!(setup.pull().await.ended, Err(PullError::NoPage)));
    assert!(setup.is_revoked(2));
    setup.pull().await;
    assert_eq!(setup.asked(), [0, 10, 20, 20]);
}

#[tokio::test]
async fn rejects_statements_that_others_signed_and_asks_for_them_again() {
    let lying = |after| match after {
        10 => page(20, true, vec![revocation(2, 2), revocation(4, 1)]),
        after => three(after),
    };
    let setup = Setup::new(lying).await;
    for positions in [[0, 10, 20].as_slice(), &[10, 20]] {
        let pulled = setup.pull().await;
        pulled.ended.unwrap();
        assert_eq!(pulled.applied.refused, 1);
        assert_eq!(setup.asked(), positions);
    }
    assert!(setup.is_revoked(1) && !setup.is_revoked(2) && setup.is_revoked(3) && setup.is_revoked(4));
}

#[tokio::test]
async fn an_authority_that_was_restored_from_a_backup_is_read_anew() {
    let restored = |after| match after {
        30 => page(5, true, vec![revocation(7, 1)]),
        5 => page(6, false, vec![revocation(8, 1)]),
        after => three(after),
    };
    let setup = Setup::new(restored).await;
    setup.pull().await.ended.unwrap();
    setup.pull().await.ended.unwrap();
    assert!(setup.is_revoked(7) && setup.is_revoked(8));
    assert_eq!(setup.asked(), [0, 10, 20, 30, 5]);
}

#[tokio::test]
async fn rejects_a_feed_that_makes_no_progress() {
    for stuck in [
        |after| page(after, true, vec![]),
        |after| page(after + 1, true, vec![]),
        |after| page(after, true, vec![revocation(1, 1)]),
        |after| page(after, false, vec![revocation(1, 1)]),
        |after: u64| page(after ^ 1, true, vec![revocation(1, 1)]),
    ] {
        let setup = Setup::new(stuck).await;
        assert!(matches!(setup.pull().await.ended, Err(PullError::NoProgress)));
        assert!(setup.asked().len() <= 2);
    }
}

#[tokio::test]
async fn a_feed_without_end_is_left_for_the_next_time() {
    let setup = Setup::new(|after| page(after + 1, true, vec![vec![0]])).await;
    let pulled = setup.pull().await;
    assert!(matches!(pulled.ended, Err(PullError::Unfinished)));
    assert_eq!(setup.asked().len(), MAX_PAGES);
    assert_eq!(pulled.applied.refused, MAX_PAGES as u64);
    assert_eq!(statuses::cursor(&setup.directory, &setup.feed.authority).unwrap(), 0);
}

#[tokio::test]
async fn rejects_answers_that_are_no_pages() {
    let with_type = |content_type: &'static str, body: Bytes| {
        Response::builder().header("content-type", content_type).body(body).unwrap()
    };
    let good = page(1, false, vec![]).into_body();
    let missing =
        Response::builder().status(404).header("content-type", FEED_TYPE).body(good.clone()).unwrap();
    for answer in [
        Response::new(good.clone()),
        with_type("application/cbor", good.clone()),
        with_type(FEED_TYPE, Bytes::from_static(b"\x80")),
        missing,
    ] {
        let setup = Setup::new(move |_| answer.clone()).await;
        assert!(matches!(setup.pull().await.ended, Err(PullError::NoPage)));
    }
}

#[tokio::test]
async fn rejects_an_answer_larger_than_a_page() {
    let setup = Setup::new(|_| page(1, false, vec![vec![0; MAX_PAGE_BYTES]])).await;
    let ended = setup.pull().await.ended;
    assert!(matches!(ended, Err(PullError::Upstream(UpstreamError::TooLarge))), "{ended:?}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_keeps_nobody_from_the_others() {
    let (gone, setup) = (Setup::new(three).await, Setup::new(three).await);
    gone.shell.shutdown();
    gone.shell.join().await.unwrap();
    let name = Domain::new("gone.example").unwrap();
    let gone = Feed { authority: name.clone(), ..gone.feed };
    let rules = "domain = \"dp.example\"\noperator = \"Example\"\nedition = 1\n";
    let path = setup.folder.path().join("rules.toml");
    std::fs::write(&path, rules).unwrap();
    let rules = Rules { feeds: vec![gone, setup.feed.clone()], ..Rules::load(&path).unwrap() };
    let pulled = pull_all(&rules, &setup.directory, NOW).await;
    let [one, other] = &pulled[..] else { panic!("two feeds") };
    assert_eq!((one.applied.revoked, &other.authority), (3, &name));
    assert!(one.ended.is_ok());
    assert!(matches!(other.ended, Err(PullError::Upstream(UpstreamError::Connect))));

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    pulled.iter().for_each(|pulled| metrics.count(pulled));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "feed_pulls_total{outcome=\"Complete\"} 1",
        "feed_pulls_total{outcome=\"Unreachable\"} 1",
        "feed_statements_total{outcome=\"Revoked\"} 3",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
}
