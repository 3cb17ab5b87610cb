//! What an identity believes of an authority.

use super::*;
use discreet_protocol::enrolment::{Handover, KeyRequest};
use discreet_protocol::statement::StatementError;

fn enrolled() -> Identity {
    let mut identity = Identity::generate(csi()).unwrap();
    identity.set_authority(authority()).unwrap();
    let ticket = Secret32::new([9; 32]);
    identity.set_pending(Some(PendingEnrolment { ticket, code: "K7QF-2M9X".into(), say: "call us".into() }));
    identity
}

fn refused(change: impl FnOnce(&mut Credential)) -> CredentialError {
    let mut identity = enrolled();
    let mut claims = credential(&identity, 1);
    change(&mut claims);
    let error = identity.accept(sign(&claims, &authority_key()), status(1, NOW), NOW).unwrap_err();
    assert!(identity.credential().is_none() && identity.pending().is_some());
    error
}

#[test]
fn a_credential_ends_the_enrolment() {
    let mut identity = enrolled();
    assert_eq!(identity.credential_state(NOW), CredentialState::None);
    let claims = credential(&identity, 1);
    identity.accept(sign(&claims, &authority_key()), status(1, NOW), NOW).unwrap();
    assert!(identity.pending().is_none());
    assert_eq!(identity.credential(), Some(claims));
    assert_eq!(identity.credential_state(NOW), CredentialState::Stands);
    assert_eq!(identity.credential_state(EXPIRES), CredentialState::Expired);
}

#[test]
fn rejects_a_credential_for_another_key() {
    let other = service_key().verifying_key();
    assert_eq!(refused(|claims| claims.holder = other), CredentialError::OtherKey);
}

#[test]
fn rejects_a_credential_for_another_identifier() {
    let other = Csi::phone("+14155550199").unwrap();
    assert_eq!(refused(|claims| claims.csi = other), CredentialError::OtherIdentifier);
}

#[test]
fn rejects_a_credential_that_names_another_authority() {
    let other = discreet_protocol::identifier::Domain::new("other.example").unwrap();
    assert_eq!(refused(|claims| claims.authority = other), CredentialError::OtherAuthority);
}

#[test]
fn rejects_an_expired_credential() {
    assert_eq!(refused(|claims| claims.expires = NOW), CredentialError::Expired);
}

#[test]
fn rejects_a_status_for_another_credential() {
    assert_eq!(refused(|claims| claims.id = [2; 16]), CredentialError::OtherStatus);
}

#[test]
fn rejects_a_credential_signed_by_another_key() {
    let mut identity = enrolled();
    let forged = sign(&credential(&identity, 1), &service_key());
    let error = identity.accept(forged, status(1, NOW), NOW).unwrap_err();
    assert_eq!(error, CredentialError::Credential(StatementError::Signature));
}

#[test]
fn rejects_a_credential_that_is_revoked_already() {
    let mut identity = enrolled();
    let fresh = sign(&credential(&identity, 1), &authority_key());
    assert_eq!(identity.accept(fresh, revocation(1, NOW), NOW), Err(CredentialError::Revoked));
}

#[test]
fn rejects_an_authority_that_changed_its_key() {
    let mut identity = enrolled();
    let changed = Authority { key: service_key().verifying_key(), ..authority() };
    assert_eq!(identity.set_authority(changed), Err(CredentialError::AuthorityKey));
}

#[test]
fn turning_to_another_authority_drops_what_the_first_said() {
    let mut identity = attested();
    let name = discreet_protocol::identifier::Domain::new("other.example").unwrap();
    identity.set_authority(Authority { name, ..authority() }).unwrap();
    assert_eq!(identity.credential_state(NOW), CredentialState::None);
}

#[test]
fn a_later_status_counts_and_an_earlier_one_does_not() {
    let mut identity = attested();
    let at = |identity: &Identity| match identity.standing() {
        Some(Standing::Stands(status)) => status.at,
        _ => panic!("no status"),
    };
    identity.accept_status(status(1, NOW.plus(5))).unwrap();
    identity.accept_status(status(1, NOW)).unwrap();
    assert_eq!(at(&identity), NOW.plus(5));
    assert_eq!(identity.accept_status(status(2, NOW.plus(9))), Err(CredentialError::OtherStatus));
}

#[test]
fn a_revocation_is_for_good() {
    let mut identity = attested();
    identity.accept_status(revocation(1, NOW)).unwrap();
    identity.accept_status(status(1, NOW.plus(DAY))).unwrap();
    assert_eq!(identity.credential_state(NOW), CredentialState::Revoked);
}

#[test]
fn a_key_request_proves_possession() {
    let identity = enrolled();
    let ticket = Secret32::new([9; 32]);
    let request = identity.key_request(vec![5; 40], Some(&ticket), None).unwrap();
    let request = KeyRequest::open(&request).unwrap();
    assert_eq!((request.csi, request.authority), (csi(), authority().name));
    assert_eq!((request.holder, request.challenge), (identity.holder(), vec![5; 40]));
    assert_eq!((request.ticket, request.handover), (Some([9; 32]), None));
}

#[test]
fn the_old_key_hands_over_for_a_day() {
    let (old, new) = (attested(), Identity::generate(csi()).unwrap());
    let handover = open::<Handover>(&old.handover(&new, NOW).unwrap(), &old.holder()).unwrap();
    assert_eq!((handover.successor, handover.expires), (new.holder(), NOW.plus(DAY)));
    assert_eq!((handover.csi, handover.authority), (csi(), authority().name));
}

#[test]
fn rejects_a_handover_to_another_identifier() {
    let other = Identity::generate(Csi::phone("+14155550199").unwrap()).unwrap();
    assert_eq!(attested().handover(&other, NOW), Err(CredentialError::OtherIdentifier));
}
