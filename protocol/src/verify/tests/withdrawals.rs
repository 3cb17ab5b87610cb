//! Withdrawals: what stands, and a test for each deviation.

use super::*;

/// The case's holder withdraws all tags, with one thing bent.
fn withdraw(bend: impl FnOnce(&mut Case, &mut Withdrawal)) -> Result<(Withdrawal, Credential), VerifyError> {
    let mut case = Case::new();
    let mut withdrawal = Withdrawal {
        csi: csi("+14155550123"),
        audience: vec![domain("dp.example")],
        tag: None,
        serial: 8,
        credential: Vec::new(),
    };
    bend(&mut case, &mut withdrawal);
    withdrawal.credential = sign(&case.credential, &case.authority);
    let bytes = sign(&withdrawal, &case.holder);
    case.with(&Services::default(), |_, verifier| verifier.withdrawal(&bytes))
}

#[test]
fn a_withdrawal_stands_without_a_status() {
    let (withdrawal, credential) = withdraw(|_, _| {}).unwrap();
    assert_eq!((withdrawal.serial, withdrawal.tag), (8, None));
    assert_eq!(credential.id, [3; 16]);
}

#[test]
fn a_withdrawal_may_name_one_tag() {
    let tag = Tag::new("Work").unwrap();
    let (withdrawal, _) = withdraw(|_, withdrawal| withdrawal.tag = Some(tag.clone())).unwrap();
    assert_eq!(withdrawal.tag, Some(tag));
}

macro_rules! rejects {
    ($($name:ident: $error:pat, |$case:pat_param, $withdrawal:pat_param| $bend:expr;)*) => {$(
        #[test]
        fn $name() {
            let outcome = withdraw(|$case, $withdrawal| $bend);
            assert!(matches!(outcome, Err($error)), "{outcome:?}");
        }
    )*};
}

rejects! {
    rejects_withdrawal_by_another_key: VerifyError::Withdrawal(StatementError::Signature),
        |case, _| case.holder = SigningKey::from_bytes(&[9; 32]);
    rejects_withdrawal_for_another_audience: VerifyError::Audience,
        |_, withdrawal| withdrawal.audience = vec![domain("other.example")];
    rejects_withdrawal_under_anothers_credential: VerifyError::CredentialForOther,
        |case, _| case.credential.csi = csi("+14155550124");
    rejects_withdrawal_under_an_expired_credential: VerifyError::CredentialExpired,
        |case, _| case.credential.expires = NOW;
    rejects_withdrawal_under_a_forged_credential: VerifyError::Credential(StatementError::Signature),
        |case, _| case.authority = SigningKey::from_bytes(&[9; 32]);
    rejects_withdrawal_under_an_authority_outside_its_namespace:
        VerifyError::Authority(AuthorityError::OutsideNamespace),
        |case, withdrawal| { case.credential.csi = csi("+4930901820"); withdrawal.csi = csi("+4930901820") };
}

#[test]
fn rejects_a_mapping_in_place_of_a_withdrawal() {
    let outcome = Case::new()
        .with(&Services::default(), |case, verifier| verifier.withdrawal(&case.signed_mapping()).map(drop));
    assert_eq!(outcome, Err(VerifyError::Withdrawal(StatementError::WrongType)));
}
