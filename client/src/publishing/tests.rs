//! One frame for everything: sizes, relays, and what the directory's answers mean.

use super::*;
use crate::Fault;
use crate::core::Core;
use crate::identity::Draft;
use crate::lookup::Query;
use crate::storage::MemoryStorage;
use crate::testing::{NOW, attested, core, core_of, csi, epoch, keys, paid_policy, policy, profile, reach};
use discreet_envelope::keys::Kem;
use proptest::prelude::*;

fn publication(mapping: usize, status: usize) -> Change {
    Change::Publish(VerifiableMapping::new(vec![7; mapping], vec![7; status]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn c67_publications_and_withdrawals_have_the_size_of_lookups(
        mapping in 0_usize..2600, status in 0_usize..200, withdrawal in 0_usize..2800, x_wing: bool,
    ) {
        let core = core(if x_wing { Kem::XWing } else { Kem::X25519 });
        let withdrawal = Change::Withdraw(Withdrawal(vec![7; withdrawal]));
        for change in [publication(mapping, status), withdrawal] {
            prop_assert_eq!(core.prepare_publish(&change, None, NOW).unwrap().body.len(), 4096);
        }
        let lookup = core.prepare(Query { csi: csi(), tag: None }, NOW).unwrap();
        prop_assert_eq!(lookup.body.len(), 4096);
        prop_assert_eq!(lookup.content_type, "message/ohttp-req");
    }
}

#[test]
fn what_an_identity_signs_fits() {
    let policy = policy(keys(Kem::XWing));
    let reaches = (0..16).map(|number| reach(&format!("mimi://b.example/u/alice{number}"))).collect();
    let mapping = attested().mapping(&Draft::new(reaches), &policy, NOW).unwrap();
    assert!(core(Kem::XWing).prepare_publish(&Change::Publish(mapping), None, NOW).is_ok());
}

/// How many services of 25 bytes an identity can list with X-Wing, for each price of publishing: what a
/// provider has to know who sets one.
#[test]
fn dearer_publications_list_fewer_services() {
    let mut identity = attested();
    let mut most = Vec::new();
    for price in 0..=4 {
        let policy = paid_policy(Kem::XWing, (0, price, 0), vec![epoch(0, -1, 13)]);
        let core = core_of(&policy, MemoryStorage::default());
        let mut fits = |count: &usize| {
            let reaches = (0..*count).map(|number| reach(&format!("mimi://b.example/u/ann{number:02}")));
            let mapping = identity.mapping(&Draft::new(reaches.collect()), &policy, NOW).unwrap();
            let prepared = core.prepare_publish(&Change::Publish(mapping), None, NOW).map(drop);
            !matches!(prepared, Err(Error::Publish(PublishError::TooLarge { .. })))
        };
        most.push((0..=16).filter(|count| fits(count)).max());
    }
    assert_eq!(most, [16, 16, 16, 16, 10].map(Some));
}

#[test]
fn rejects_what_does_not_fit_before_sending() {
    for kem in [Kem::XWing, Kem::X25519] {
        let core = core(kem);
        let fits = |size| core.prepare_publish(&Change::Withdraw(Withdrawal(vec![7; size])), None, NOW);
        let error = fits(5000).map(drop).unwrap_err();
        let Error::Publish(PublishError::TooLarge { size: 5000, room }) = error else { panic!("{error}") };
        assert!(fits(room).is_ok() && fits(room + 1).is_err(), "{room}");
        assert_eq!(error.fault(), Fault::Input);
        let expected =
            format!("the mapping has 5000 bytes, {room} fit: list fewer services; nothing was sent");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn an_avoided_relay_and_its_operator_are_not_used() {
    let core = core(Kem::X25519);
    for avoid in ["https://a.example/dp", "https://a2.example/dp"] {
        for _ in 0..32 {
            let change = core.prepare_publish(&publication(1, 1), Some(avoid), NOW).unwrap();
            assert_eq!(change.url, "https://b.example/dp");
            let lookup = core.prepare_avoiding(Query { csi: csi(), tag: None }, Some(avoid), NOW).unwrap();
            assert_eq!(lookup.url, "https://b.example/dp");
        }
    }
}

#[test]
fn any_relay_may_be_drawn() {
    let core = core(Kem::X25519);
    let draw = |_| core.prepare_publish(&publication(1, 1), None, NOW).unwrap().url;
    let drawn: std::collections::BTreeSet<_> = (0..200).map(draw).collect();
    assert_eq!(drawn.len(), 3);
}

#[test]
fn nothing_is_sealed_without_a_policy() {
    let core = Core::new(profile(), Box::new(MemoryStorage::default()));
    assert!(matches!(core.prepare_publish(&publication(1, 1), None, NOW), Err(Error::Prepare(_))));
}

fn answer(status: u16, title: Option<&str>) -> Result<(), PublishError> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/problem+json");
    let body = title.map(|title| format!("{{\"title\":\"{title}\"}}")).unwrap_or_default();
    judge(&response.body(Bytes::from(body)).unwrap())
}

#[test]
fn only_204_is_taken_in() {
    assert_eq!(answer(204, None), Ok(()));
    assert_eq!(answer(200, None), Err(PublishError::Unavailable { status: 200, title: None }));
}

#[test]
fn rejects_with_the_directorys_reason() {
    for status in [400, 409, 413, 422] {
        let title = Some("a later one is here".to_owned());
        let expected = PublishError::Refused { status, title };
        assert_eq!(answer(status, Some("a later\\u001b one\\n is here")), Err(expected.clone()));
        let said = format!("the directory refuses it ({status}): a later one is here");
        assert_eq!(expected.to_string(), said);
    }
    let error = answer(503, Some("full")).unwrap_err();
    assert_eq!(error, PublishError::Unavailable { status: 503, title: Some("full".to_owned()) });
    assert_eq!(Error::from(error).fault(), Fault::Provider);
}
