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

fn other_authority() -> Authority {
    let name = discreet_protocol::identifier::Domain::new("other.example").unwrap();
    Authority { name, key: service_key().verifying_key(), ..authority() }
}

/// Attested by the first authority, and waiting for a proof at another.
fn turning() -> Identity {
    let mut identity = attested();
    identity.set_authority(other_authority()).unwrap();
    let ticket = Secret32::new([8; 32]);
    identity.set_pending(Some(PendingEnrolment { ticket, code: "M9XK-2QF7".into(), say: "write us".into() }));
    identity
}

/// What the other authority attests.
fn others(identity: &Identity, number: u8) -> (Vec<u8>, Vec<u8>) {
    let claims = Credential { authority: other_authority().name, ..credential(identity, number) };
    let status = discreet_protocol::credential::Status { id: [number; 16], at: NOW };
    (sign(&claims, &service_key()), sign(&status, &service_key()))
}

#[test]
fn the_first_authority_and_its_credential_stay_until_another_has_attested_the_key() {
    let mut identity = turning();
    assert_eq!(identity.credential_state(NOW), CredentialState::Stands);
    assert_eq!(identity.credential().unwrap().authority, authority().name);
    assert!(identity.authority() == Some(&authority()) && identity.turned_to() == Some(&other_authority()));
    // It is published with, and its status goes on.
    publish(&mut identity, &tagged("Default"));
    identity.accept_status(status(1, NOW.plus(5))).unwrap();

    let (credential, status) = others(&identity, 2);
    identity.accept(credential, status, NOW).unwrap();
    assert_eq!(identity.credential().unwrap().authority, other_authority().name);
    assert_eq!(identity.credential_state(NOW), CredentialState::Stands);
    assert!(identity.authority() == Some(&other_authority()) && identity.pending().is_none());
    assert!(identity.turned_to() == Some(&other_authority()));
}

#[test]
fn what_another_authority_cannot_show_changes_nothing() {
    let mut identity = turning();
    let before = identity.to_bytes();
    let (credential, good) = others(&identity, 2);
    // Signed by the first authority in the other's name; the other's, with the first one's status.
    let claims = open::<Credential>(&credential, &service_key().verifying_key()).unwrap();
    let forged = identity.accept(sign(&claims, &authority_key()), good, NOW).unwrap_err();
    assert_eq!(forged, CredentialError::Credential(StatementError::Signature));
    let mixed = identity.accept(credential, status(2, NOW), NOW).unwrap_err();
    assert_eq!(mixed, CredentialError::Status(StatementError::Signature));
    assert_eq!(identity.to_bytes(), before);
}

#[test]
fn a_renewal_goes_to_the_authority_of_the_credential() {
    let mut identity = turning();
    let asked = |identity: &Identity, ticket| {
        let request = identity.key_request(vec![5; 40], ticket, None).unwrap();
        KeyRequest::open(&request).unwrap().authority
    };
    assert_eq!(asked(&identity, None), authority().name);
    assert_eq!(asked(&identity, Some(&Secret32::new([8; 32]))), other_authority().name);
    let renewed = credential(&identity, 3);
    identity.accept(sign(&renewed, &authority_key()), status(3, NOW), NOW).unwrap();
    assert_eq!(identity.credential(), Some(renewed));
    // The enrolment at the other goes on.
    assert!(identity.pending().is_some() && identity.turned_to() == Some(&other_authority()));
}

#[test]
fn turning_back_forgets_the_other_authority() {
    let mut identity = turning();
    identity.set_authority(authority()).unwrap();
    assert!(identity.pending().is_none() && identity.turned_to() == Some(&authority()));
    assert_eq!(identity.credential_state(NOW), CredentialState::Stands);
    let (credential, status) = others(&identity, 2);
    assert_eq!(identity.accept(credential, status, NOW), Err(CredentialError::OtherAuthority));
}

#[test]
fn rejects_another_key_of_an_authority_it_is_turning_to() {
    let mut identity = turning();
    for known in [authority(), other_authority()] {
        let changed = Authority { key: crate::testing::directory_key().verifying_key(), ..known };
        assert_eq!(identity.set_authority(changed), Err(CredentialError::AuthorityKey));
    }
    assert!(identity.pending().is_some());
}

#[test]
fn an_authority_it_is_turning_to_is_kept_in_the_file() {
    let identity = turning();
    let again = Identity::from_bytes(&identity.to_bytes()).unwrap();
    assert_eq!(again.to_bytes(), identity.to_bytes());
    assert!(again.turned_to() == Some(&other_authority()) && again.authority() == Some(&authority()));
    assert_eq!(again.pending().unwrap().code, "M9XK-2QF7");
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
