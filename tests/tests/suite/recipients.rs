//! Recipients publish and withdraw through relay and gateway; senders see it with the next lookup.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::end_to_end::{NOW, ask};
use crate::recorder::Recorder;
use discreet_client::{Answer, Client, Error, Outcome, PublishError, Query, Tag, Withdrawal};
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::sign;
use discreet_protocol::time::DAY;
use discreet_protocol::{SigningKey, withdrawal};
use tests::world::{DOMAIN, domain, phone};
use tests::{Net, Person, World};

const NUMBER: &str = "+14155550123";

async fn start() -> Net {
    Net::builder().start(World::new(1, NOW)).await.unwrap()
}

fn statement(person: &Person) -> VerifiableMapping {
    VerifiableMapping::new(person.signed_mapping(), person.signed_status())
}

/// "All my mappings below `serial` are void."
pub(crate) fn withdrawing(person: &Person, tag: Option<&str>, serial: u64) -> Withdrawal {
    let claims = withdrawal::Withdrawal {
        csi: person.mapping.csi.clone(),
        audience: vec![domain(DOMAIN)],
        tag: tag.map(|tag| Tag::new(tag).unwrap()),
        serial,
        credential: sign(&person.credential, &person.authority),
    };
    Withdrawal(sign(&claims, &person.holder))
}

pub(crate) async fn publish(client: &Client, person: &Person) -> Result<(), Error> {
    client.publish(statement(person), None).await.unwrap().outcome
}

pub(crate) async fn withdraw(client: &Client, withdrawal: Withdrawal) -> Result<(), Error> {
    client.withdraw(withdrawal, None).await.unwrap().outcome
}

async fn outcome(net: &Net) -> Outcome {
    net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap().outcome()
}

#[track_caller]
fn refused(result: Result<(), Error>, expected: u16, reason: &str) {
    match result {
        Err(Error::Publish(PublishError::Refused { status, title: Some(title) })) => {
            assert_eq!(status, expected, "{title}");
            assert!(title.contains(reason), "{title}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_published_shows_in_the_next_lookup_and_what_is_withdrawn_does_not() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
    publish(&client, &person).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::OneService);
    let mut moved = person.clone().reaches(&["mimi://c.example/u/ann", "mimi://d.example"]);
    moved.mapping.serial += 1;
    publish(&client, &moved).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::SeveralServices);
    withdraw(&client, withdrawing(&person, None, moved.mapping.serial + 1)).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
    // A copy of what was withdrawn, from whoever kept it, brings nothing back.
    refused(publish(&client, &moved).await, 409, "withdrawn");
    refused(publish(&client, &person).await, 409, "withdrawn");
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
    moved.mapping.serial += 1;
    publish(&client, &moved).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::SeveralServices);
}

#[tokio::test]
async fn repeating_a_publish_or_a_withdrawal_does_no_harm() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    for _ in 0..2 {
        publish(&client, &person).await.unwrap();
    }
    for _ in 0..2 {
        withdraw(&client, withdrawing(&person, None, person.mapping.serial + 1)).await.unwrap();
    }
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
}

#[tokio::test]
async fn rejects_an_old_serial_replayed() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let old = net.world.person(&phone(NUMBER), 0);
    let mut new = old.clone().reaches(&["mimi://c.example/u/ann"]);
    new.mapping.serial += 1;
    publish(&client, &new).await.unwrap();
    refused(publish(&client, &old).await, 409, "higher serial");
}

#[tokio::test]
async fn rejects_another_mapping_under_the_same_serial() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    publish(&client, &person).await.unwrap();
    refused(publish(&client, &person.reaches(&["mimi://c.example"])).await, 409, "same serial");
}

#[tokio::test]
async fn of_many_publishes_racing_with_one_serial_one_is_taken() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    publish(&client, &person).await.unwrap();
    let racing = (0..8).map(|n| {
        let mut person = person.clone().reaches(&[&format!("mimi://service-{n}.example")]);
        person.mapping.serial += 1;
        person
    });
    let racing: Vec<_> = racing.collect();
    let tries = racing.iter().map(|person| publish(&client, person));
    let mut taken = 0;
    for result in futures_of(tries).await {
        match result {
            Ok(()) => taken += 1,
            refusal => refused(refusal, 409, "same serial"),
        }
    }
    assert_eq!(taken, 1);
}

/// Awaits all at once, in order.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in pinned.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test]
async fn rejects_a_mapping_under_somebody_elses_credential() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let mut person = net.world.person(&phone(NUMBER), 0);
    person.credential.csi = phone("+14155550124");
    refused(publish(&client, &person).await, 422, "another identifier");
}

#[tokio::test]
async fn rejects_a_credential_from_the_future_and_takes_a_clock_five_minutes_off() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let mut person = net.world.person(&phone(NUMBER), 0);
    person.credential.proved_at = NOW.plus(301);
    refused(publish(&client, &person).await, 422, "future");
    person.credential.proved_at = NOW.plus(300);
    person.status.at = NOW.plus(300);
    publish(&client, &person).await.unwrap();
}

#[tokio::test]
async fn rejects_a_status_a_week_old_and_says_so() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let mut person = net.world.person(&phone(NUMBER), 0);
    person.status.at = NOW.minus(7 * DAY);
    refused(publish(&client, &person).await, 422, "older than 48 hours");
}

#[tokio::test]
async fn rejects_the_withdrawal_of_a_stranger() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    publish(&client, &person).await.unwrap();
    let stranger = Person { holder: SigningKey::from_bytes(&[99; 32]), ..person.clone() };
    refused(withdraw(&client, withdrawing(&stranger, None, u64::MAX)).await, 422, "signature");
    assert_eq!(outcome(&net).await, Outcome::OneService);
}

#[tokio::test]
async fn default_is_not_withdrawn_from_under_another_tag() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    publish(&client, &person).await.unwrap();
    publish(&client, &person.clone().tag("work")).await.unwrap();
    let serial = person.mapping.serial + 1;
    let default = withdraw(&client, withdrawing(&person, Some("Default"), serial)).await;
    refused(default, 409, "Default");
    withdraw(&client, withdrawing(&person, Some("work"), serial)).await.unwrap();
    withdraw(&client, withdrawing(&person, Some("Default"), serial)).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
}

#[tokio::test]
async fn a_second_authority_displaces_nobody_and_one_may_leave_alone() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let (first, mut second) = (net.world.person(&phone(NUMBER), 0), net.world.person(&phone(NUMBER), 1));
    second.credential.proved_at = NOW;
    publish(&client, &first).await.unwrap();
    publish(&client, &second).await.unwrap();
    assert_eq!(outcome(&net).await, Outcome::SeveralMappings);
    withdraw(&client, withdrawing(&first, None, u64::from(u32::MAX) + 1)).await.unwrap();
    let answer = client.lookup(ask(NUMBER)).await.unwrap();
    assert_eq!(answer.mappings.len(), 1);
    assert_eq!(answer.mappings[0].authority, "two.authority.example");
}

#[tokio::test]
async fn the_former_holder_does_not_come_back_even_after_the_new_one_has_left() {
    let net = start().await;
    let client = net.client().build().unwrap();
    let former = net.world.person(&phone(NUMBER), 0);
    let mut now_holder = former.clone();
    now_holder.holder = SigningKey::from_bytes(&[7; 32]);
    now_holder.credential.holder = now_holder.holder.verifying_key();
    now_holder.credential.id = [7; 16];
    now_holder.status.id = [7; 16];
    now_holder.credential.proved_at = NOW.minus(DAY);
    now_holder.credential.holder_since = NOW.minus(DAY);
    publish(&client, &former).await.unwrap();
    publish(&client, &now_holder).await.unwrap();
    let mut again = former.clone();
    again.mapping.serial += 100;
    refused(publish(&client, &again).await, 409, "later");
    withdraw(&client, withdrawing(&now_holder, None, u64::from(u32::MAX) + 1)).await.unwrap();
    refused(publish(&client, &again).await, 409, "later");
    assert_eq!(outcome(&net).await, Outcome::NoMapping);
}

/// Content, size and what is asked of the store are the same, whatever other tags there are.
#[tokio::test]
async fn who_asks_for_no_tag_does_not_see_whether_there_are_others() {
    let recorder = Recorder::new();
    let net = Net::builder().front(recorder.front()).start(World::new(1, NOW)).await.unwrap();
    let client = net.client().build().unwrap();
    let person = net.world.person(&phone(NUMBER), 0);
    publish(&client, &person).await.unwrap();
    let alone = client.lookup(ask(NUMBER)).await.unwrap();
    for tag in ["work", "family", "club"] {
        publish(&client, &person.clone().tag(tag)).await.unwrap();
    }
    let among_others = client.lookup(ask(NUMBER)).await.unwrap();
    let unknown = Query { csi: phone(NUMBER), tag: Some(Tag::new("press").unwrap()) };
    let unknown = client.lookup(unknown).await.unwrap();
    let all_of = |answer: &Answer| {
        let [mapping] = answer.mappings.as_slice() else { panic!("{} mappings", answer.mappings.len()) };
        assert_eq!(mapping.statement, person.signed_mapping());
        let uris: Vec<_> = mapping.services.iter().map(|service| service.uri.as_str().to_owned()).collect();
        let (statement, tag) = (mapping.statement.clone(), mapping.tag.as_str().to_owned());
        (statement, uris, tag, mapping.serial, mapping.confirmed_at, answer.notices.len())
    };
    for answer in [&among_others, &unknown] {
        assert_eq!(all_of(answer), all_of(&alone));
    }
    for exchange in recorder.lookups("") {
        assert_eq!((exchange.request.body().len(), exchange.response.body().len()), (4096, 8192));
    }
}
