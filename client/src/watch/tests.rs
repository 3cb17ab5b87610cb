//! The table of cases: what was published, what is served, what it means.

use super::*;
use crate::answer::Service;
use crate::error::{GatewayError, RelayError};
use crate::identity::{Draft, Taken};
use crate::testing::{NOW, attested, csi, domain, policy, reach};
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::time::DAY;

const RELAY: &str = "https://a.example/dp";

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

fn sign(identity: &mut Identity, name: &str, uri: &str, hidden: bool, taken: Taken) -> VerifiableMapping {
    let draft = Draft { tag: tag(name), serve_as_not_found: hidden, ..Draft::new(vec![reach(uri)]) };
    let mapping = identity.mapping(&draft, &policy(Vec::new()), NOW).unwrap();
    identity.conclude(Some(&draft.tag), &domain(), RELAY, taken);
    mapping
}

fn publish(identity: &mut Identity, name: &str) -> VerifiableMapping {
    sign(identity, name, "mimi://b.example/u/alice", false, Taken::Yes)
}

/// What a client makes of a directory that serves `mappings`.
fn serves(mappings: &[&VerifiableMapping]) -> Result<Answer, Error> {
    let policy = policy(Vec::new());
    let found = mappings.iter().map(|one| {
        let verified = policy.verifier(NOW).verify(one.mapping(), one.status(), None).unwrap();
        FoundMapping::new(verified, one.mapping().to_vec(), NOW)
    });
    Ok(Answer { csi: csi(), mappings: found.collect(), notices: Vec::new() })
}

fn judged(identity: &Identity, answer: Result<Answer, Error>) -> Finding {
    judge(identity, &tag("Default"), &domain(), &answer, NOW)
}

#[test]
fn fine_when_what_was_published_is_served() {
    let mut identity = attested();
    let mapping = publish(&mut identity, "Default");
    assert_eq!(judged(&identity, serves(&[&mapping])), Finding::Fine);
}

#[test]
fn fine_when_nothing_was_published_and_nothing_is_served() {
    assert_eq!(judged(&attested(), serves(&[])), Finding::Fine);
}

#[test]
fn fine_when_the_published_is_to_look_absent_or_has_expired() {
    let mut identity = attested();
    sign(&mut identity, "Default", "mimi://b.example/u/alice", true, Taken::Yes);
    assert_eq!(judged(&identity, serves(&[])), Finding::Fine);
    let mut identity = attested();
    publish(&mut identity, "Default");
    let later = judge(&identity, &tag("Default"), &domain(), &serves(&[]), NOW.plus(91 * DAY));
    assert_eq!(later, Finding::Fine);
}

#[test]
fn fine_whether_or_not_a_lost_attempt_was_taken_in() {
    let mut identity = attested();
    let first = publish(&mut identity, "Default");
    let lost = sign(&mut identity, "Default", "mimi://c.example/u/alice", false, Taken::Unknown);
    assert_eq!(judged(&identity, serves(&[&first])), Finding::Fine);
    assert_eq!(judged(&identity, serves(&[&lost])), Finding::Fine);
}

#[test]
fn alarm_for_a_foreign_key_even_beside_the_own() {
    let (mut identity, mut thief) = (attested(), attested());
    let (own, foreign) = (publish(&mut identity, "Default"), publish(&mut thief, "Default"));
    for served in [vec![&foreign], vec![&own, &foreign]] {
        let finding = judged(&identity, serves(&served));
        assert_eq!(finding, Finding::ForeignKey { authority: "authority.example".to_owned() });
    }
    assert!(matches!(judged(&attested(), serves(&[&foreign])), Finding::ForeignKey { .. }));
}

#[test]
fn alarm_for_a_rollback() {
    let mut identity = attested();
    let older = publish(&mut identity, "Default");
    publish(&mut identity, "Default");
    assert_eq!(judged(&identity, serves(&[&older])), Finding::Rollback);
    assert_eq!(judged(&identity, Err(DirectoryError::Rollback.into())), Finding::Rollback);
}

#[test]
fn alarm_when_what_was_withdrawn_is_served() {
    let mut identity = attested();
    let mapping = publish(&mut identity, "Default");
    identity.withdrawal(None, &policy(Vec::new()), NOW).unwrap();
    // As long as the withdrawal may not have arrived, both are fine.
    assert_eq!(judged(&identity, serves(&[&mapping])), Finding::Fine);
    assert_eq!(judged(&identity, serves(&[])), Finding::Fine);
    identity.conclude(None, &domain(), RELAY, Taken::Yes);
    assert_eq!(judged(&identity, serves(&[&mapping])), Finding::Rollback);
    assert_eq!(judged(&identity, serves(&[])), Finding::Fine);
}

#[test]
fn alarm_when_the_published_has_disappeared() {
    let mut identity = attested();
    publish(&mut identity, "Default");
    assert_eq!(judged(&identity, serves(&[])), Finding::Disappeared);
}

#[test]
fn alarm_when_default_is_served_in_place_of_a_tag() {
    let mut identity = attested();
    let default = publish(&mut identity, "Default");
    let work = publish(&mut identity, "work");
    let judged = |answer| judge(&identity, &tag("work"), &domain(), &answer, NOW);
    assert_eq!(judged(serves(&[&work])), Finding::Fine);
    assert_eq!(judged(serves(&[&default])), Finding::Disappeared);
}

#[test]
fn alarm_when_another_copy_of_the_key_has_signed() {
    let mut identity = attested();
    publish(&mut identity, "Default");
    let mut copy = Identity::from_bytes(&identity.to_bytes()).unwrap();
    // The same serial with other content, and a higher one.
    let same = sign(&mut copy, "Default", "mimi://evil.example", false, Taken::Yes);
    let higher = sign(&mut copy, "Default", "mimi://evil.example", false, Taken::Yes);
    sign(&mut identity, "Default", "mimi://c.example", false, Taken::Yes);
    assert_eq!(judged(&identity, serves(&[&same])), Finding::Changed);
    assert_eq!(judged(&identity, serves(&[&higher])), Finding::Changed);
}

#[test]
fn a_restored_copy_takes_over_what_was_published_since() {
    let mut used = attested();
    let mut backup = Identity::from_bytes(&used.to_bytes()).unwrap();
    let mapping = publish(&mut used, "Default");
    let answer = serves(&[&mapping]).unwrap();
    let found = &answer.mappings[0];
    assert_eq!(judged(&backup, Ok(answer.clone())), Finding::Changed);
    assert!(backup.catch_up(&domain(), found, NOW));
    assert!(!backup.catch_up(&domain(), found, NOW));
    assert_eq!(judged(&backup, Ok(answer.clone())), Finding::Fine);
    let next = publish(&mut backup, "Default");
    assert_eq!(serves(&[&next]).unwrap().mappings[0].serial, found.serial + 1);
}

#[test]
fn a_stranger_is_not_caught_up_with() {
    let mut identity = attested();
    let foreign = publish(&mut attested(), "Default");
    assert!(!identity.catch_up(&domain(), &serves(&[&foreign]).unwrap().mappings[0], NOW));
    assert!(identity.tags().next().is_none());
}

#[test]
fn alarm_when_no_sender_would_accept_what_is_served() {
    let mut identity = attested();
    publish(&mut identity, "Default");
    let stale = DirectoryError::Mapping(discreet_protocol::verify::VerifyError::StatusStale);
    assert_eq!(judged(&identity, Err(stale.into())), Finding::Refused(stale));
    let beside = Answer { notices: vec![Notice::Refused { reason: stale }], ..serves(&[]).unwrap() };
    assert_eq!(judged(&identity, Ok(beside)), Finding::Refused(stale));
}

#[test]
fn what_did_not_arrive_cannot_be_judged() {
    let mut identity = attested();
    publish(&mut identity, "Default");
    let relay = |error| Error::Relay { relay: "a.example".to_owned(), error };
    for error in [
        relay(RelayError::Unreachable),
        relay(RelayError::Timeout),
        GatewayError::Key.into(),
        GatewayError::Decapsulate.into(),
        DirectoryError::Status(500).into(),
    ] {
        let finding = judged(&identity, Err(error));
        assert_eq!(finding, Finding::Unknown);
        assert!(!finding.is_alarm());
    }
}

#[test]
fn another_domain_is_judged_by_itself() {
    let mut identity = attested();
    publish(&mut identity, "Default");
    let elsewhere = Domain::new("other.example").unwrap();
    assert_eq!(judge(&identity, &tag("Default"), &elsewhere, &serves(&[]), NOW), Finding::Fine);
}

#[test]
fn debug_of_answers_shows_no_key_and_no_statement() {
    let mut identity = attested();
    let mapping = publish(&mut identity, "Default");
    let shown = format!("{:?}", serves(&[&mapping]).unwrap().mappings[0]);
    assert_eq!(shown, "FoundMapping { services: [Service { confirmed: false, .. }], .. }");
    let service = Service { uri: reach("mimi://b.example").uri, thumbprint: Some([7; 32]), confirmed: true };
    assert_eq!(format!("{service:?}"), "Service { confirmed: true, .. }");
}

/// What a look leads to when `answer`, an error, came.
fn looked(unanswered: &mut Unanswered, name: &str, answer: &Result<Answer, Error>) -> Finding {
    let finding = judge(&attested(), &tag(name), &domain(), answer, NOW);
    unanswered.count(&tag(name), finding, answer.as_ref().err())
}

#[test]
fn alarm_when_five_looks_in_a_row_went_unanswered() {
    let relay = |error| Error::Relay { relay: "a.example".to_owned(), error };
    for error in [
        DirectoryError::Status(500).into(),
        GatewayError::Decapsulate.into(),
        relay(RelayError::Timeout),
        relay(RelayError::Status { status: 502, title: None }),
    ] {
        let (mut unanswered, error) = (Unanswered::default(), Err(error));
        for look in 1..=4 {
            assert_eq!(looked(&mut unanswered, "Default", &error), Finding::Unknown, "{look}");
        }
        let alarm = looked(&mut unanswered, "Default", &error);
        assert_eq!(alarm, Finding::Unanswered, "{error:?}");
        assert!(alarm.is_alarm());
    }
}

#[test]
fn an_answer_in_between_begins_the_count_anew() {
    let (mut unanswered, error) = (Unanswered::default(), Err(DirectoryError::Status(500).into()));
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(looked(&mut unanswered, "Default", &error), Finding::Unknown);
        }
        assert_eq!(unanswered.count(&tag("Default"), Finding::Fine, None), Finding::Fine);
    }
}

#[test]
fn each_tag_is_counted_by_itself() {
    let (mut unanswered, error) = (Unanswered::default(), Err(DirectoryError::Status(500).into()));
    for _ in 0..4 {
        assert_eq!(looked(&mut unanswered, "work", &error), Finding::Unknown);
        assert_eq!(unanswered.count(&tag("Default"), Finding::Fine, None), Finding::Fine);
    }
    assert_eq!(looked(&mut unanswered, "Default", &error), Finding::Unknown);
    assert_eq!(looked(&mut unanswered, "work", &error), Finding::Unanswered);
}

#[test]
fn a_network_that_is_down_is_no_alarm() {
    let relay = |error| Error::Relay { relay: "a.example".to_owned(), error };
    for error in [relay(RelayError::Unreachable), relay(RelayError::Untrusted), Error::RelaysDisagree] {
        let (mut unanswered, error) = (Unanswered::default(), Err(error));
        for _ in 0..20 {
            assert_eq!(looked(&mut unanswered, "Default", &error), Finding::Unknown, "{error:?}");
        }
    }
}
