//! Redirects are followed by the relay, for all clients alike, and never shown (RFC 9540 §4).

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use crate::relay_alone::{Gateway, Setup, answer, document, field_names, get, oblivious, sealed, upstream};

const WELL_KNOWN: &str = "/.well-known/ohttp-gateway";

fn redirect(status: u16, location: &str, cache_control: &str) -> Response<Bytes> {
    let response = Response::builder().status(status).header("location", location);
    response.header("cache-control", cache_control).body(Bytes::from("moved")).unwrap()
}

/// What a gateway says at its new place.
fn moved(request: &Request<Bytes>) -> Response<Bytes> {
    match *request.method() {
        Method::POST => answer(200, "message/ohttp-res", "sealed answer"),
        _ => document("application/ohttp-keys", "max-age=5", "keys"),
    }
}

/// Has moved everything from its well-known place to `/v2?x=1`.
fn moving(status: u16, cache_control: &'static str) -> Gateway {
    Gateway::new(move |request| match request.uri().path() {
        "/v2" => moved(request),
        _ => redirect(status, "/v2?x=1", cache_control),
    })
}

fn paths(setup: &Setup) -> Vec<String> {
    setup.gateway.seen().iter().map(|request| request.uri().to_string()).collect()
}

#[tokio::test]
async fn c52_a_post_follows_307_and_308_once_for_all_clients() {
    for status in [307, 308] {
        let setup = Setup::new(moving(status, "max-age=60")).await;
        let others = upstream(setup.relay.addr());
        for response in [setup.ask(sealed("sealed")).await, others.send(sealed("sealed"), 100).await.unwrap()]
        {
            assert_eq!(
                (response.status(), response.body().as_ref()),
                (StatusCode::OK, b"sealed answer".as_slice())
            );
            assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
        }
        assert_eq!(paths(&setup), [WELL_KNOWN, "/v2?x=1", "/v2?x=1"], "{status}");
        for request in setup.gateway.seen() {
            assert_eq!((request.method(), request.body().as_ref()), (&Method::POST, b"sealed".as_slice()));
            assert_eq!(field_names(request.headers()), ["content-length", "content-type", "host"]);
        }
    }
}

#[tokio::test]
async fn c52_a_post_does_not_follow_301_302_303() {
    for status in [301, 302, 303] {
        let setup = Setup::new(moving(status, "max-age=60")).await;
        for sent in 1..=2 {
            let response = setup.ask(sealed("sealed")).await;
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
            assert_eq!(field_names(response.headers()), ["content-length", "content-type"]);
            let expected =
                br#"{"status":502,"title":"the gateway redirects to where this relay does not follow"}"#;
            assert_eq!(response.body().as_ref(), expected.as_slice());
            assert_eq!(setup.gateway.seen().len(), sent, "{status}");
        }
        assert!(setup.metrics().await.contains("forwarded_total{outcome=\"RedirectRefused\"} 2\n"));
    }
}

#[tokio::test]
async fn c52_a_get_follows_all_five() {
    for status in [301, 302, 303, 307, 308] {
        let setup = Setup::new(moving(status, "max-age=60")).await;
        for _ in 0..2 {
            let response = setup.ask(get("/dp")).await;
            assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"keys".as_slice()));
            assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
            setup.clock.advance(5);
        }
        assert_eq!(paths(&setup), [WELL_KNOWN, "/v2?x=1", "/v2?x=1"], "{status}");
    }
}

#[tokio::test]
async fn c52_a_redirect_to_another_origin_is_refused() {
    let elsewhere = Setup::new(oblivious()).await;
    let location = format!("http://{}{WELL_KNOWN}", elsewhere.gateway_shell.as_ref().unwrap().addr());
    for status in [301, 302, 303, 307, 308] {
        let location = location.clone();
        let setup = Setup::new(Gateway::new(move |_| redirect(status, &location, "max-age=60"))).await;
        assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(setup.ask(get("/dp")).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(setup.gateway.seen().len(), 2);
    }
    assert!(elsewhere.gateway.seen().is_empty());
}

#[tokio::test]
async fn c52_a_url_of_the_same_origin_is_followed() {
    let setup = Setup::new(oblivious()).await;
    let location = format!("http://{}/v2", setup.gateway_shell.as_ref().unwrap().addr());
    setup.gateway.answer(move |request| match request.uri().path() {
        "/v2" => moved(request),
        _ => redirect(308, &location, ""),
    });
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert_eq!(paths(&setup), [WELL_KNOWN, "/v2"]);
}

#[tokio::test]
async fn c52_three_redirects_in_a_row_are_followed_and_a_loop_is_not() {
    let setup = Setup::new(Gateway::new(|request| match request.uri().path() {
        "/3" => moved(request),
        "/2" => redirect(307, "/3", ""),
        "/1" => redirect(307, "/2", ""),
        _ => redirect(307, "/1", ""),
    }))
    .await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert_eq!(paths(&setup), [WELL_KNOWN, "/1", "/2", "/3"]);

    // Without an end: the fourth is not followed.
    let further = |request: &Request<Bytes>| redirect(307, &format!("{}x", request.uri().path()), "");
    let setup = Setup::new(Gateway::new(further)).await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(setup.gateway.seen().len(), 4);
    // In a circle: no place sees a request twice.
    let round = |request: &Request<Bytes>| match request.uri().path() {
        "/1" => redirect(307, WELL_KNOWN, ""),
        _ => redirect(307, "/1", ""),
    };
    let setup = Setup::new(Gateway::new(round)).await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(paths(&setup), [WELL_KNOWN, "/1"]);
}

/// How many seconds a redirect is kept.
async fn is_kept(status: u16, cache_control: &'static str, secs: u64) {
    let setup = Setup::new(moving(status, cache_control)).await;
    setup.ask(sealed("sealed")).await;
    setup.clock.advance(secs - 1);
    setup.ask(sealed("sealed")).await;
    assert_eq!(setup.gateway.seen().len(), 3, "{status} {cache_control}");
    setup.clock.advance(1);
    setup.ask(sealed("sealed")).await;
    assert_eq!(paths(&setup)[3..], [WELL_KNOWN, "/v2?x=1"], "{status} {cache_control}");
}

#[tokio::test]
async fn c52_a_redirect_is_kept_for_all_clients_as_the_gateway_says_within_bounds() {
    is_kept(308, "max-age=600", 600).await;
    is_kept(308, "", 3600).await;
    is_kept(308, "max-age=31536000", 3600).await;
    is_kept(307, "max-age=30", 30).await;
    is_kept(307, "", 5).await;
    is_kept(307, "max-age=31536000", 60).await;
}

#[tokio::test]
async fn c52_a_redirect_that_must_not_be_kept_is_not() {
    let setup = Setup::new(moving(308, "no-store")).await;
    for _ in 0..2 {
        assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    }
    assert_eq!(paths(&setup), [WELL_KNOWN, "/v2?x=1", WELL_KNOWN, "/v2?x=1"]);
}

/// What is kept and leads nowhere any more is forgotten; the request that found it out is not repeated.
#[tokio::test]
async fn c52_a_place_that_is_gone_is_looked_for_at_the_well_known_one() {
    let setup = Setup::new(moving(308, "")).await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    setup.gateway.answer(|request| match request.uri().path() {
        WELL_KNOWN => moved(request),
        _ => answer(404, "application/problem+json", "{}"),
    });
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert_eq!(paths(&setup)[2..], ["/v2?x=1", WELL_KNOWN]);
}
