//! A request that somebody recorded and sends again: it buys nothing, and looks like any other.

use super::*;
use crate::wire::{SUITES, seal};
use discreet_envelope::message;

#[tokio::test]
async fn a_replayed_request_is_refused_in_the_same_size_with_and_without_the_replay_cache() {
    let at = Paid::new();
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let (kem, aead) = SUITES[0];
    let (recorded, opener) = seal(&keys, kem, aead, lookup(NUMBER, &[at.mint.token().to_field()]));
    let answer = http.post_gateway(recorded.clone()).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 8192));
    let inner = message::decode_response(&opener.decapsulate(answer.body()).unwrap()).unwrap();
    assert_eq!(inner.status(), 200);

    // Whoever replays cannot open the answer: that it is another one, the counters say.
    let replayed = http.post_gateway(recorded.clone()).await;
    assert_eq!((replayed.status().as_u16(), replayed.body().len()), (200, 8192));
    let counted = crate::metrics::scrape(gateway.admin.unwrap()).unwrap();
    assert!(counted.contains("encapsulated_requests_total{outcome=\"Replayed\"} 1\n"), "{counted}");

    gateway.stop();
    let gateway = at.start();
    let http = at.http(&gateway);
    let replayed = http.post_gateway(recorded).await;
    assert_eq!((replayed.status().as_u16(), replayed.body().len()), (200, 8192));
    let counted = crate::metrics::scrape(gateway.admin.unwrap()).unwrap();
    assert!(
        counted.contains("encapsulated_requests_total{outcome=\"Answered\"} 1\n"),
        "the cache is lost: {counted}"
    );
    assert!(counted.contains("resolver_redemptions_total{outcome=\"SpentBefore\"} 1\n"), "{counted}");
}
