//! Copies are fetched beside the requests: a gateway that hangs makes nobody wait long.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::{task::JoinSet, time::Instant};

use crate::support::{Setup, get, publishing, upstream};

/// How many clients of their own ask at once.
const CLIENTS: usize = 10;

/// Everybody's answers to a GET of the keys.
async fn all(setup: &Setup) -> Vec<Response<Bytes>> {
    let mut asking = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = upstream(setup.relay.addr());
        asking.spawn(async move { client.send(get("/dp"), 1000).await.unwrap() });
    }
    asking.join_all().await
}

fn assert_all(answers: &[Response<Bytes>], content: &[u8], cache_control: &str) {
    for answer in answers {
        assert_eq!((answer.status(), answer.body().as_ref()), (StatusCode::OK, content));
        assert_eq!(answer.headers()["cache-control"], cache_control);
    }
}

#[tokio::test]
async fn everybody_waits_two_seconds_for_a_gateway_that_hangs_and_then_gets_the_old_copy() {
    let setup = Setup::new(publishing()).await;
    setup.ask(get("/dp")).await;
    setup.clock.advance(600);
    setup.gateway.hold(true);
    let waiting = async {
        setup.gateway.entered().await;
        // The gateway has the request and keeps it: from here on time may pass at once.
        tokio::time::pause();
        Instant::now()
    };
    let (answers, begun) = tokio::join!(all(&setup), waiting);
    assert_all(&answers, b"document 0", "public, max-age=0");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(3), "{waited:?}");
    // Later ones do not wait at all for the fetch that hangs.
    let begun = Instant::now();
    assert_all(&all(&setup).await, b"document 0", "public, max-age=0");
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    tokio::time::resume();
    assert_eq!(setup.gateway.seen().len(), 2, "one fetch for all");
    // It has gone on beside them.
    setup.gateway.hold(false);
    while setup.ask(get("/dp")).await.body().as_ref() != b"document 1" {}
    assert_all(&all(&setup).await, b"document 1", "public, max-age=600");
    assert_eq!(setup.gateway.seen().len(), 2);
}

#[tokio::test]
async fn everybody_gets_the_new_copy_if_it_comes_in_time() {
    let setup = Setup::new(publishing()).await;
    setup.ask(get("/dp")).await;
    setup.clock.advance(600);
    setup.gateway.hold(true);
    let waiting = async {
        setup.gateway.entered().await;
        setup.gateway.hold(false);
    };
    let (answers, ()) = tokio::join!(all(&setup), waiting);
    assert_all(&answers, b"document 1", "public, max-age=600");
    assert_eq!(setup.gateway.seen().len(), 2);
    let metrics = setup.metrics().await;
    for line in ["{outcome=\"Fetched\"} 2\n", "{outcome=\"Cached\"} 9\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn who_could_have_no_old_copy_waits_for_the_first_one() {
    let setup = Setup::new(publishing()).await;
    setup.gateway.hold(true);
    let waiting = async {
        setup.gateway.entered().await;
        setup.gateway.hold(false);
    };
    let (answers, ()) = tokio::join!(all(&setup), waiting);
    assert_all(&answers, b"document 0", "public, max-age=600");
}

#[tokio::test]
async fn a_fetch_outlives_the_client_that_caused_it() {
    let setup = Setup::new(publishing()).await;
    setup.gateway.hold(true);
    let client = upstream(setup.relay.addr());
    tokio::select! {
        answer = client.send(get("/dp"), 1000) => panic!("{answer:?}"),
        () = setup.gateway.entered() => {}
    }
    drop(client);
    setup.gateway.hold(false);
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"document 0");
    assert_eq!(setup.gateway.seen().len(), 1);
}
