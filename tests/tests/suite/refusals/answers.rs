//! Answers of a directory that lies outright: sealed by the gateway, refused by the client.

use super::fakes::{NUMBER, Provider, Relays, found};
use crate::end_to_end::NOW;
use bytes::Bytes;
use discreet_client::{DirectoryError, Error, Fault, MimiUri, Notice, Outcome};
use discreet_protocol::policy::{Authorities, Authority, AuthorityError};
use discreet_protocol::query::{IdentifierResponse, QueryError, ResponseCode, VerifiableMapping};
use discreet_protocol::statement::StatementError;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::VerifyError;
use http::{Request, Response};
use tests::Person;
use tests::world::domain;

async fn answered(content: Vec<u8>) -> Result<Outcome, Error> {
    let provider = Provider::new();
    let answering = provider.clone();
    let lookup =
        move |request: &Request<Bytes>| answering.seal(request, &Response::new(Bytes::from(content.clone())));
    Relays::of(&provider, lookup).await.look_up().await.map(|answer| answer.outcome())
}

async fn refused(answer: &IdentifierResponse) -> DirectoryError {
    refused_content(answer.encode().unwrap()).await
}

async fn refused_content(content: Vec<u8>) -> DirectoryError {
    let error = answered(content).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Provider);
    match error {
        Error::Directory(error) => error,
        other => panic!("{other}"),
    }
}

async fn refused_person(bend: impl Fn(&mut Person)) -> VerifyError {
    let mut person = Provider::new().person();
    bend(&mut person);
    match refused(&found(&[person])).await {
        DirectoryError::Mapping(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn rejects_mapping_of_a_tag_nobody_asked_for() {
    let work = Provider::new().person().tag("work");
    assert_eq!(refused(&found(&[work])).await, DirectoryError::Tag);
}

#[tokio::test]
async fn rejects_two_mappings_of_one_authority() {
    let person = Provider::new().person();
    let mut other = person.clone();
    other.mapping.serial += 1;
    assert_eq!(refused(&found(&[person, other])).await, DirectoryError::Contradiction);
}

#[tokio::test]
async fn rejects_uris_that_no_mapping_lists() {
    let honest = found(&[Provider::new().person()]);
    let mut more = honest.clone();
    more.uris.push(MimiUri::new("mimi://evil.example").unwrap());
    assert_eq!(refused(&more).await, DirectoryError::Contradiction);
    let none = IdentifierResponse { uris: Vec::new(), ..honest };
    assert_eq!(refused(&none).await, DirectoryError::Contradiction);
}

#[tokio::test]
async fn rejects_services_in_another_order() {
    let person = Provider::new().person().reaches(&["mimi://a.example", "mimi://b.example"]);
    let mut swapped = found(std::slice::from_ref(&person));
    assert_eq!(answered(swapped.encode().unwrap()).await.unwrap(), Outcome::SeveralServices);
    swapped.uris.reverse();
    assert_eq!(refused(&swapped).await, DirectoryError::Contradiction);
}

#[tokio::test]
async fn rejects_success_without_mappings() {
    // success(0), one URI, no profile, no extension: the vector of design §5.
    let bare = hex::decode("0019186d696d693a2f2f612e6578616d706c652f752f616c6963650000").unwrap();
    assert_eq!(refused_content(bare).await, DirectoryError::Contradiction);
    assert_eq!(refused_content(vec![0, 0, 0, 0]).await, DirectoryError::Contradiction);
}

#[tokio::test]
async fn rejects_not_found_with_mappings() {
    let honest = found(&[Provider::new().person()]);
    let hidden = IdentifierResponse { code: ResponseCode::NotFound, ..honest };
    assert_eq!(refused(&hidden).await, DirectoryError::Contradiction);
}

#[tokio::test]
async fn rejects_codes_that_do_not_answer() {
    for code in [2, 3, 4] {
        assert_eq!(refused_content(vec![code, 0, 0, 0]).await, DirectoryError::Unsupported);
    }
    let unknown = refused_content(vec![5, 0, 0, 0]).await;
    assert_eq!(unknown, DirectoryError::Response(QueryError::Code));
}

#[tokio::test]
async fn rejects_answer_that_is_no_identifier_response() {
    for content in [vec![], vec![1], vec![1, 0, 0, 0, 0], b"<html>".to_vec(), vec![0xff; 500]] {
        let error = refused_content(content.clone()).await;
        assert_eq!(error, DirectoryError::Response(QueryError::Malformed), "{content:?}");
    }
}

#[tokio::test]
async fn rejects_mapping_without_status() {
    let mut answer = found(&[Provider::new().person()]);
    let mapping = answer.mappings[0].mapping().to_vec();
    answer.mappings = vec![VerifiableMapping::new(mapping, Vec::new())];
    let missing = DirectoryError::Mapping(VerifyError::Status(StatementError::NotCose));
    assert_eq!(refused(&answer).await, missing);
}

#[tokio::test]
async fn rejects_status_of_another_credential() {
    assert_eq!(refused_person(|person| person.status.id = [1; 16]).await, VerifyError::StatusForOther);
}

#[tokio::test]
async fn rejects_status_of_the_future() {
    let at = Timestamp::from_unix(1_800_000_301);
    assert_eq!(refused_person(|person| person.status.at = at).await, VerifyError::StatusEarly);
}

#[tokio::test]
async fn rejects_mapping_and_credential_of_times_that_cannot_be() {
    let today = NOW.start_of_day();
    let refuse = refused_person(|person| person.mapping.not_before = today.plus(DAY)).await;
    assert_eq!(refuse, VerifyError::NotYetValid);
    let refuse = refused_person(|person| person.mapping.not_after = today).await;
    assert_eq!(refuse, VerifyError::Validity);
    let refuse =
        refused_person(|person| person.mapping.not_after = person.credential.expires.plus(DAY)).await;
    assert_eq!(refuse, VerifyError::Validity);
    let refuse = refused_person(|person| person.mapping.not_before = today.plus(1)).await;
    assert_eq!(refuse, VerifyError::NotWholeDays);
    let refuse = refused_person(|person| person.credential.proved_at = NOW.plus(301)).await;
    assert_eq!(refuse, VerifyError::CredentialTimes);
    let refuse = refused_person(|person| person.credential.holder_since = NOW).await;
    assert_eq!(refuse, VerifyError::CredentialTimes);
}

#[tokio::test]
async fn rejects_credential_of_another_identifier() {
    let other = tests::world::phone("+14155550124");
    let refuse = refused_person(|person| person.credential.csi = other.clone()).await;
    assert_eq!(refuse, VerifyError::CredentialForOther);
    assert_ne!(NUMBER, "+14155550124");
}

#[tokio::test]
async fn rejects_unknown_authority() {
    let unknown =
        refused_person(|person| person.credential.authority = domain("three.authority.example")).await;
    assert_eq!(unknown, VerifyError::Authority(AuthorityError::Unknown));
}

#[tokio::test]
async fn rejects_authority_outside_its_namespace() {
    let provider = Provider::new();
    let mut policy = provider.policy();
    let germany = policy
        .authorities
        .iter()
        .cloned()
        .map(|authority| Authority { namespaces: vec!["tel:+49".parse().unwrap()], ..authority });
    policy.authorities = Authorities::new(germany.collect()).unwrap();
    let served = provider.serve(&policy);
    let answer = found(&[provider.person()]).encode().unwrap();
    let lookup =
        move |request: &Request<Bytes>| provider.seal(request, &Response::new(Bytes::from(answer.clone())));
    let error = Relays::start(move |_| served.clone(), lookup).await.look_up().await.unwrap_err();
    let outside = VerifyError::Authority(AuthorityError::OutsideNamespace);
    assert!(matches!(error, Error::Directory(DirectoryError::Mapping(error)) if error == outside), "{error}");
}

#[tokio::test]
async fn rejects_mapping_whose_holder_wants_to_look_absent() {
    let mut person = Provider::new().person();
    person.mapping.serve_as_not_found = true;
    assert_eq!(refused(&found(&[person])).await, DirectoryError::Hidden);
}

#[tokio::test]
async fn a_mapping_that_is_refused_does_not_hide_one_that_stands() {
    let provider = Provider::new();
    let good = provider.person();
    let mut stale = provider.world.person(&good.mapping.csi, 1);
    stale.status.at = NOW.minus(73 * 3_600);
    let answer = found(&[stale, good]).encode().unwrap();
    let answering = provider.clone();
    let lookup =
        move |request: &Request<Bytes>| answering.seal(request, &Response::new(Bytes::from(answer.clone())));
    let answer = Relays::of(&provider, lookup).await.look_up().await.unwrap();
    assert_eq!(answer.outcome(), Outcome::OneService);
    assert_eq!(answer.mappings[0].authority, "one.authority.example");
    let reason = DirectoryError::Mapping(VerifyError::StatusStale);
    assert_eq!(answer.notices, [Notice::Refused { reason }]);
}
