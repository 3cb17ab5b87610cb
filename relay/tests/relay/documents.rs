//! The relay's copies of keys and policy.

use crate::support::{COSE, Gateway, Setup, answer, document, field_names, get, publishing, upstream};
use bytes::Bytes;
use http::{Request, Response, StatusCode};

#[tokio::test]
async fn c08_everybody_gets_the_same_keys_from_one_fetch() {
    let setup = Setup::new(publishing()).await;
    let clients: Vec<_> = (0..20).map(|_| upstream(setup.relay.addr())).collect();
    let mut asking = tokio::task::JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        asking.spawn(async move {
            let request = Request::get(format!("/dp?client={number}"))
                .header("accept-language", "de")
                .header("user-agent", format!("client {number}"))
                .header("cache-control", "no-cache")
                .body(Bytes::new());
            client.send(request.unwrap(), 1000).await.unwrap()
        });
    }
    for response in asking.join_all().await {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
        assert_eq!(response.headers()["content-type"], "application/ohttp-keys");
        assert_eq!(response.headers()["cache-control"], "public, max-age=600");
        assert_eq!(response.body().as_ref(), b"document 0");
    }
    let seen = setup.gateway.seen();
    assert_eq!(seen.len(), 1, "one fetch for all");
    assert_eq!(field_names(seen[0].headers()), ["accept", "host"]);
    assert_eq!(seen[0].headers()["accept"], "application/ohttp-keys");
    assert_eq!(seen[0].uri().to_string(), "/.well-known/ohttp-gateway");
}

#[tokio::test]
async fn the_policy_is_a_document_of_its_own() {
    let setup = Setup::new(publishing()).await;
    let response = setup.ask(get("/dp/policy")).await;
    assert_eq!(response.headers()["content-type"], COSE);
    assert_eq!(
        response.headers()["cache-control"],
        "public, max-age=3600",
        "an hour at most, whatever is asked"
    );
    assert_eq!(response.body().as_ref(), b"document 0");
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"document 1");
}

#[tokio::test]
async fn a_copy_lasts_as_long_as_the_gateway_says() {
    let setup = Setup::new(publishing()).await;
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"document 0");
    setup.clock.advance(599);
    let response = setup.ask(get("/dp")).await;
    assert_eq!(
        (response.body().as_ref(), &response.headers()["cache-control"]),
        (b"document 0".as_slice(), &"public, max-age=1".parse().unwrap())
    );
    setup.clock.advance(1);
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"document 1");
}

#[tokio::test]
async fn a_copy_lasts_five_seconds_even_if_the_gateway_forbids_it() {
    let setup = Setup::new(Gateway::new(|_| document("application/ohttp-keys", "no-store", "keys"))).await;
    for _ in 0..3 {
        setup.ask(get("/dp")).await;
    }
    assert_eq!(setup.gateway.seen().len(), 1);
    setup.clock.advance(5);
    setup.ask(get("/dp")).await;
    assert_eq!(setup.gateway.seen().len(), 2);
}

#[tokio::test]
async fn an_old_copy_is_served_for_a_day_when_the_gateway_is_down() {
    let mut setup = Setup::new(publishing()).await;
    setup.ask(get("/dp")).await;
    setup.stop_gateway().await;
    setup.clock.advance(86_400);
    let stale = setup.ask(get("/dp")).await;
    assert_eq!((stale.status(), stale.body().as_ref()), (StatusCode::OK, b"document 0".as_slice()));
    assert_eq!(stale.headers()["cache-control"], "public, max-age=0");
    setup.clock.advance(1);
    assert_eq!(setup.ask(get("/dp")).await.status(), StatusCode::BAD_GATEWAY);
    let metrics = setup.metrics().await;
    for outcome in ["Fetched", "Stale", "Unavailable"] {
        assert!(
            metrics.contains(&format!("discreet_relay_documents_total{{outcome=\"{outcome}\"}} 1\n")),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn what_is_no_document_is_not_kept() {
    let answers: [fn() -> Response<Bytes>; 4] = [
        || answer(200, "text/html", "<p>welcome</p>"),
        || answer(404, "application/ohttp-keys", "no"),
        || Response::builder().status(300).header("location", "/x").body(Bytes::new()).unwrap(),
        || document(COSE, "max-age=600", "policy"),
    ];
    let setup = Setup::new(publishing()).await;
    for bad in answers {
        setup.gateway.answer(move |_| bad());
        let response = setup.ask(get("/dp")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{:?}", bad());
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        setup.clock.advance(5);
    }
    assert_eq!(setup.gateway.seen().len(), 4);
    setup.gateway.answer(|_| document("application/ohttp-keys", "max-age=600", "keys"));
    assert_eq!(setup.ask(get("/dp")).await.body().as_ref(), b"keys");
}

#[tokio::test]
async fn a_gateway_that_fails_is_left_alone_for_a_moment() {
    let setup = Setup::new(Gateway::new(|_| answer(503, "text/plain", "later"))).await;
    for _ in 0..5 {
        assert_eq!(setup.ask(get("/dp")).await.status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(setup.gateway.seen().len(), 1);
}

#[tokio::test]
async fn head_has_the_fields_of_get() {
    let setup = Setup::new(publishing()).await;
    let head = setup.ask(Request::head("/dp").body(Bytes::new()).unwrap()).await;
    assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["content-type"], "application/ohttp-keys");
}
