//! One size up, one size down, on both hops and whatever comes of it (RFC 9458 §6.2.3).

use crate::end_to_end::{NOW, ask};
use crate::recipients::{publish, withdraw, withdrawing};
use crate::recorder::{Recorder, assert_one_size};
use crate::wire::{Http, SUITES, binary, lookup, lookup_of, seal};
use discreet_client::{Csi, Outcome, Query, Tag, Withdrawal};
use http::Version;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::world::phone;
use tests::{Net, World};

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
async fn c67_publishing_and_withdrawing_have_the_size_of_a_lookup_whatever_comes_of_them() {
    let recorder = Recorder::new();
    let net = Net::builder().front(recorder.front()).start(World::new(1, NOW)).await.unwrap();
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    let many: Vec<_> = (0..8).map(|n| format!("mimi://service-{n}.example/u/{}", "x".repeat(60))).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let mut large = person.clone().reaches(&many);
    large.mapping.serial += 1;
    publish(&client, &person).await.unwrap();
    publish(&client, &large).await.unwrap();
    assert!(publish(&client, &person).await.is_err());
    assert!(withdraw(&client, Withdrawal(b"nonsense".to_vec())).await.is_err());
    withdraw(&client, withdrawing(&large, None, large.mapping.serial + 1)).await.unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    for hop in ["relay", "gateway"] {
        let exchanges = recorder.lookups(hop);
        assert_eq!(exchanges.len(), 6, "{hop}");
        for exchange in exchanges {
            assert_eq!(exchange.request.headers()["content-type"], "message/ohttp-req");
            assert_eq!((exchange.request.body().len(), exchange.response.body().len()), (4096, 8192));
        }
    }
}
