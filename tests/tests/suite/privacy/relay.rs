//! What a relay adds to requests, and what it makes of a gateway's limits: nothing.

use crate::relay_alone::{Setup, answer, field_names, oblivious, sealed};
use http::StatusCode;

#[tokio::test]
async fn c18_c69_only_the_content_type_is_passed_to_the_gateway() {
    let setup = Setup::new(oblivious()).await;
    let mut request = sealed("sealed");
    let fields = [
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-real-ip",
        "true-client-ip",
        "traceparent",
        "x-request-id",
        "cookie",
        "authorization",
        "proxy-authorization",
        "user-agent",
        "accept",
        "accept-language",
        "accept-encoding",
        "referer",
        "origin",
        "date",
        "priority",
        "early-data",
        "incremental",
        "x-hop",
        "x-unknown",
    ];
    for field in fields {
        request.headers_mut().insert(field, "192.0.2.7".parse().unwrap());
    }
    request.headers_mut().insert("connection", "x-hop".parse().unwrap());
    assert_eq!(setup.ask(request).await.status(), StatusCode::OK);
    let seen = setup.gateway.seen();
    assert_eq!(field_names(seen[0].headers()), ["content-length", "content-type", "host"]);
    assert_eq!(seen[0].headers()["content-type"], "message/ohttp-req");
    let gateway = setup.gateway_shell.as_ref().unwrap().addr();
    assert_eq!(seen[0].headers()["host"], gateway.to_string(), "the gateway's name, not the relay's");
}

/// A limit that a gateway could aim at one client would tell it which requests are that client's.
#[tokio::test]
async fn c71_a_gateways_limits_are_not_acted_on_nor_passed_back() {
    let limited = |status| {
        let mut response = answer(status, "application/problem+json", "{}");
        response.headers_mut().insert("retry-after", "3600".parse().unwrap());
        response.headers_mut().insert("ratelimit", "\"default\";r=0;t=3600".parse().unwrap());
        response.headers_mut().insert("ratelimit-policy", "\"default\";q=1;w=3600".parse().unwrap());
        response
    };
    let setup = Setup::new(oblivious()).await;
    for (passed_on, status) in [429, 503].into_iter().enumerate() {
        setup.gateway.answer(move |_| limited(status));
        let response = setup.ask(sealed("sealed")).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(field_names(response.headers()), ["cache-control", "content-length", "content-type"]);
        // The same client again, at once: passed on and answered.
        setup.gateway.answer(|_| answer(200, "message/ohttp-res", "sealed answer"));
        assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
        assert_eq!(setup.gateway.seen().len(), 2 * (passed_on + 1));
    }
}
