//! A lookup through everything: TLS, relay, TLS, gateway, SQLite, and the client's verification.

use discreet_client::{Outcome, Query};
use discreet_protocol::time::Timestamp;
use tests::world::phone;
use tests::{Net, World};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

pub(crate) fn ask(number: &str) -> Query {
    Query { csi: phone(number), tag: None }
}

#[tokio::test]
async fn a_number_is_found_and_verified() {
    let world = World::new(1, NOW);
    let lines = vec![world.line("+14155550123")];
    let net = Net::builder().lines(lines).start(world).await.unwrap();
    let client = net.client().build().unwrap();
    let answer = client.lookup(ask("+14155550123")).await.unwrap();
    assert_eq!(answer.outcome(), Outcome::OneService);
    assert_eq!(answer.mappings[0].authority, "one.authority.example");
    assert!(answer.mappings[0].services[0].uri.as_str().starts_with("mimi://b.example/u/"));
    let answer = client.lookup(ask("+14155550124")).await.unwrap();
    assert_eq!(answer.outcome(), Outcome::NoMapping);
}
