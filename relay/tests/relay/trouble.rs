//! A gateway that does not know a key makes the relay's copies expire: they may be older than its keys.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::support::{Gateway, Setup, answer, get, published, sealed};

const TROUBLE: &str =
    r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key","title":"key not known"}"#;

/// Publishes, and answers every POST with `problem`.
fn gateway(problem: impl Fn() -> Response<Bytes> + Send + Sync + 'static) -> Gateway {
    let count = AtomicUsize::new(0);
    Gateway::new(move |request| match *request.method() {
        Method::GET => published(request, count.fetch_add(1, Ordering::SeqCst)),
        _ => problem(),
    })
}

fn fetches(setup: &Setup) -> usize {
    setup.gateway.seen().iter().filter(|request| request.method() == Method::GET).count()
}

async fn ask_for_both(setup: &Setup) {
    for path in ["/dp", "/dp/policy"] {
        assert_eq!(setup.ask(get(path)).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn c26_key_trouble_makes_both_copies_expire() {
    let setup = Setup::new(gateway(|| answer(400, "application/problem+json", TROUBLE))).await;
    ask_for_both(&setup).await;
    let response = setup.ask(sealed("sealed")).await;
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::BAD_REQUEST, TROUBLE.as_bytes()));
    ask_for_both(&setup).await;
    assert_eq!(fetches(&setup), 4);
    ask_for_both(&setup).await;
    assert_eq!(fetches(&setup), 4, "the new copies are kept");
}

/// Whoever seals to a key that does not exist gets the problem, too.
#[tokio::test]
async fn c26_forged_key_trouble_drives_a_fetch_a_minute_and_no_more() {
    let setup = Setup::new(gateway(|| answer(400, "application/problem+json", TROUBLE))).await;
    ask_for_both(&setup).await;
    for _ in 0..300 {
        setup.ask(sealed("forged")).await;
        ask_for_both(&setup).await;
        setup.clock.advance(1);
    }
    assert_eq!(fetches(&setup), 2 + 2 * 5, "at the beginning of each of five minutes");
}

/// Trouble right after a forged one is not forgotten.
#[tokio::test]
async fn c26_true_key_trouble_after_a_forged_one_counts_within_a_minute() {
    let setup = Setup::new(gateway(|| answer(400, "application/problem+json", TROUBLE))).await;
    ask_for_both(&setup).await;
    setup.ask(sealed("forged")).await;
    ask_for_both(&setup).await;
    setup.clock.advance(10);
    setup.ask(sealed("true")).await;
    ask_for_both(&setup).await;
    assert_eq!(fetches(&setup), 4);
    setup.clock.advance(50);
    ask_for_both(&setup).await;
    assert_eq!(fetches(&setup), 6);
}

#[tokio::test]
async fn c26_what_is_on_its_way_when_there_is_key_trouble_is_old_when_it_comes() {
    let setup = Setup::new(gateway(|| answer(400, "application/problem+json", TROUBLE))).await;
    setup.gateway.hold(true);
    let trouble = async {
        setup.gateway.entered().await;
        setup.ask(sealed("sealed")).await;
        setup.gateway.hold(false);
    };
    let (old, ()) = tokio::join!(setup.ask(get("/dp")), trouble);
    assert_eq!(
        (old.body().as_ref(), &old.headers()["cache-control"]),
        (b"document 0".as_slice(), &"public, max-age=0".parse().unwrap())
    );
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"document 1");
}

#[tokio::test]
async fn c26_other_problems_leave_the_copies_alone() {
    let others: [fn() -> Response<Bytes>; 4] = [
        || answer(400, "application/problem+json", "{}"),
        || answer(422, "application/problem+json", TROUBLE),
        || answer(400, "text/plain", TROUBLE),
        || answer(200, "message/ohttp-res", TROUBLE),
    ];
    for other in others {
        let setup = Setup::new(gateway(other)).await;
        ask_for_both(&setup).await;
        setup.ask(sealed("sealed")).await;
        ask_for_both(&setup).await;
        assert_eq!(fetches(&setup), 2, "{:?}", other());
    }
}
