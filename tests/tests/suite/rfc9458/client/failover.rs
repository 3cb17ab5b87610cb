//! Another relay stands in where one cannot be reached, and never once a byte has been sent.

use crate::end_to_end::{NOW, ask};
use crate::refusals::fakes::{Fake, NUMBER, POLICY_TYPE, Provider, client, found, profile};
use bytes::Bytes;
use discreet_client::{Client, Error, Fault, Outcome, RelayError, VerifiableMapping};
use discreet_serve::Clock;
use http::{Method, Request, Response};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::{Net, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Enough draws that each relay is drawn first, but for one run in a million.
const DRAWS: usize = 40;

/// Bound and let go: nobody listens there.
fn down() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{free}/dp")
}

/// A relay that does its work.
async fn up(provider: &Provider) -> Fake {
    let (provider, policy) = (provider.clone(), provider.serve(&provider.policy()));
    let content = Bytes::from(found(&[provider.person()]).encode().unwrap());
    let answer = move |request: &Request<Bytes>| match *request.method() {
        Method::GET => policy.clone(),
        _ => provider.seal(request, &Response::new(content.clone())),
    };
    Fake::start(answer).await
}

fn fresh(urls: &[String]) -> Client {
    client(profile(urls), &Clock::manual(NOW.unix()))
}

#[tokio::test]
async fn c33_a_relay_that_is_down_costs_nothing() {
    let provider = Provider::new();
    let (one, other) = (up(&provider).await, up(&provider).await);
    let urls = [one.url(), down(), other.url()];
    for _ in 0..DRAWS {
        let answer = fresh(&urls).lookup(ask(NUMBER)).await.unwrap();
        assert_eq!(answer.outcome(), Outcome::OneService);
    }
    let asked = |method: Method| one.asked(method.clone()) + other.asked(method);
    // Each time two copies of the policy and one lookup arrived, whichever relays were drawn first.
    assert_eq!((asked(Method::GET), asked(Method::POST)), (2 * DRAWS, DRAWS));
    assert!(one.asked(Method::POST) > 0 && other.asked(Method::POST) > 0);
}

/// A relay of the operator to be avoided does not stand in.
#[tokio::test]
async fn c33_the_relay_that_stands_in_is_none_to_be_avoided() {
    let provider = Provider::new();
    let (one, other) = (up(&provider).await, up(&provider).await);
    let gone = down();
    let client = fresh(&[one.url(), gone.clone(), other.url()]);
    for _ in 0..DRAWS {
        client.lookup_avoiding(ask(NUMBER), Some(&one.url())).await.unwrap();
    }
    assert_eq!((one.asked(Method::POST), other.asked(Method::POST)), (0, DRAWS));
    assert_eq!(one.asked(Method::GET), 1);
}

#[tokio::test]
async fn c33_a_publication_goes_elsewhere_too_and_says_where() {
    let provider = Provider::new();
    let (answering, policy) = (provider.clone(), provider.serve(&provider.policy()));
    let taking = move |request: &Request<Bytes>| match *request.method() {
        Method::GET => policy.clone(),
        _ => answering.seal(request, &Response::builder().status(204).body(Bytes::new()).unwrap()),
    };
    let relays = [Fake::start(taking.clone()).await, Fake::start(taking).await];
    let client = fresh(&[relays[0].url(), down(), relays[1].url()]);
    let person = provider.person();
    let mut through = BTreeSet::new();
    for _ in 0..DRAWS {
        let mapping = VerifiableMapping::new(person.signed_mapping(), person.signed_status());
        let sent = client.publish(mapping, None).await.unwrap();
        sent.outcome.unwrap();
        through.insert(sent.relay);
    }
    assert_eq!(through, relays.iter().map(Fake::url).collect());
}

/// A relay that does not even take the connection: the kernel's queue for it is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn c33_a_relay_that_takes_no_connection_is_left_in_good_time() {
    let provider = Provider::new();
    let (one, other) = (up(&provider).await, up(&provider).await);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap().into_std().unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    let urls = [one.url(), format!("http://{address}/dp"), other.url()];
    for _ in 0..4 {
        let client = Client::builder(profile(&urls)).clock(|| NOW.unix()).timeout(Duration::from_secs(3));
        client.build().unwrap().lookup(ask(NUMBER)).await.unwrap();
    }
    drop(waiting);
}

/// At most one more: the third is not tried.
#[tokio::test]
async fn c33_two_relays_that_are_down_are_an_error() {
    let provider = Provider::new();
    let fakes = [up(&provider).await, up(&provider).await];
    let (one, two) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = |listener: &TcpListener| format!("http://{}/dp", listener.local_addr().unwrap());
    let urls = [fakes[0].url(), fakes[1].url(), url(&one), url(&two)];
    drop((one, two));
    let mut unreachable = 0;
    for _ in 0..4 * DRAWS {
        match fresh(&urls).lookup(ask(NUMBER)).await {
            Ok(_) => {}
            Err(Error::Relay { error: RelayError::Unreachable, .. }) => unreachable += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // One lookup in six draws both; the policy may be asked for everywhere.
    assert!((1..2 * DRAWS).contains(&unreachable), "{unreachable}");
}

/// With two relays, of which one is down: what both have agreed on counts until it is to be fetched anew.
#[tokio::test]
async fn one_of_two_relays_carries_lookups_alone_until_the_policy_is_to_be_compared_anew() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    let gone = net.relays.remove(0);
    gone.shutdown();
    gone.join().await.unwrap();
    net.clock.advance(3599);
    for _ in 0..10 {
        client.lookup(ask(NUMBER)).await.unwrap();
    }
    net.clock.advance(1);
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    let host = net.relay_urls()[0].trim_start_matches("https://").trim_end_matches("/dp").to_owned();
    assert_eq!(
        error.to_string(),
        format!("relay {host}: cannot be reached, and no other can confirm the policy; nothing was sent")
    );
    assert_eq!(error.fault(), Fault::Relay);
    assert!(!error.is_refusal());
}

/// A relay of raw sockets: serves the policy, and reads every lookup whole before it does `end` to
/// the connection.
struct Breaking {
    url: String,
    posts: Arc<AtomicUsize>,
    _serving: tokio::task::JoinSet<()>,
}

impl Breaking {
    async fn start(provider: &Provider, keeps_open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dp", listener.local_addr().unwrap());
        let posts = Arc::new(AtomicUsize::new(0));
        let policy = provider.serve(&provider.policy()).into_body();
        let counted = Arc::clone(&posts);
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if answer(&mut stream, &policy).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                if keeps_open {
                    open.push(stream);
                }
            }
        });
        Self { url, posts, _serving: serving }
    }
}

/// Answers a GET with the policy; reads a POST and says nothing. Whether it was one.
async fn answer(stream: &mut TcpStream, policy: &[u8]) -> bool {
    let mut got = Vec::new();
    loop {
        if stream.read_buf(&mut got).await.unwrap() == 0 {
            return false;
        }
        let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        if got.starts_with(b"GET ") {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {POLICY_TYPE}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                policy.len()
            );
            stream.write_all(&[head.as_bytes(), policy].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
            return false;
        }
        if got.len() == end + 4 + 4096 {
            return true;
        }
    }
}

async fn breaking(keeps_open: bool) -> (Vec<Breaking>, Client) {
    let provider = Provider::new();
    let mut relays = Vec::new();
    for _ in 0..3 {
        relays.push(Breaking::start(&provider, keeps_open).await);
    }
    let urls: Vec<_> = relays.iter().map(|relay| relay.url.clone()).collect();
    let patience = if keeps_open { Duration::from_secs(2) } else { Duration::from_secs(15) };
    let client = Client::builder(profile(&urls)).clock(|| NOW.unix()).timeout(patience).build().unwrap();
    (relays, client)
}

fn posts(relays: &[Breaking]) -> usize {
    relays.iter().map(|relay| relay.posts.load(Ordering::SeqCst)).sum()
}

#[tokio::test]
async fn c33_a_relay_that_breaks_off_after_receiving_leads_to_no_second_request_anywhere() {
    let (relays, client) = breaking(false).await;
    for lookups in 1..=8 {
        let error = client.lookup(ask(NUMBER)).await.unwrap_err();
        assert!(matches!(error, Error::Relay { error: RelayError::Broken, .. }), "{error}");
        assert_eq!(posts(&relays), lookups);
    }
}

#[tokio::test]
async fn c33_a_relay_that_does_not_answer_leads_to_no_second_request_anywhere() {
    let (relays, client) = breaking(true).await;
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Relay { error: RelayError::Timeout, .. }), "{error}");
    assert_eq!(posts(&relays), 1);
}
