//! A lookup through everything: TLS, relay, TLS, gateway, SQLite, and the client's verification.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use discreet_client::{Answer, Client, Csi, Outcome, Query, Tag};
use discreet_protocol::time::Timestamp;
use tests::world::phone;
use tests::{Net, Person, World};

mod changes;
mod suites;

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const NUMBER: &str = "+14155550123";

pub(crate) fn ask(number: &str) -> Query {
    Query { csi: phone(number), tag: None }
}

fn ask_for(number: &str, tag: &str) -> Query {
    Query { csi: phone(number), tag: Some(Tag::new(tag).unwrap()) }
}

/// A network whose directory holds what these people say; each of them must be admitted.
async fn net_with(world: World, people: &[Person]) -> Net {
    let net = Net::builder().start(world).await.unwrap();
    publish(&net, people);
    net
}

fn publish(net: &Net, people: &[Person]) {
    let lines: Vec<_> = people.iter().map(Person::line).collect();
    let (_, refused) = net.import(&lines).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
}

async fn look_up(client: &Client, query: Query) -> Answer {
    client.lookup(query).await.unwrap()
}

/// The services of the only mapping, in order.
fn services(answer: &Answer) -> Vec<&str> {
    let [mapping] = answer.mappings.as_slice() else { panic!("{} mappings", answer.mappings.len()) };
    mapping.services.iter().map(|service| service.uri.as_str()).collect()
}

#[tokio::test]
async fn a_number_is_found_and_verified() {
    let world = World::new(1, NOW);
    let lines = vec![world.line(NUMBER)];
    let net = Net::builder().lines(lines).start(world).await.unwrap();
    let client = net.client().build().unwrap();
    let answer = look_up(&client, ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::OneService);
    assert_eq!(answer.mappings[0].authority, "one.authority.example");
    assert!(answer.mappings[0].services[0].uri.as_str().starts_with("mimi://b.example/u/"));
    assert!(answer.mappings[0].services[0].thumbprint.is_some());
    assert_eq!(answer.mappings[0].confirmed_at, NOW);
    // Design §6: refresh after seven days.
    assert_eq!(answer.mappings[0].fresh_until, Timestamp::from_unix(1_800_604_800));
    assert!(answer.notices.is_empty());
}

#[tokio::test]
async fn r5_no_mapping() {
    let net = net_with(World::new(1, NOW), &[]).await;
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::NoMapping);
    assert_eq!(answer.csi.uri(), "tel:+14155550123");
    assert!(answer.mappings.is_empty() && answer.notices.is_empty());
}

#[tokio::test]
async fn r5_a_mapping_without_services() {
    let world = World::new(1, NOW);
    let nobody = world.person(&phone(NUMBER), 0).reaches(&[]);
    let net = net_with(world, &[nobody]).await;
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::NoService);
    assert_eq!(answer.mappings[0].authority, "one.authority.example");
}

#[tokio::test]
async fn r5_several_services_in_the_recipients_order() {
    let world = World::new(1, NOW);
    let order =
        ["mimi://z.example/u/ann", "mimi://b.example", "mimi://a.example/d/phone", "mimi://m.example"];
    let person = world.person(&phone(NUMBER), 1).reaches(&order);
    let net = net_with(world, &[person]).await;
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::SeveralServices);
    assert_eq!(services(&answer), order);
    assert_eq!(answer.mappings[0].authority, "two.authority.example");
}

#[tokio::test]
async fn r5_several_mappings_each_name_their_authority() {
    let world = World::new(1, NOW);
    let one = world.person(&phone(NUMBER), 0).reaches(&["mimi://a.example/u/ann"]);
    let two = world.person(&phone(NUMBER), 1).reaches(&["mimi://b.example/u/bob", "mimi://c.example"]);
    let net = net_with(world, &[one, two]).await;
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::SeveralMappings);
    let mut said: Vec<_> = answer.mappings.iter().map(|m| (m.authority.as_str(), m.services.len())).collect();
    said.sort_unstable();
    assert_eq!(said, [("one.authority.example", 1), ("two.authority.example", 2)]);
}

#[tokio::test]
async fn who_wants_to_look_absent_does() {
    let world = World::new(1, NOW);
    let mut person = world.person(&phone(NUMBER), 0);
    person.mapping.serve_as_not_found = true;
    let net = net_with(world, &[person]).await;
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::NoMapping);
}

#[tokio::test]
async fn a_tag_brings_its_mapping_or_default() {
    let world = World::new(1, NOW);
    let person = || world.person(&phone(NUMBER), 0);
    let private = person().reaches(&["mimi://private.example"]);
    let work = person().tag("work").reaches(&["mimi://work.example"]);
    let net = net_with(world.clone(), &[private, work]).await;
    let client = net.client().build().unwrap();
    for (query, service, tag) in [
        (ask(NUMBER), "mimi://private.example", "Default"),
        (ask_for(NUMBER, "Default"), "mimi://private.example", "Default"),
        (ask_for(NUMBER, "work"), "mimi://work.example", "work"),
        (ask_for(NUMBER, "Work"), "mimi://private.example", "Default"),
        (ask_for(NUMBER, "family"), "mimi://private.example", "Default"),
    ] {
        let answer = look_up(&client, query).await;
        assert_eq!(services(&answer), [service]);
        assert_eq!(answer.mappings[0].tag.as_str(), tag);
    }
}

#[tokio::test]
async fn an_email_address_is_found() {
    let world = World::new(1, NOW);
    let csi = Csi::email("ann.b+news@a.example").unwrap();
    let net = net_with(world.clone(), &[world.person(&csi, 0)]).await;
    let client = net.client().build().unwrap();
    let answer = look_up(&client, Query { csi, tag: None }).await;
    assert_eq!(answer.outcome(), Outcome::OneService);
    let other = Csi::email("bob@a.example").unwrap();
    let answer = look_up(&client, Query { csi: other, tag: None }).await;
    assert_eq!(answer.outcome(), Outcome::NoMapping);
}

#[tokio::test]
async fn many_clients_look_up_at_once() {
    let world = World::new(1, NOW);
    let numbers: Vec<_> = (0..16).map(|n| format!("+1415555{:04}", 100 + n)).collect();
    let people: Vec<_> = numbers.iter().map(|number| world.person(&phone(number), 0)).collect();
    let net = net_with(world, &people).await;
    let client = std::sync::Arc::new(net.client().build().unwrap());
    let mut asking = tokio::task::JoinSet::new();
    for number in numbers {
        let client = std::sync::Arc::clone(&client);
        asking.spawn(async move { (client.lookup(ask(&number)).await.unwrap(), number) });
    }
    for (answer, number) in asking.join_all().await {
        assert_eq!((answer.outcome(), answer.csi), (Outcome::OneService, phone(&number)));
    }
}
