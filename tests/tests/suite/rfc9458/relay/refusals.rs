//! What is refused without the gateway hearing of it.

use bytes::Bytes;
use http::StatusCode;

use crate::relay_alone::{Setup, get, oblivious, say, sealed};

#[tokio::test]
async fn c22_other_methods_are_405_with_allow() {
    let setup = Setup::new(oblivious()).await;
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"] {
        let mut request = sealed("sealed");
        *request.method_mut() = method.parse().unwrap();
        let response = setup.ask(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
    }
    let mut request = sealed("sealed");
    *request.uri_mut() = "/dp/policy".parse().unwrap();
    let response = setup.ask(request).await;
    assert_eq!(
        (response.status(), &response.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
    assert!(setup.gateway.seen().is_empty());
}

#[tokio::test]
async fn c22_other_media_types_are_415() {
    let setup = Setup::new(oblivious()).await;
    for content_type in
        ["message/ohttp-res", "message/bhttp", "application/octet-stream", "message/ohttp-chunked-req"]
    {
        let mut request = sealed("sealed");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        assert_eq!(setup.ask(request).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    let mut untyped = sealed("sealed");
    untyped.headers_mut().remove("content-type");
    assert_eq!(setup.ask(untyped).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut encoded = sealed("sealed");
    encoded.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(setup.ask(encoded).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(setup.gateway.seen().is_empty());
}

#[tokio::test]
async fn c22_too_large_is_413_and_the_full_size_is_not() {
    let setup = Setup::new(oblivious()).await;
    let mut request = sealed("");
    *request.body_mut() = Bytes::from(vec![0; 4097]);
    assert_eq!(setup.ask(request.clone()).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(setup.gateway.seen().is_empty());
    *request.body_mut() = Bytes::from(vec![0; 4096]);
    assert_eq!(setup.ask(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn c22_weird_paths_are_answered() {
    let setup = Setup::new(oblivious()).await;
    let targets = [
        "/",
        "//",
        "/dp/",
        "//dp",
        "/dp//",
        "/dp/policy/",
        "/dp/policy/policy",
        "/policy",
        "/dp/../dp",
        "/%64p",
        "/DP",
        "/dp%00",
        "/dp;a=b",
        "/.well-known/ohttp-gateway",
        "/?dp",
        "http://gateway.example/",
        "*",
    ];
    for target in targets {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let request =
            format!("{method} {target} HTTP/1.1\r\nhost: relay.example\r\nconnection: close\r\n\r\n");
        let response = say(&setup, &request).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{target}: {response}");
    }
    for garbage in [
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "CONNECT gateway.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n",
    ] {
        let response = say(&setup, garbage).await;
        assert!(response.starts_with("HTTP/1.1 40"), "{garbage}: {response}");
    }
    assert!(setup.gateway.seen().is_empty());
    assert!(setup.metrics().await.contains("discreet_relay_panics_total 0\n"));
}

#[tokio::test]
async fn c32_an_unknown_gateway_is_404_without_traffic() {
    let setup = Setup::new(oblivious()).await;
    for path in ["/other", "/other/policy", "/gateway.example"] {
        let mut request = sealed("sealed");
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(setup.ask(request).await.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(setup.ask(get(path)).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(setup.gateway.seen().is_empty());
}
