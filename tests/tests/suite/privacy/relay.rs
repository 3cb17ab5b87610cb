//! What a relay adds to requests: nothing.

use crate::relay_alone::{Setup, field_names, oblivious, sealed};
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
