//! What each hop receives: no field more than needed, and nothing twice. Sizes are in `privacy`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::end_to_end::{NOW, ask};
use crate::recorder::{Recorder, names};
use crate::wire::{Http, SUITES, lookup, seal};
use http::{Method, Request, Version};
use std::collections::BTreeSet;
use tests::{Net, World};

const NUMBER: &str = "+14155550123";
const ABSENT: &str = "+14155550199";

/// A network with a recorder before each role.
async fn start() -> (Net, Recorder) {
    let world = World::new(1, NOW);
    let lines = vec![world.line(NUMBER)];
    let recorder = Recorder::new();
    let net = Net::builder().lines(lines).front(recorder.front()).start(world).await.unwrap();
    (net, recorder)
}

#[tokio::test]
async fn c16_a_relay_receives_no_field_that_tells_clients_apart() {
    let (net, recorder) = start().await;
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    for exchange in recorder.of("relay") {
        let request = &exchange.request;
        let got = names(request.headers());
        let got: Vec<_> = got.into_iter().filter(|name| *name != "host").collect();
        match *request.method() {
            Method::POST => {
                assert_eq!(got, ["content-length", "content-type"]);
                assert_eq!(request.uri().path(), "/dp");
                assert_eq!(request.headers()["content-type"], "message/ohttp-req");
            }
            _ => {
                assert!(got.is_empty(), "{got:?}");
                assert_eq!(request.uri().path(), "/dp/policy");
            }
        }
        assert_eq!(request.uri().query(), None);
    }
    // One policy from each of two relays, one lookup.
    assert_eq!((recorder.of("relay").len(), recorder.lookups("relay").len()), (3, 1));
}

#[tokio::test]
async fn c18_the_gateway_receives_type_length_and_host_whatever_a_client_sends() {
    let (net, recorder) = start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let http = Http::new(&net, version);
        let keys = http.keys().await;
        let (sealed, _) = seal(&keys, SUITES[0].0, SUITES[0].1, lookup(NUMBER, None));
        let request = Request::post(format!("{}?who=ann", net.relay_urls()[0]))
            .header("content-type", "message/ohttp-req")
            .header("user-agent", "ann")
            .header("accept-language", "de")
            .header("cookie", "who=ann")
            .header("authorization", "Bearer ann")
            .header("x-forwarded-for", "192.0.2.7")
            .header("forwarded", "for=192.0.2.7")
            .header("via", "1.1 ann")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("x-ann", "ann")
            .header("date", "Tue, 15 Nov 1994 08:12:31 GMT");
        let response = http.send(request.body(sealed.into()).unwrap()).await;
        assert_eq!(response.status(), 200);
    }
    let lookups = recorder.lookups("gateway");
    assert_eq!(lookups.len(), 2);
    for exchange in lookups {
        let got = names(exchange.request.headers());
        let got: Vec<_> = got.into_iter().filter(|name| *name != "host").collect();
        assert_eq!(got, ["content-length", "content-type"]);
        assert_eq!(exchange.request.uri().path(), "/.well-known/ohttp-gateway");
        assert_eq!(exchange.request.uri().query(), None);
    }
}

#[tokio::test]
async fn c17_the_relay_changes_no_byte() {
    let (net, recorder) = start().await;
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    let (relay, gateway) = (&recorder.lookups("relay")[0], &recorder.lookups("gateway")[0]);
    assert_eq!(relay.request.body(), gateway.request.body());
    assert_eq!(relay.response.body(), gateway.response.body());
}

#[tokio::test]
async fn c19_a_client_receives_three_fields() {
    let (net, recorder) = start().await;
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    client.lookup(ask(ABSENT)).await.unwrap();
    let exchanges = recorder.of("relay");
    assert_eq!(exchanges.len(), 4);
    for exchange in exchanges {
        assert_eq!(names(exchange.response.headers()), ["cache-control", "content-length", "content-type"]);
        assert!(exchange.response.status() == 200);
    }
    let fields: Vec<_> =
        recorder.lookups("relay").into_iter().map(|exchange| exchange.response.headers().clone()).collect();
    assert_eq!(fields[0], fields[1], "found and not found look alike");
}

#[tokio::test]
async fn c13_two_sends_of_one_query_share_nothing_but_the_header() {
    let (net, recorder) = start().await;
    let client = net.client().build().unwrap();
    for _ in 0..4 {
        client.lookup(ask(NUMBER)).await.unwrap();
    }
    let sent: Vec<_> = recorder.lookups("relay").iter().map(|e| e.request.body().clone()).collect();
    // X-Wing's id, HKDF-SHA256, AES-128-GCM, then 1120 bytes of `enc`.
    assert!(sent.iter().all(|content| content[1..7] == [0x64, 0x7a, 0, 1, 0, 1]));
    assert_eq!(sent.iter().map(|content| content[7..1127].to_vec()).collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(sent.iter().map(|content| content[1127..].to_vec()).collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn c20_lookups_of_two_clients_look_alike_to_the_gateway() {
    let (net, recorder) = start().await;
    for _ in 0..2 {
        net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap();
    }
    let lookups = recorder.lookups("gateway");
    let [one, two] = lookups.as_slice() else { panic!("{}", lookups.len()) };
    assert_eq!(one.request.headers(), two.request.headers());
    assert_eq!(one.request.uri(), two.request.uri());
    assert_eq!(one.request.version(), two.request.version());
    // The policy was fetched once by each relay, not once by each client.
    let policies =
        recorder.of("gateway").into_iter().filter(|e| e.request.uri().path() == "/.well-known/discreet");
    assert_eq!(policies.count(), 2);
}
