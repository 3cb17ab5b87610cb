//! Time passes: mappings are replaced and expire, holders change, directories roll back.

use super::{NOW, NUMBER, ask, ask_for, look_up, net_with, publish, services};
use crate::wire::Http;
use discreet_client::{DirectoryError, Error, Fault, FolderStorage, Notice, Outcome};
use discreet_protocol::SigningKey;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::VerifyError;
use discreet_resolver::directory::Change;
use discreet_resolver::record::{Entry, Record, Standing};
use discreet_resolver::store::Written;
use http::Version;
use tests::world::phone;
use tests::{Net, Person, World};

const HOUR: u64 = 3600;

fn person(world: &World) -> Person {
    world.person(&phone(NUMBER), 0)
}

/// The same person with a key made later, as an authority attests it.
fn with_new_key(world: &World, holder_since: Timestamp) -> Person {
    let mut changed = person(world);
    changed.holder = SigningKey::from_bytes(&[0x77; 32]);
    changed.credential.holder = changed.holder.verifying_key();
    changed.credential.id = [0x77; 16];
    changed.status.id = [0x77; 16];
    changed.credential.proved_at = changed.credential.proved_at.plus(DAY);
    changed.credential.holder_since = holder_since;
    changed
}

/// Puts what `person` says in place of the record, without asking admission.
fn plant(net: &Net, person: &Person) {
    let (_, directory) = net.directory().unwrap();
    let mut record = directory.record(&person.mapping.csi).unwrap();
    let entries = vec![Entry::read(person.signed_mapping()).unwrap()];
    record.value = Record { entries, ..Record::new(person.mapping.csi.clone()) };
    let (authority, id) = (&person.credential.authority, person.credential.id);
    let mut status = directory.status(authority, &id).unwrap();
    // The status went when its mapping was replaced.
    let standing =
        Standing { authority: authority.clone(), revoked: false, statement: person.signed_status() };
    status.value.get_or_insert(standing);
    let changes = [Change::Record(record), Change::Status(authority.clone(), id, status)];
    assert_eq!(directory.apply(&changes).unwrap(), [Written::Applied, Written::Applied]);
}

#[tokio::test]
async fn a_replaced_mapping_is_seen_by_the_next_lookup() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world).reaches(&["mimi://old.example"])]).await;
    let client = net.client().build().unwrap();
    assert_eq!(services(&look_up(&client, ask(NUMBER)).await), ["mimi://old.example"]);
    let mut newer = person(&world).reaches(&["mimi://new.example"]);
    newer.mapping.serial += 1;
    publish(&net, &[newer]);
    let answer = look_up(&client, ask(NUMBER)).await;
    assert_eq!(services(&answer), ["mimi://new.example"]);
    assert!(answer.notices.is_empty());
}

#[tokio::test]
async fn an_expired_mapping_is_served_as_not_found() {
    let world = World::new(1, NOW);
    let mut short = person(&world);
    short.mapping.not_after = Timestamp::from_unix(1_800_057_600);
    let net = net_with(world, &[short]).await;
    let client = net.client().build().unwrap();
    net.clock.set(1_800_057_599);
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
    net.clock.set(1_800_057_600);
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::NoMapping);
}

#[tokio::test]
async fn a_clock_an_hour_slow_still_looks_up_after_midnight() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    // A minute past midnight at the gateway, eleven at night at the client.
    net.clock.set(1_800_057_660);
    let client = net.client().clock(|| 1_800_057_660 - HOUR).build().unwrap();
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
}

#[tokio::test]
async fn an_expired_tag_gives_way_to_default() {
    let world = World::new(1, NOW);
    let mut work = person(&world).tag("work").reaches(&["mimi://work.example"]);
    work.mapping.not_after = Timestamp::from_unix(1_800_057_600);
    let private = person(&world).reaches(&["mimi://private.example"]);
    let net = net_with(world, &[private, work]).await;
    let client = net.client().build().unwrap();
    assert_eq!(services(&look_up(&client, ask_for(NUMBER, "work")).await), ["mimi://work.example"]);
    net.clock.set(1_800_057_600);
    assert_eq!(services(&look_up(&client, ask_for(NUMBER, "work")).await), ["mimi://private.example"]);
}

#[tokio::test]
async fn tags_of_one_holder_are_judged_apart() {
    let world = World::new(1, NOW);
    let work = person(&world).tag("work");
    let net = net_with(world.clone(), &[person(&world), work]).await;
    // The holder proves the number again and publishes only Default anew.
    let mut proved_again = person(&world);
    proved_again.credential.proved_at = proved_again.credential.proved_at.plus(DAY);
    proved_again.mapping.serial += 1;
    publish(&net, &[proved_again]);
    let client = net.client().build().unwrap();
    for query in [ask(NUMBER), ask_for(NUMBER, "work"), ask(NUMBER)] {
        assert_eq!(look_up(&client, query).await.outcome(), Outcome::OneService);
    }
}

#[tokio::test]
async fn a_day_later_the_policy_is_new_and_lookups_go_on() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    let client = net.client().build().unwrap();
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
    net.clock.advance(24 * HOUR);
    let answer = look_up(&client, ask(NUMBER)).await;
    assert_eq!(answer.outcome(), Outcome::OneService);
    assert_eq!(answer.mappings[0].confirmed_at, NOW);
    net.clock.advance(48 * HOUR);
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
}

#[tokio::test]
async fn rejects_status_of_73_hours_until_a_new_one_comes() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    let client = net.client().build().unwrap();
    net.clock.advance(73 * HOUR);
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Directory(DirectoryError::Mapping(VerifyError::StatusStale))), "{error}");
    assert_eq!(error.fault(), Fault::Provider);
    let mut renewed = person(&world);
    renewed.status.at = Timestamp::from_unix(net.clock.now());
    publish(&net, &[renewed]);
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
}

#[tokio::test]
async fn a_new_phone_is_a_new_key_of_the_same_holder() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    let client = net.client().build().unwrap();
    assert!(look_up(&client, ask(NUMBER)).await.notices.is_empty());
    publish(&net, &[with_new_key(&world, person(&world).credential.holder_since)]);
    let answer = look_up(&client, ask(NUMBER)).await;
    assert_eq!(answer.notices, [Notice::NewKey { authority: "one.authority.example".into() }]);
    assert!(look_up(&client, ask(NUMBER)).await.notices.is_empty(), "said once");
}

#[tokio::test]
async fn a_number_given_to_somebody_else_is_a_new_holder() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    let client = net.client().build().unwrap();
    look_up(&client, ask(NUMBER)).await;
    publish(&net, &[with_new_key(&world, person(&world).credential.holder_since.plus(DAY))]);
    let answer = look_up(&client, ask(NUMBER)).await;
    assert_eq!(answer.notices, [Notice::NewHolder { authority: "one.authority.example".into() }]);
    // Whoever had not seen the first holder is told nothing.
    let answer = look_up(&net.client().build().unwrap(), ask(NUMBER)).await;
    assert!(answer.notices.is_empty());
}

#[tokio::test]
async fn rejects_serial_lower_than_seen() {
    let world = World::new(1, NOW);
    let mut newer = person(&world);
    newer.mapping.serial += 1;
    let net = net_with(world.clone(), std::slice::from_ref(&newer)).await;
    let client = net.client().build().unwrap();
    look_up(&client, ask(NUMBER)).await;
    plant(&net, &person(&world));
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Directory(DirectoryError::Rollback)), "{error}");
    assert!(error.is_refusal());
    // The refused answer changed nothing, and a client that never saw the later one cannot know.
    plant(&net, &newer);
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
    plant(&net, &person(&world));
    let other = net.client().build().unwrap();
    assert_eq!(look_up(&other, ask(NUMBER)).await.outcome(), Outcome::OneService);
}

#[tokio::test]
async fn rejects_holder_who_proved_it_earlier() {
    let world = World::new(1, NOW);
    let later = with_new_key(&world, person(&world).credential.holder_since);
    let net = net_with(world.clone(), &[person(&world)]).await;
    publish(&net, &[later]);
    let client = net.client().build().unwrap();
    look_up(&client, ask(NUMBER)).await;
    plant(&net, &person(&world));
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Directory(DirectoryError::Rollback)), "{error}");
}

#[tokio::test]
async fn rejects_credential_with_earlier_proof_of_the_same_holder() {
    let world = World::new(1, NOW);
    let mut later = person(&world);
    later.credential.proved_at = later.credential.proved_at.plus(DAY);
    later.mapping.serial += 1;
    let net = net_with(world.clone(), &[later]).await;
    let client = net.client().build().unwrap();
    look_up(&client, ask(NUMBER)).await;
    let mut earlier = person(&world);
    earlier.mapping.serial += 2;
    plant(&net, &earlier);
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Directory(DirectoryError::Rollback)), "{error}");
}

#[tokio::test]
async fn serials_are_counted_by_tag() {
    let world = World::new(1, NOW);
    let mut work = person(&world).tag("work");
    work.mapping.serial = 1;
    let mut default = person(&world);
    default.mapping.serial = 500;
    let net = net_with(world, &[default, work]).await;
    let client = net.client().build().unwrap();
    assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
    assert_eq!(look_up(&client, ask_for(NUMBER, "work")).await.mappings[0].tag.as_str(), "work");
}

/// A relay that fetched its copy just before midnight, another just after it: apps that start anew
/// for each lookup, as the command does, must not take the older copy for a rollback.
#[tokio::test]
async fn the_day_changes_for_all_relays_at_once() {
    let world = World::new(1, NOW);
    let net = net_with(world.clone(), &[person(&world)]).await;
    let http = Http::new(&net, Version::HTTP_2);
    let state = tempfile::tempdir().unwrap();
    // 2027-01-15T23:45:00Z, and 20 minutes later.
    net.clock.set(1_800_056_700);
    let policy = format!("{}/policy", net.relay_urls()[0]);
    assert_eq!(http.get(&policy).await.headers()["cache-control"], "public, max-age=900");
    net.clock.advance(1200);
    for _ in 0..3 {
        let client = net.client().storage(FolderStorage::new(state.path().join("state"))).build().unwrap();
        assert_eq!(look_up(&client, ask(NUMBER)).await.outcome(), Outcome::OneService);
    }
}
