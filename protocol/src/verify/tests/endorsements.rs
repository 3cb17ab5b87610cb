//! Endorsements: a reach is confirmed by its own service, for this holder, in time; anything else leaves
//! the mapping standing and the reach unconfirmed.

use super::*;
use crate::endorsement::Endorsement;
use crate::policy::Service;

const SERVICE: [u8; 32] = [6; 32];

/// Whether the case's reach is confirmed, with one thing bent.
fn confirmed(bend: impl FnOnce(&mut Case, &mut Endorsement)) -> bool {
    let mut case = Case::new();
    let mut endorsement = Endorsement {
        service: domain("b.example"),
        uri: MimiUri::new("mimi://b.example/u/alice").unwrap(),
        expires: NOW.plus(DAY),
        holder: case.holder.verifying_key(),
    };
    bend(&mut case, &mut endorsement);
    let signer = SigningKey::from_bytes(&SERVICE);
    case.mapping.reaches[0].endorsement.get_or_insert_with(|| sign(&endorsement, &signer));
    let services =
        vec![Service { name: domain("b.example"), key: SigningKey::from_bytes(&SERVICE).verifying_key() }];
    let verified = case.with(&Services::new(services).unwrap(), |case, verifier| {
        verifier.verify(&case.signed_mapping(), &sign(&case.status, &case.authority), None)
    });
    verified.unwrap().confirmed == [true]
}

#[test]
fn a_reach_is_confirmed_by_its_service() {
    assert!(confirmed(|_, _| {}));
}

#[test]
fn a_reach_without_endorsement_is_not_confirmed() {
    assert_eq!(Case::new().verify(None).unwrap().confirmed, [false]);
}

#[test]
fn a_reach_is_not_confirmed_for_another_holder() {
    assert!(!confirmed(|_, said| said.holder = SigningKey::from_bytes(&[9; 32]).verifying_key()));
}

#[test]
fn a_reach_is_not_confirmed_by_the_word_for_another_account() {
    assert!(!confirmed(|_, said| said.uri = MimiUri::new("mimi://b.example/u/bob").unwrap()));
}

#[test]
fn a_reach_is_not_confirmed_by_another_service() {
    assert!(!confirmed(|_, said| said.service = domain("c.example")));
    assert!(!confirmed(|case, said| {
        case.mapping.reaches[0].uri = MimiUri::new("mimi://c.example/u/alice").unwrap();
        said.uri = case.mapping.reaches[0].uri.clone();
    }));
}

#[test]
fn a_reach_is_not_confirmed_once_the_word_has_expired() {
    assert!(!confirmed(|_, said| said.expires = NOW));
}

#[test]
fn a_reach_is_not_confirmed_by_bytes_that_are_no_endorsement() {
    assert!(!confirmed(|case, _| case.mapping.reaches[0].endorsement = Some(vec![0x80])));
}

#[test]
fn a_reach_is_not_confirmed_by_its_own_holder() {
    assert!(!confirmed(|case, said| {
        case.mapping.reaches[0].endorsement = Some(sign(said, &case.holder));
    }));
}
