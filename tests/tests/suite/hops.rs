//! What each hop receives: one size up, one size down, and no field more than needed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::end_to_end::{NOW, ask};
use crate::gateway::wire::{Http, SUITES, binary, lookup, lookup_of, seal};
use discreet_client::{Csi, Outcome, Query, Tag};
use http::{Method, Request, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recorder::{Recorder, names};
use std::collections::BTreeSet;
use tests::world::phone;
use tests::{Net, World};

pub(crate) mod recorder;

const NUMBER: &str = "+14155550123";
const ABSENT: &str = "+14155550199";
const SEVERAL: &str = "+4930123456789";

/// A network with a recorder before each role: one number with one service and a tag, one with many
/// services by two authorities, and an e-mail address.
async fn start() -> (Net, Recorder) {
    let world = World::new(1, NOW);
    let long: Vec<_> = (0..6).map(|n| format!("mimi://service-{n}.example/u/{}", "x".repeat(30))).collect();
    let long: Vec<_> = long.iter().map(String::as_str).collect();
    let several = |authority| world.person(&phone(SEVERAL), authority).reaches(&long).line();
    let tagged = world.person(&phone(NUMBER), 0).tag("work").reaches(&["mimi://work.example"]).line();
    let email = world.person(&Csi::email("ann@a.example").unwrap(), 0).line();
    let net_lines = vec![world.line(NUMBER), several(0), several(1), email];
    let recorder = Recorder::new();
    let net = Net::builder().lines(net_lines).front(recorder.front()).start(world).await.unwrap();
    let (_, refused) = net.import(&[tagged]).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    (net, recorder)
}

/// Every lookup on both hops had 4096 bytes up and 8192 down, and there were `count` of them.
pub(crate) fn assert_one_size(recorder: &Recorder, count: usize) {
    for hop in ["relay", "gateway"] {
        let lookups = recorder.lookups(hop);
        assert_eq!(lookups.len(), count, "{hop}");
        for exchange in lookups {
            assert_eq!(exchange.response.status(), 200, "{hop}");
            assert_eq!(
                (exchange.request.body().len(), exchange.response.body().len()),
                (4096, 8192),
                "{hop}"
            );
            assert_eq!(exchange.request.headers()["content-length"], "4096");
            assert_eq!(exchange.response.headers()["content-length"], "8192");
        }
    }
}

#[tokio::test]
async fn c67_every_outcome_has_one_size_on_both_hops() {
    let (net, recorder) = start().await;
    let client = net.client().build().unwrap();
    let tag = |tag: &str| Some(Tag::new(tag).unwrap());
    let longest = format!("{}@{}.example", "a".repeat(60), "b".repeat(60));
    let queries = [
        (ask(NUMBER), Outcome::OneService),
        (ask(ABSENT), Outcome::NoMapping),
        (ask(SEVERAL), Outcome::SeveralMappings),
        (Query { csi: Csi::email("ann@a.example").unwrap(), tag: None }, Outcome::OneService),
        (Query { csi: Csi::email(&longest).unwrap(), tag: None }, Outcome::NoMapping),
        (Query { csi: Csi::handle("ann").unwrap(), tag: None }, Outcome::NoMapping),
        (Query { csi: phone(NUMBER), tag: tag("work") }, Outcome::OneService),
        (Query { csi: phone(NUMBER), tag: tag("family") }, Outcome::OneService),
        (Query { csi: phone("+1234567"), tag: tag(&"x".repeat(32)) }, Outcome::NoMapping),
    ];
    let count = queries.len();
    for (query, outcome) in queries {
        assert_eq!(client.lookup(query).await.unwrap().outcome(), outcome);
    }
    assert_one_size(&recorder, count);
}

#[tokio::test]
async fn c75_every_suite_and_error_has_one_size_on_both_hops() {
    let (net, recorder) = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let path = "/v1/identifierQuery/dp.example";
    let messages = [
        lookup(NUMBER, None),
        lookup(ABSENT, None),
        lookup(SEVERAL, Some("work")),
        // nick(2): unsupported.
        lookup_of(b"\x05\x02\x03bob\x00".to_vec()),
        lookup_of(b"nonsense".to_vec()),
        b"not binary HTTP".to_vec(),
        binary("POST", "https", "other.example", path, &[], b""),
        binary("GET", "https", "dp.example", path, &[], b""),
        binary("POST", "https", "dp.example", "/elsewhere", &[("expect", "100-continue")], b""),
    ];
    for (kem, aead) in SUITES {
        for message in &messages {
            let (sealed, opener) = seal(&keys, kem, aead, message.clone());
            let response = http.post(&net.relay_urls()[0], sealed).await;
            assert!(opener.decapsulate(response.body()).is_ok());
        }
    }
    assert_one_size(&recorder, SUITES.len() * messages.len());
}

#[test]
fn c67_any_number_has_one_size_on_both_hops() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (net, recorder) = runtime.block_on(start());
    let client = net.client().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let tried =
        TestRunner::new(config).run(&("\\+[1-9][0-9]{6,14}", "[a-zA-Z0-9-]{1,32}"), |(number, tag)| {
            let query = Query { csi: phone(&number), tag: Some(Tag::new(&tag).unwrap()) };
            prop_assert_eq!(runtime.block_on(client.lookup(query)).unwrap().outcome(), Outcome::NoMapping);
            Ok(())
        });
    tried.unwrap();
    assert_one_size(&recorder, 24);
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
