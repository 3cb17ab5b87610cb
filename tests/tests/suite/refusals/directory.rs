//! A directory that lies: rows planted past admission, served by the real resolver, gateway and
//! relay, and refused by the client.

use crate::end_to_end::{NOW, ask};
use discreet_client::{Csi, DirectoryError, Error, Fault, Outcome, Query};
use discreet_protocol::SigningKey;
use discreet_protocol::statement::StatementError;
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::VerifyError;
use discreet_resolver::directory::{Change, Versioned};
use discreet_resolver::record::{Entry, Record, Standing};
use discreet_resolver::store::Written;
use tests::world::{domain, phone};
use tests::{Net, Person, World};

const NUMBER: &str = "+14155550123";

/// Files a mapping and its status under `asked`, whatever they say.
fn plant(net: &Net, asked: &Csi, mapping: Vec<u8>, status: Vec<u8>) {
    let (_, directory) = net.directory().unwrap();
    let entry = Entry::read(mapping).unwrap();
    let (authority, id) = (entry.authority.clone(), entry.id);
    let status = Standing { authority: authority.clone(), revoked: false, statement: status };
    let record = Record { entries: vec![entry], ..Record::new(asked.clone()) };
    let changes = [
        Change::Record(Versioned { value: record, version: None }),
        Change::Status(authority, id, Versioned { value: Some(status), version: None }),
    ];
    assert_eq!(directory.apply(&changes).unwrap(), [Written::Applied, Written::Applied]);
}

async fn look_up(net: &Net, csi: Csi) -> Error {
    let client = net.client().build().unwrap();
    let error = client.lookup(Query { csi, tag: None }).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Provider);
    assert!(!error.to_string().contains("4155550123"), "{error}");
    error
}

/// Why the client refuses what a bent person says.
async fn refused(bend: impl Fn(&mut Person)) -> VerifyError {
    let asked = phone(NUMBER);
    let world = World::new(1, NOW);
    let mut person = world.person(&asked, 0);
    bend(&mut person);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &asked, person.signed_mapping(), person.signed_status());
    mapping_error(look_up(&net, asked).await)
}

fn mapping_error(error: Error) -> VerifyError {
    assert!(error.is_refusal());
    match error {
        Error::Directory(DirectoryError::Mapping(error)) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_planted_honestly_is_believed() {
    let world = World::new(1, NOW);
    let person = world.person(&phone(NUMBER), 0);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &phone(NUMBER), person.signed_mapping(), person.signed_status());
    let answer = net.client().build().unwrap().lookup(ask(NUMBER)).await.unwrap();
    assert_eq!(answer.outcome(), Outcome::OneService);
}

#[tokio::test]
async fn rejects_mapping_for_another_csi_than_asked() {
    let world = World::new(1, NOW);
    let other = world.person(&phone("+14155550199"), 0);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &phone(NUMBER), other.signed_mapping(), other.signed_status());
    assert_eq!(mapping_error(look_up(&net, phone(NUMBER)).await), VerifyError::OtherCsi);
}

#[tokio::test]
async fn whom_the_rules_no_longer_let_speak_is_not_served() {
    let unknown = |person: &mut Person| person.credential.authority = domain("three.authority.example");
    assert_eq!(served(phone(NUMBER), unknown).await, Outcome::NoMapping);
    let outside = Csi::email("ann@c.example").unwrap();
    assert_eq!(served(outside, |_| {}).await, Outcome::NoMapping);
    assert_eq!(served(phone(NUMBER), |_| {}).await, Outcome::OneService);
}

async fn served(asked: Csi, bend: impl Fn(&mut Person)) -> Outcome {
    let world = World::new(1, NOW);
    let mut person = world.person(&asked, 0);
    bend(&mut person);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &asked, person.signed_mapping(), person.signed_status());
    let answer = net.client().build().unwrap().lookup(Query { csi: asked, tag: None }).await;
    answer.unwrap().outcome()
}

#[tokio::test]
async fn rejects_credential_that_another_authority_signed() {
    let two = World::new(1, NOW).authorities[1].clone();
    let forged = refused(|person| person.authority = two.clone()).await;
    assert_eq!(forged, VerifyError::Credential(StatementError::Signature));
}

#[tokio::test]
async fn rejects_expired_credential() {
    // The gateway's clock stands still, so it goes on serving; the client's does not.
    let world = World::new(1, NOW);
    let mut person = world.person(&phone(NUMBER), 0);
    person.credential.expires = Timestamp::from_unix(1_800_003_600);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &phone(NUMBER), person.signed_mapping(), person.signed_status());
    let client = net.client().clock(|| 1_800_003_600).build().unwrap();
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert_eq!(mapping_error(error), VerifyError::CredentialExpired);
}

#[tokio::test]
async fn rejects_expired_mapping() {
    let world = World::new(1, NOW);
    let mut person = world.person(&phone(NUMBER), 0);
    person.mapping.not_after = Timestamp::from_unix(1_800_057_600);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &phone(NUMBER), person.signed_mapping(), person.signed_status());
    let client = net.client().clock(|| 1_800_057_600).build().unwrap();
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert_eq!(mapping_error(error), VerifyError::Expired);
}

#[tokio::test]
async fn rejects_stale_status() {
    // 72 hours before the question, and a second.
    let stale = refused(|person| person.status.at = Timestamp::from_unix(1_799_740_799)).await;
    assert_eq!(stale, VerifyError::StatusStale);
}

#[tokio::test]
async fn rejects_missing_status() {
    let world = World::new(1, NOW);
    let person = world.person(&phone(NUMBER), 0);
    let net = Net::builder().start(world).await.unwrap();
    plant(&net, &phone(NUMBER), person.signed_mapping(), Vec::new());
    let error = mapping_error(look_up(&net, phone(NUMBER)).await);
    assert_eq!(error, VerifyError::Status(StatementError::NotCose));
}

#[tokio::test]
async fn rejects_mapping_for_another_audience() {
    let elsewhere = refused(|person| person.mapping.audience = vec![domain("other.example")]).await;
    assert_eq!(elsewhere, VerifyError::Audience);
    assert_eq!(refused(|person| person.mapping.audience.clear()).await, VerifyError::Audience);
}

#[tokio::test]
async fn rejects_mapping_signed_by_another_key() {
    let forged = refused(|person| person.holder = SigningKey::from_bytes(&[5; 32])).await;
    assert_eq!(forged, VerifyError::Mapping(StatementError::Signature));
}

#[tokio::test]
async fn rejects_tampered_mapping() {
    let world = World::new(1, NOW);
    let person = world.person(&phone(NUMBER), 0).reaches(&["mimi://good.example"]);
    let net = Net::builder().start(world).await.unwrap();
    let mut tampered = person.signed_mapping();
    let at = tampered.windows(12).position(|bytes| bytes == b"good.example").unwrap();
    tampered[at..at + 4].copy_from_slice(b"evil");
    plant(&net, &phone(NUMBER), tampered, person.signed_status());
    let error = mapping_error(look_up(&net, phone(NUMBER)).await);
    assert_eq!(error, VerifyError::Mapping(StatementError::Signature));
}

#[tokio::test]
async fn rejects_tampered_status() {
    let world = World::new(1, NOW);
    let person = world.person(&phone(NUMBER), 0);
    let net = Net::builder().start(world).await.unwrap();
    let mut tampered = person.signed_status();
    *tampered.last_mut().unwrap() ^= 1;
    plant(&net, &phone(NUMBER), person.signed_mapping(), tampered);
    let error = mapping_error(look_up(&net, phone(NUMBER)).await);
    assert_eq!(error, VerifyError::Status(StatementError::Signature));
}

#[tokio::test]
async fn an_unreadable_row_is_an_error_and_no_absence() {
    let world = World::new(1, NOW);
    let mut entry = Entry::read(world.person(&phone(NUMBER), 0).signed_mapping()).unwrap();
    let net = Net::builder().start(world).await.unwrap();
    entry.statement = b"no statement".to_vec();
    let record = Record { entries: vec![entry], ..Record::new(phone(NUMBER)) };
    let (_, directory) = net.directory().unwrap();
    directory.apply(&[Change::Record(Versioned { value: record, version: None })]).unwrap();
    let error = look_up(&net, phone(NUMBER)).await;
    assert!(matches!(error, Error::Directory(DirectoryError::Status(500))), "{error}");
    assert!(net.log.text().contains("a lookup failed"));
}
