//! Encapsulated requests on their way to the gateway and back.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use crate::relay_alone::{Gateway, Setup, answer, field_names, oblivious, say, sealed};

#[tokio::test]
async fn c17_the_content_goes_unchanged_to_the_gateway_resource() {
    let setup = Setup::new(oblivious()).await;
    let response = setup.ask(sealed("\0sealed\u{ff}request")).await;
    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"sealed answer".as_slice()));
    let seen = setup.gateway.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method(), seen[0].uri().path()), (&Method::POST, "/.well-known/ohttp-gateway"));
    assert_eq!(seen[0].body().as_ref(), "\0sealed\u{ff}request".as_bytes());
}

#[tokio::test]
async fn c17_empty_content_is_400_and_stays_here() {
    let setup = Setup::new(oblivious()).await;
    assert_eq!(setup.ask(sealed("")).await.status(), StatusCode::BAD_REQUEST);
    assert!(setup.gateway.seen().is_empty());
}

#[tokio::test]
async fn c19_only_the_content_type_is_passed_to_the_client() {
    let setup = Setup::new(Gateway::new(|_| {
        let mut response = answer(200, "message/ohttp-res", "sealed answer");
        let fields = [
            "set-cookie",
            "etag",
            "server",
            "alt-svc",
            "location",
            "link",
            "nel",
            "report-to",
            "server-timing",
            "age",
            "date",
            "last-modified",
            "x-request-id",
            "via",
            "retry-after",
            "ratelimit",
            "vary",
        ];
        for field in fields {
            response.headers_mut().insert(field, "tag".parse().unwrap());
        }
        response.headers_mut().insert("cache-control", "max-age=60".parse().unwrap());
        response
    }))
    .await;
    let response = setup.ask(sealed("sealed")).await;
    assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
    assert_eq!(response.headers()["content-type"], "message/ohttp-res");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn c19_a_problem_of_the_gateway_is_passed_on() {
    let setup =
        Setup::new(Gateway::new(|_| answer(400, "application/problem+json", "{\"type\":\"#ohttp-key\"}")))
            .await;
    let response = setup.ask(sealed("sealed")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.body().as_ref(), b"{\"type\":\"#ohttp-key\"}");
}

/// They speak of the hop they are sent on: passed back, "your token is refused" would be the relay's word.
#[tokio::test]
async fn c19_c33_statuses_of_the_gateways_own_hop_are_502() {
    let setup = Setup::new(oblivious()).await;
    for status in [401, 407, 408, 421, 425] {
        setup.gateway.answer(move |_| answer(status, "application/problem+json", "{}"));
        let response = setup.ask(sealed("sealed")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{status}");
        assert!(!response.headers().contains_key("proxy-authenticate"));
    }
}

#[tokio::test]
async fn c19_anything_else_from_the_gateway_is_502_and_dropped() {
    let answers: [fn() -> Response<Bytes>; 8] = [
        || answer(200, "text/html", "<p>welcome, 192.0.2.7</p>"),
        || answer(502, "text/html", "<p>bad gateway</p>"),
        || answer(201, "message/ohttp-res", "secret"),
        || answer(400, "message/ohttp-res", "secret"),
        || answer(200, "application/problem+json", "secret"),
        || answer(200, "message/ohttp-chunked-res", "secret"),
        || Response::builder().status(200).body(Bytes::from("untyped")).unwrap(),
        || {
            Response::builder()
                .status(200)
                .header("content-type", "message/ohttp-res")
                .header("content-encoding", "gzip")
                .body(Bytes::from("secret"))
                .unwrap()
        },
    ];
    let setup = Setup::new(oblivious()).await;
    for bad in answers {
        setup.gateway.answer(move |_| bad());
        let response = setup.ask(sealed("sealed")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{:?}", bad());
        let expected = br#"{"status":502,"title":"the gateway's answer cannot be passed on"}"#;
        assert_eq!(response.body().as_ref(), expected.as_slice());
    }
    assert!(setup.metrics().await.contains("discreet_relay_forwarded_total{outcome=\"BadAnswer\"} 8\n"));
}

#[tokio::test]
async fn c19_an_answer_over_the_bound_is_502() {
    let setup = Setup::new(Gateway::new(|_| {
        let mut response = answer(200, "message/ohttp-res", "");
        *response.body_mut() = Bytes::from(vec![0; 8193]);
        response
    }))
    .await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::BAD_GATEWAY);
    setup.gateway.answer(|_| {
        let mut response = answer(200, "message/ohttp-res", "");
        *response.body_mut() = Bytes::from(vec![0; 8192]);
        response
    });
    assert_eq!(setup.ask(sealed("sealed")).await.body().len(), 8192);
}

#[tokio::test]
async fn c21_query_and_trailers_end_here() {
    let setup = Setup::new(oblivious()).await;
    let request = "POST /dp?who=alice HTTP/1.1\r\nhost: relay.example\r\nconnection: close\r\n\
                   content-type: message/ohttp-req\r\ntransfer-encoding: chunked\r\ntrailer: x-who\r\n\r\n\
                   6\r\nsealed\r\n0\r\nx-who: alice\r\n\r\n";
    let response = say(&setup, request).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let seen = setup.gateway.seen();
    assert_eq!(seen[0].uri().to_string(), "/.well-known/ohttp-gateway");
    assert_eq!(field_names(seen[0].headers()), ["content-length", "content-type", "host"]);
    assert_eq!(seen[0].body().as_ref(), b"sealed");
}

/// RFC 10036 §3: a field nobody here knows. Bodies are read whole, within their bounds, and it goes no
/// further.
#[tokio::test]
async fn c65_c66_incremental_is_neither_honoured_nor_passed_on() {
    let setup = Setup::new(Gateway::new(|_| {
        let mut response = answer(200, "message/ohttp-res", "sealed answer");
        response.headers_mut().insert("incremental", "?1".parse().unwrap());
        response
    }))
    .await;
    for value in ["?1", "?0", "?1;x=1", "nonsense"] {
        let mut request = sealed("sealed");
        request.headers_mut().insert("incremental", value.parse().unwrap());
        let response = setup.ask(request).await;
        assert_eq!(response.status(), StatusCode::OK, "{value}");
        assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
    }
    for seen in setup.gateway.seen() {
        assert_eq!(field_names(seen.headers()), ["content-length", "content-type", "host"]);
        assert_eq!(seen.body().as_ref(), b"sealed");
    }
}
