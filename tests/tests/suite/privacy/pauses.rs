//! A gateway's `Retry-After` is heard for all clients or for none. A limit that it could aim at one client
//! would tell it which requests are that client's.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::relay_alone::{Setup, answer, field_names, oblivious, publishing, sealed, upstream};

fn refusal(status: u16, retry_after: &str) -> Response<Bytes> {
    let mut response = answer(status, "application/problem+json", "{}");
    response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
    response
}

/// Once asked to wait so long, the relay tells everybody alike.
async fn asked_to_wait(status: u16, retry_after: &'static str, secs: u64) {
    let setup = Setup::new(oblivious()).await;
    setup.gateway.answer(move |_| refusal(status, retry_after));
    let first = setup.ask(sealed("sealed")).await;
    setup.gateway.answer(|_| answer(200, "message/ohttp-res", "sealed answer"));
    let others = upstream(setup.relay.addr());
    for response in
        [first, setup.ask(sealed("sealed")).await, others.send(sealed("other"), 100).await.unwrap()]
    {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], secs.to_string().as_str());
        assert_eq!(field_names(response.headers()), ["content-length", "content-type", "retry-after"]);
        let expected = br#"{"status":503,"title":"the gateway asks everybody to come back later"}"#;
        assert_eq!(response.body().as_ref(), expected.as_slice());
    }
    setup.clock.advance(secs - 1);
    assert_eq!(others.send(sealed("other"), 100).await.unwrap().headers()["retry-after"], "1");
    assert_eq!(setup.gateway.seen().len(), 1, "no traffic until then");
    setup.clock.advance(1);
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert!(setup.metrics().await.contains("discreet_relay_forwarded_total{outcome=\"GatewayPaused\"} 4\n"));
}

#[tokio::test]
async fn c71_a_gateways_retry_after_counts_for_all_clients() {
    asked_to_wait(429, "7", 7).await;
    asked_to_wait(503, "7", 7).await;
}

#[tokio::test]
async fn c71_a_date_counts_as_seconds_do() {
    // The clock of these tests stands at 22:13:20.
    asked_to_wait(503, "Tue, 14 Nov 2023 22:13:50 GMT", 30).await;
}

#[tokio::test]
async fn c71_a_pause_ends_after_a_minute_whatever_is_asked() {
    asked_to_wait(429, "3600", 60).await;
    asked_to_wait(503, "Mon, 14 Nov 2033 22:13:50 GMT", 60).await;
}

#[tokio::test]
async fn c71_a_malformed_retry_after_counts_for_nobody() {
    let setup = Setup::new(oblivious()).await;
    for (sent, value) in ["soon", "-1", "1.5", "+5", "5, 6"].into_iter().enumerate() {
        setup.gateway.answer(move |_| refusal(503, value));
        let response = setup.ask(sealed("sealed")).await;
        assert_eq!(
            (response.status(), response.body().as_ref()),
            (StatusCode::SERVICE_UNAVAILABLE, b"{}".as_slice())
        );
        assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
        // The same client again, at once: passed on and answered.
        setup.gateway.answer(|_| answer(200, "message/ohttp-res", "sealed answer"));
        assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK, "{value}");
        assert_eq!(setup.gateway.seen().len(), 2 * (sent + 1));
    }
}

#[tokio::test]
async fn c71_ratelimit_fields_are_neither_acted_on_nor_passed_back() {
    let setup = Setup::new(oblivious()).await;
    for (sent, status) in [429, 503].into_iter().enumerate() {
        setup.gateway.answer(move |_| {
            let mut response = answer(status, "application/problem+json", "{}");
            response.headers_mut().insert("ratelimit", "\"default\";r=0;t=3600".parse().unwrap());
            response.headers_mut().insert("ratelimit-policy", "\"default\";q=1;w=3600".parse().unwrap());
            response
        });
        let response = setup.ask(sealed("sealed")).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
        setup.gateway.answer(|_| answer(200, "message/ohttp-res", "sealed answer"));
        assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
        assert_eq!(setup.gateway.seen().len(), 2 * (sent + 1));
    }
}

/// Whoever asks for the keys is not sent away because requests are.
#[tokio::test]
async fn copies_are_served_and_fetched_during_a_pause() {
    let setup = Setup::new(publishing()).await;
    setup.gateway.answer(|request| match request.method().as_str() {
        "GET" => crate::relay_alone::published(request, 0),
        _ => refusal(429, "30"),
    });
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(setup.ask(crate::relay_alone::get("/dp")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_document_is_left_alone_as_long_as_the_gateway_asks() {
    let setup = Setup::new(publishing()).await;
    setup.gateway.answer(|_| refusal(503, "20"));
    let get = || setup.ask(crate::relay_alone::get("/dp"));
    assert_eq!(get().await.status(), StatusCode::BAD_GATEWAY);
    setup.gateway.answer(|request| crate::relay_alone::published(request, 0));
    setup.clock.advance(19);
    assert_eq!(get().await.status(), StatusCode::BAD_GATEWAY);
    setup.clock.advance(1);
    assert_eq!(get().await.status(), StatusCode::OK);
    assert_eq!(setup.gateway.seen().len(), 2);
}
