//! What an identity signs, what it believes, and how its file is kept.

use super::*;
use crate::testing::{
    EXPIRES, NOW, TODAY, attested, authority, authority_key, credential, csi, domain, policy, reach,
    revocation, service_key, status,
};
use discreet_protocol::endorsement::Endorsement;
use discreet_protocol::identifier::MimiUri;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::withdrawal;

mod attestation;
mod files;

const ALICE: &str = "mimi://b.example/u/alice";
const RELAY: &str = "https://a.example/dp";

fn rules() -> Policy {
    policy(Vec::new())
}

fn tagged(tag: &str) -> Draft {
    Draft { tag: Tag::new(tag).unwrap(), ..Draft::new(vec![reach(ALICE)]) }
}

fn claims(mapping: &VerifiableMapping) -> Mapping {
    Unverified::<Mapping>::read(mapping.mapping()).unwrap().into_claims()
}

/// Publishes, and the directory takes it in.
fn publish(identity: &mut Identity, draft: &Draft) -> u64 {
    let mapping = identity.mapping(draft, &rules(), NOW).unwrap();
    identity.conclude(Some(&draft.tag), &domain(), RELAY, Taken::Yes);
    claims(&mapping).serial
}

/// Withdraws, and the directory takes it in.
fn withdraw(identity: &mut Identity, tag: Option<&Tag>) -> u64 {
    let withdrawal = identity.withdrawal(tag, &rules(), NOW).unwrap();
    identity.conclude(tag, &domain(), RELAY, Taken::Yes);
    let (claims, _) = rules().verifier(NOW).withdrawal(&withdrawal.0).unwrap();
    assert_eq!(claims.tag.as_ref(), tag);
    claims.serial
}

#[test]
fn a_mapping_says_what_was_drafted_in_whole_days() {
    let mut identity = attested();
    let draft = Draft { refresh_after: DAY, serve_as_not_found: true, ..tagged("Default") };
    let mapping = identity.mapping(&draft, &rules(), NOW).unwrap();
    let verified = rules().verifier(NOW).verify(mapping.mapping(), mapping.status(), Some(&csi())).unwrap();
    let found = verified.mapping;
    assert_eq!((found.not_before, found.not_after), (TODAY, TODAY.plus(90 * DAY)));
    assert_eq!((found.audience, found.refresh_after), (vec![domain()], DAY));
    assert_eq!((found.reaches, found.serve_as_not_found), (draft.reaches, true));
}

#[test]
fn a_mapping_ends_with_its_credential() {
    let mut identity = attested();
    let late = EXPIRES.minus(10 * DAY).plus(5);
    identity.accept_status(status(1, late)).unwrap();
    let mapping = identity.mapping(&tagged("Default"), &rules(), late).unwrap();
    assert_eq!(claims(&mapping).not_after, EXPIRES);
    let last_day = EXPIRES.minus(5);
    identity.accept_status(status(1, last_day)).unwrap();
    let mapping = identity.mapping(&tagged("Default"), &rules(), last_day).unwrap();
    assert_eq!(claims(&mapping).not_after, EXPIRES);
}

#[test]
fn rejects_a_mapping_that_would_have_no_day() {
    let mut identity = Identity::generate(csi()).unwrap();
    identity.set_authority(authority()).unwrap();
    let short = Credential { expires: TODAY.plus(DAY - 1), ..credential(&identity, 1) };
    identity.accept(sign(&short, &authority_key()), status(1, NOW), NOW).unwrap();
    let error = identity.mapping(&tagged("Default"), &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::ExpiresToday), "{error}");
}

#[test]
fn serials_begin_at_random_and_count_per_tag() {
    let mut identity = attested();
    let first = publish(&mut identity, &tagged("Default"));
    let work = publish(&mut identity, &tagged("work"));
    assert!(first < 1 << 31 && work < 1 << 31);
    assert_eq!(publish(&mut identity, &tagged("Default")), first + 1);
    assert_eq!(publish(&mut identity, &tagged("work")), work + 1);
    let mut other = attested();
    assert_ne!(publish(&mut other, &tagged("Default")), first);
}

#[test]
fn a_serial_is_used_up_by_a_refused_or_lost_attempt() {
    let mut identity = attested();
    let first = publish(&mut identity, &tagged("Default"));
    for taken in [Taken::No, Taken::Unknown] {
        identity.mapping(&tagged("Default"), &rules(), NOW).unwrap();
        identity.conclude(Some(&Tag::default_tag()), &domain(), RELAY, taken);
    }
    assert_eq!(identity.published(&Tag::default_tag(), &domain()).unwrap().serial, first);
    let attempts = identity.attempts(&Tag::default_tag(), &domain());
    assert_eq!(attempts.iter().map(|attempt| attempt.serial).collect::<Vec<_>>(), [first + 2]);
    assert_eq!(publish(&mut identity, &tagged("Default")), first + 3);
}

#[test]
fn withdrawing_all_jumps_past_every_tag() {
    let mut identity = attested();
    let highest = publish(&mut identity, &tagged("Default")).max(publish(&mut identity, &tagged("work")));
    let serial = withdraw(&mut identity, None);
    assert!((highest + 1..=highest + (1 << 20)).contains(&serial), "{highest} {serial}");
    for tag in ["Default", "work", "new"] {
        assert!(publish(&mut identity, &tagged(tag)) > serial, "{tag}");
    }
}

#[test]
fn one_tag_is_withdrawn_by_its_next_serial() {
    let mut identity = attested();
    publish(&mut identity, &tagged("Default"));
    let work = publish(&mut identity, &tagged("work"));
    assert_eq!(withdraw(&mut identity, Some(&Tag::new("work").unwrap())), work + 1);
    let published = identity.published(&Tag::new("work").unwrap(), &domain()).unwrap();
    assert_eq!((published.mapping.as_ref(), published.relay.as_deref()), (None, Some(RELAY)));
    withdraw(&mut identity, Some(&Tag::default_tag()));
}

#[test]
fn rejects_withdrawing_default_while_others_stand() {
    let mut identity = attested();
    publish(&mut identity, &tagged("Default"));
    publish(&mut identity, &tagged("work"));
    let error = identity.withdrawal(Some(&Tag::default_tag()), &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::TagsLeft), "{error}");
}

#[test]
fn rejects_withdrawing_what_was_never_published() {
    let mut identity = attested();
    for tag in [None, Some(&Tag::default_tag())] {
        let error = identity.withdrawal(tag, &rules(), NOW).unwrap_err();
        assert!(matches!(error, IdentityError::NothingPublished), "{error}");
    }
}

#[test]
fn a_revoked_credential_still_withdraws() {
    let mut identity = attested();
    publish(&mut identity, &tagged("Default"));
    identity.accept_status(revocation(1, NOW)).unwrap();
    withdraw(&mut identity, None);
}

#[test]
fn rejects_a_tag_without_default() {
    let mut identity = attested();
    let error = identity.mapping(&tagged("work"), &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::NoDefault), "{error}");
    publish(&mut identity, &tagged("Default"));
    publish(&mut identity, &tagged("work"));
    withdraw(&mut identity, None);
    let error = identity.mapping(&tagged("work"), &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::NoDefault), "{error}");
}

#[test]
fn rejects_more_than_16_services() {
    let mut identity = attested();
    let list = |count| (0..count).map(|number| reach(&format!("{ALICE}{number}"))).collect();
    assert!(identity.mapping(&Draft::new(list(16)), &rules(), NOW).is_ok());
    for count in [17, 10_000] {
        let error = identity.mapping(&Draft::new(list(count)), &rules(), NOW).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{count} services are more than a mapping may list: at most 16")
        );
    }
}

#[test]
fn rejects_a_service_listed_twice() {
    let draft = Draft::new(vec![reach(ALICE), reach("mimi://c.example"), reach(ALICE)]);
    let error = attested().mapping(&draft, &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::Repeated { position: 3 }), "{error}");
}

fn endorsed(identity: &Identity, uri: &str) -> Draft {
    let service = discreet_protocol::identifier::Domain::new("b.example").unwrap();
    let (uri, expires) = (MimiUri::new(uri).unwrap(), TODAY.plus(DAY));
    let endorsement = Endorsement { service, uri, expires, holder: identity.holder() };
    let endorsement = Some(sign(&endorsement, &service_key()));
    Draft::new(vec![discreet_protocol::mapping::Reach { endorsement, ..reach(ALICE) }])
}

#[test]
fn a_service_confirms_its_reach() {
    let mut identity = attested();
    let draft = endorsed(&identity, ALICE);
    let mapping = identity.mapping(&draft, &rules(), NOW).unwrap();
    let verified = rules().verifier(NOW).verify(mapping.mapping(), mapping.status(), None).unwrap();
    assert_eq!(verified.confirmed, [true]);
}

#[test]
fn rejects_an_endorsement_of_another_account_or_key() {
    let mut identity = attested();
    let elsewhere = endorsed(&identity, "mimi://b.example/u/bob");
    let strangers = endorsed(&attested(), ALICE);
    for draft in [elsewhere, strangers] {
        let error = identity.mapping(&draft, &rules(), NOW).unwrap_err();
        assert!(matches!(error, IdentityError::Endorsement { position: 1 }), "{error}");
    }
}

#[test]
fn rejects_publishing_without_a_credential_that_stands() {
    let mut identity = Identity::generate(csi()).unwrap();
    let refused = |identity: &mut Identity, now| match identity.mapping(&tagged("Default"), &rules(), now) {
        Err(IdentityError::Credential(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("published"),
    };
    assert_eq!(refused(&mut identity, NOW), CredentialError::NoAuthority);
    identity.set_authority(authority()).unwrap();
    assert_eq!(refused(&mut identity, NOW), CredentialError::NoCredential);
    assert_eq!(refused(&mut attested(), EXPIRES), CredentialError::Expired);
    let mut identity = attested();
    identity.accept_status(revocation(1, NOW)).unwrap();
    assert_eq!(refused(&mut identity, NOW), CredentialError::Revoked);
}

#[test]
fn rejects_a_policy_without_the_authority_or_with_another_key_of_it() {
    let refused = |policy: &Policy| match attested().mapping(&tagged("Default"), policy, NOW) {
        Err(IdentityError::Credential(error)) => error,
        _ => panic!("no refusal"),
    };
    let none = Policy { authorities: Default::default(), ..rules() };
    assert_eq!(refused(&none), CredentialError::NotInPolicy);
    let mut list: Vec<_> = rules().authorities.iter().cloned().collect();
    list[0].key = service_key().verifying_key();
    let other = Policy { authorities: discreet_protocol::policy::Authorities::new(list).unwrap(), ..rules() };
    assert_eq!(refused(&other), CredentialError::PolicyKey);
}

#[test]
fn rejects_an_identifier_outside_the_authoritys_namespace() {
    let mut identity = Identity::generate(Csi::phone("+442079460000").unwrap()).unwrap();
    identity.set_authority(authority()).unwrap();
    let attested = sign(&credential(&identity, 1), &authority_key());
    identity.accept(attested, status(1, NOW), NOW).unwrap();
    let error = identity.mapping(&tagged("Default"), &rules(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::Verify(_)), "{error}");
}

#[test]
fn a_status_of_last_week_is_the_directorys_to_renew() {
    let mut identity = attested();
    assert!(identity.mapping(&tagged("Default"), &rules(), NOW.plus(6 * DAY)).is_ok());
}

#[test]
fn the_withdrawal_names_whom_it_is_for() {
    let mut identity = attested();
    publish(&mut identity, &tagged("Default"));
    let bytes = identity.withdrawal(None, &rules(), NOW).unwrap().0;
    let claims = open::<withdrawal::Withdrawal>(&bytes, &identity.holder()).unwrap();
    assert_eq!((claims.csi, claims.audience), (csi(), vec![domain()]));
}

#[test]
fn nothing_secret_is_debugged() {
    let identity = attested();
    let shown = format!("{identity:?} {:?} {:?}", identity.authority(), Secret32::new([7; 32]));
    assert_eq!(shown, "Identity(…) Some(Authority(…)) …");
}
