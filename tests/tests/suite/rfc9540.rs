//! RFC 9540, discovery of gateways: lines 51 to 55 of the conformance list, as far as they apply.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use crate::end_to_end::{NOW, ask};
use crate::recorder::{Recorder, names};
use crate::wire::{BOTH_VERSIONS, Http};
use bytes::Bytes;
use http::{Method, Request};
use tests::{Net, World};

mod redirects;

const NUMBER: &str = "+14155550123";

#[tokio::test]
async fn c51_keys_and_policy_are_served_with_their_types() {
    let net = Net::builder().relays(1).start(World::new(1, NOW)).await.unwrap();
    let documents = [
        ("/.well-known/ohttp-gateway", "application/ohttp-keys"),
        ("/.well-known/discreet", "application/cose; cose-type=\"cose-sign1\""),
    ];
    for version in BOTH_VERSIONS {
        let http = Http::new(&net, version);
        for (path, media_type) in documents {
            let url = http.gateway(path);
            let got = http.get(&url).await;
            assert_eq!((got.status().as_u16(), got.version()), (200, version));
            assert_eq!(got.headers()["content-type"], media_type);
            assert_eq!(got.headers()["cache-control"], "public, max-age=3600");
            let head = Request::builder().method(Method::HEAD).uri(&url).body(Bytes::new()).unwrap();
            let head = http.send(head).await;
            assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
            assert_eq!(head.headers()["content-length"], got.body().len().to_string().as_str());
            assert_eq!(head.headers()["content-type"], media_type);
        }
    }
}

/// RFC 9540 §7: a gateway cannot hand a client keys of its own, for it hears of no client when it gives
/// them out: relays fetch them, once for all.
#[tokio::test]
async fn c55_keys_reach_clients_through_two_relays_that_fetch_them_once_for_all() {
    let world = World::new(1, NOW);
    let lines = vec![world.line(NUMBER)];
    let recorder = Recorder::new();
    let net = Net::builder().lines(lines).front(recorder.front()).start(world).await.unwrap();
    for _ in 0..3 {
        net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap();
    }
    let documents = |role: &str| {
        let of_role = recorder.of(role).into_iter();
        of_role.filter(|exchange| exchange.request.method() == Method::GET).collect::<Vec<_>>()
    };
    assert_eq!((documents("relay-1").len(), documents("relay-2").len()), (3, 3), "both, for each client");
    let fetched = documents("gateway");
    assert_eq!(fetched.len(), 2, "by each relay once");
    assert_eq!(names(fetched[0].request.headers()), names(fetched[1].request.headers()));
    let copies = documents("relay");
    assert!(copies.iter().all(|copy| copy.response.body() == fetched[0].response.body()));
}
