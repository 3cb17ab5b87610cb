//! The chain, with one link bent at a time.

use super::*;
use crate::SigningKey;
use crate::credential::{Revocation, Status};
use crate::identifier::MimiUri;
use crate::mapping::{DEFAULT_REFRESH_AFTER, Reach, Tag};
use crate::statement::{Claims, sign};
use crate::time::DAY;

mod endorsements;
mod withdrawals;

const NOW: Timestamp = Timestamp::from_unix(20_000 * DAY + 3_600);

/// Everything a mapping stands on; each test bends one thing.
struct Case {
    authority: SigningKey,
    holder: SigningKey,
    credential: Credential,
    status: Status,
    mapping: Mapping,
    now: Timestamp,
    domain: Domain,
}

fn csi(number: &str) -> Csi {
    Csi::phone(number).unwrap()
}

fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

impl Case {
    fn new() -> Self {
        let holder = SigningKey::from_bytes(&[2; 32]);
        Self {
            authority: SigningKey::from_bytes(&[1; 32]),
            credential: Credential {
                authority: domain("authority.example"),
                csi: csi("+14155550123"),
                holder: holder.verifying_key(),
                id: [3; 16],
                expires: NOW.plus(90 * DAY),
                proved_at: NOW.minus(DAY),
                holder_since: NOW.minus(30 * DAY),
            },
            status: Status { id: [3; 16], at: NOW.minus(3_600) },
            mapping: Mapping {
                csi: csi("+14155550123"),
                audience: vec![domain("dp.example")],
                tag: Tag::default_tag(),
                serial: 7,
                not_before: NOW.start_of_day(),
                not_after: NOW.start_of_day().plus(30 * DAY),
                refresh_after: DEFAULT_REFRESH_AFTER,
                reaches: vec![Reach {
                    uri: MimiUri::new("mimi://b.example/u/alice").unwrap(),
                    thumbprint: Some([5; 32]),
                    endorsement: None,
                }],
                credential: Vec::new(),
                serve_as_not_found: false,
            },
            holder,
            now: NOW,
            domain: domain("dp.example"),
        }
    }

    fn bend(bend: impl FnOnce(&mut Self)) -> Result<Verified, VerifyError> {
        let mut case = Self::new();
        bend(&mut case);
        case.verify(Some(&csi("+14155550123")))
    }

    fn verify(self, asked: Option<&Csi>) -> Result<Verified, VerifyError> {
        self.with(&Services::default(), |case, verifier| {
            verifier.verify(&case.signed_mapping(), &sign(&case.status, &case.authority), asked)
        })
    }

    /// Calls `check` with the verifier of a policy that names the authority of key 1.
    fn with<T>(&self, services: &Services, check: impl FnOnce(&Self, &Verifier<'_>) -> T) -> T {
        let authorities = Authorities::new(vec![Authority {
            name: domain("authority.example"),
            key: SigningKey::from_bytes(&[1; 32]).verifying_key(),
            namespaces: vec!["tel:+1415".parse().unwrap()],
        }]);
        let authorities = authorities.unwrap();
        check(self, &Verifier { domain: &self.domain, authorities: &authorities, services, now: self.now })
    }

    fn signed_mapping(&self) -> Vec<u8> {
        let credential = sign(&self.credential, &self.authority);
        sign(&Mapping { credential, ..self.mapping.clone() }, &self.holder)
    }
}

#[test]
fn a_whole_chain_stands() {
    let verified = Case::new().verify(Some(&csi("+14155550123"))).unwrap();
    assert_eq!(verified.mapping.reaches.len(), 1);
    assert_eq!(verified.credential.authority, domain("authority.example"));
    assert_eq!(verified.status_at, NOW.minus(3_600));
}

macro_rules! rejects {
    ($($name:ident: $error:pat, |$case:ident| $bend:expr;)*) => {$(
        #[test]
        fn $name() {
            let outcome = Case::bend(|$case| $bend);
            assert!(matches!(outcome, Err($error)), "{outcome:?}");
        }
    )*};
}

rejects! {
    rejects_mapping_for_another_csi_than_asked: VerifyError::OtherCsi,
        |case| { case.mapping.csi = csi("+14155550124"); case.credential.csi = csi("+14155550124") };
    rejects_credential_for_another_csi: VerifyError::CredentialForOther,
        |case| case.credential.csi = csi("+14155550124");
    rejects_unknown_authority: VerifyError::Authority(AuthorityError::Unknown),
        |case| case.credential.authority = domain("other.example");
    rejects_authority_outside_namespace: VerifyError::Authority(AuthorityError::OutsideNamespace),
        |case| case.credential.csi = csi("+4930901820");
    rejects_credential_by_another_key: VerifyError::Credential(StatementError::Signature),
        |case| case.authority = SigningKey::from_bytes(&[9; 32]);
    rejects_mapping_by_another_key: VerifyError::Mapping(StatementError::Signature),
        |case| case.holder = SigningKey::from_bytes(&[9; 32]);
    rejects_expired_credential: VerifyError::CredentialExpired,
        |case| case.credential.expires = NOW;
    rejects_proof_from_the_future: VerifyError::CredentialTimes,
        |case| case.credential.proved_at = NOW.plus(CLOCK_TOLERANCE + 1);
    rejects_holder_since_after_proof: VerifyError::CredentialTimes,
        |case| case.credential.holder_since = case.credential.proved_at.plus(1);
    rejects_status_three_days_old: VerifyError::StatusStale,
        |case| case.status.at = NOW.minus(MAX_STATUS_AGE + 1);
    rejects_status_from_the_future: VerifyError::StatusEarly,
        |case| case.status.at = NOW.plus(CLOCK_TOLERANCE + 1);
    rejects_status_of_another_credential: VerifyError::StatusForOther,
        |case| case.status.id = [4; 16];
    rejects_mapping_for_another_audience: VerifyError::Audience,
        |case| case.mapping.audience = vec![domain("other.example")];
    rejects_mapping_outliving_its_credential: VerifyError::Validity,
        |case| case.mapping.not_after = NOW.start_of_day().plus(120 * DAY);
    rejects_mapping_ending_before_it_begins: VerifyError::Validity,
        |case| case.mapping.not_after = case.mapping.not_before;
    rejects_expired_mapping: VerifyError::Expired,
        |case| { case.mapping.not_before = NOW.start_of_day().minus(DAY); case.mapping.not_after = NOW.start_of_day() };
    rejects_mapping_not_yet_valid: VerifyError::NotYetValid,
        |case| case.mapping.not_before = NOW.start_of_day().plus(DAY);
    rejects_times_that_are_not_whole_days: VerifyError::NotWholeDays,
        |case| case.mapping.not_before = NOW;
}

#[test]
fn status_of_exactly_72_hours_still_counts() {
    assert!(Case::bend(|case| case.status.at = NOW.minus(72 * 3_600)).is_ok());
}

#[test]
fn rejects_status_by_the_holder_himself() {
    let case = Case::new();
    let authorities = Authorities::new(vec![Authority {
        name: domain("authority.example"),
        key: case.authority.verifying_key(),
        namespaces: vec!["tel:+".parse().unwrap()],
    }])
    .unwrap();
    let mut mapping = case.mapping.clone();
    mapping.credential = sign(&case.credential, &case.authority);
    let services = Services::default();
    let verifier =
        Verifier { domain: &case.domain, authorities: &authorities, services: &services, now: NOW };
    let outcome = verifier.verify(&sign(&mapping, &case.holder), &sign(&case.status, &case.holder), None);
    assert!(matches!(outcome, Err(VerifyError::Status(StatementError::Signature))));
}

#[test]
fn rejects_revoked_credential() {
    let case = Case::new();
    let revocation = Revocation { id: [3; 16], at: NOW.minus(60), expires: case.credential.expires };
    let outcome = case.with(&Services::default(), |case, verifier| {
        verifier.verify(&case.signed_mapping(), &sign(&revocation, &case.authority), None)
    });
    assert_eq!(outcome.unwrap_err(), VerifyError::Revoked);
}

#[test]
fn rejects_revocation_by_somebody_else() {
    let case = Case::new();
    let revocation = Revocation { id: [3; 16], at: NOW.minus(60), expires: case.credential.expires };
    let outcome = case.with(&Services::default(), |case, verifier| {
        verifier.verify(&case.signed_mapping(), &sign(&revocation, &case.holder), None)
    });
    assert_eq!(outcome.unwrap_err(), VerifyError::Status(StatementError::Signature));
}

#[test]
fn every_step_is_told_in_its_order() {
    use Step::*;
    let all = [Form, Asked, Authority, Credential, CredentialTimes, Status, Signature, Audience, Validity];
    let steps = |case: Case| {
        let mut steps = Vec::new();
        let _ = case.with(&Services::default(), |case, verifier| {
            let status = sign(&case.status, &case.authority);
            verifier.explain(&case.signed_mapping(), &status, None, |step| steps.push(step))
        });
        steps
    };
    assert_eq!(steps(Case::new()), all);
    let mut stale = Case::new();
    stale.status.at = NOW.minus(MAX_STATUS_AGE + 1);
    assert_eq!(steps(stale), all[..5]);
    let mut elsewhere = Case::new();
    elsewhere.mapping.audience.clear();
    assert_eq!(steps(elsewhere), all[..7]);
}

#[test]
fn no_error_text_names_an_identifier() {
    let error = Case::bend(|case| case.credential.csi = csi("+14155550124")).unwrap_err();
    assert!(!error.to_string().contains("415"));
}

#[test]
fn statement_types_are_distinct() {
    let types = [
        Credential::CONTENT_TYPE,
        Status::CONTENT_TYPE,
        Mapping::CONTENT_TYPE,
        crate::credential::Revocation::CONTENT_TYPE,
        crate::endorsement::Endorsement::CONTENT_TYPE,
        crate::enrolment::Handover::CONTENT_TYPE,
        crate::enrolment::KeyRequest::CONTENT_TYPE,
        crate::policy::Policy::CONTENT_TYPE,
        Withdrawal::CONTENT_TYPE,
    ];
    for (at, one) in types.iter().enumerate() {
        assert!(types[at + 1..].iter().all(|other| other != one));
    }
}
