//! From the first proof to revocation, over HTTP.

use crate::support::{NOW, NUMBER, Setup, body, decode, person, refusal};
use discreet_protocol::credential::Standing;
use discreet_protocol::enrolment::KeyRequest;
use serde_json::json;

fn times(credential: &discreet_protocol::credential::Credential) -> (u64, u64) {
    (credential.proved_at.unix() - NOW, credential.holder_since.unix() - NOW)
}

#[tokio::test]
async fn enrol_confirm_credential_renewal_handover_lost_key_revocation() {
    let setup = Setup::new().await;
    let (first, second, third) = (person(1), person(2), person(3));

    // Ann enrols; her ticket is worth nothing yet.
    let enrolled = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    let ticket = decode(&enrolled["ticket"]).try_into().unwrap();
    let waiting = setup.redeem(NUMBER, &first, ticket).await;
    assert_eq!(waiting.status(), 202);
    assert!(body(&waiting)["say"].is_string());

    // The operator confirms the code.
    let confirmation = json!({"code": enrolled["code"], "account": "ann"});
    assert_eq!(setup.operate("/v1/confirmations", &confirmation).await.status(), 204);
    let one = setup.issued(&setup.redeem(NUMBER, &first, ticket).await);
    assert_eq!(times(&one), (0, 0));
    assert_eq!((one.csi.uri().as_str(), one.holder), (NUMBER, first.verifying_key()));
    assert_eq!(one.authority.as_str(), "authority.example");
    // 2027-07-15T00:00:00Z: 180 days later, at the end of the day.
    assert_eq!(one.expires.unix(), 1_815_609_600);

    // The answer was lost: the same credential again.
    assert!(setup.issued(&setup.redeem(NUMBER, &first, ticket).await) == one);

    // A month later she renews: another number, both times as before, the old one still good.
    setup.clock.advance(30 * 86_400);
    let renewed = setup.issued(&setup.renew(NUMBER, &first).await);
    assert_eq!(times(&renewed), (0, 0));
    assert!(renewed.id != one.id && renewed.expires.unix() == 1_815_609_600 + 30 * 86_400);
    assert!(setup.stands(&one).await && setup.stands(&renewed).await);

    // A new phone: the old key's word moves the holding to the new key.
    setup.clock.advance(100);
    let moved = setup.issued(&setup.hand_over(NUMBER, &first, &second).await);
    assert_eq!(times(&moved), (30 * 86_400 + 100, 0));
    assert!(!setup.stands(&one).await && !setup.stands(&renewed).await && setup.stands(&moved).await);

    // Everything lost: a fresh proof, and the holding restarts.
    setup.clock.advance(100);
    let anew = setup.credential(NUMBER, &third).await;
    assert_eq!(times(&anew), (30 * 86_400 + 200, 30 * 86_400 + 200));
    assert!(!setup.stands(&moved).await && setup.stands(&anew).await);

    // The operator revokes.
    assert_eq!(setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await.status(), 204);
    assert!(!setup.stands(&anew).await);
    let (feed, _) = setup.feed(0).await;
    assert_eq!(feed.iter().filter(|one| matches!(one, Standing::Revoked(_))).count(), 4);
    assert_eq!(feed.len(), 4);

    // A later proof counts again.
    setup.clock.advance(1);
    let again = setup.credential(NUMBER, &third).await;
    assert_eq!(times(&again), (30 * 86_400 + 201, 30 * 86_400 + 201));
}

/// The one sentence for who is not the holder.
pub(crate) const NOT_HOLDER: &str = "this key has no credential for the identifier here; enrol";

/// What a rule says to a request that it refuses.
async fn refused(setup: &Setup, request: &KeyRequest, seed: u8) -> (u16, String) {
    refusal(&setup.issue(request, &person(seed)).await)
}

#[tokio::test]
async fn rejects_a_renewal_by_who_never_proved() {
    let setup = Setup::new().await;
    let answer = refusal(&setup.renew(NUMBER, &person(1)).await);
    assert_eq!(answer, (409, NOT_HOLDER.to_owned()));
}

#[tokio::test]
async fn rejects_a_renewal_by_the_previous_holder_of_a_reassigned_number() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    setup.clock.advance(1);
    setup.credential(NUMBER, &person(2)).await;
    let answer = refusal(&setup.renew(NUMBER, &person(1)).await);
    assert_eq!(answer, (409, NOT_HOLDER.to_owned()));
    // Nor does an older proof of theirs, or one of the same second, bring them back.
    for offset in [-10, 0] {
        let ticket = setup.ticket(NUMBER, offset).await;
        let answer = refusal(&setup.redeem(NUMBER, &person(1), ticket).await);
        assert_eq!(
            answer,
            (409, "the identifier was proved as late or later before; prove it anew".to_owned())
        );
    }
}

#[tokio::test]
async fn rejects_a_renewal_after_the_last_credential_has_expired() {
    let setup = Setup::new().await;
    let credential = setup.credential(NUMBER, &person(1)).await;
    setup.clock.set(credential.expires.unix() - 1);
    setup.issued(&setup.renew(NUMBER, &person(1)).await);
    setup.clock.set(credential.expires.unix() + 180 * 86_400);
    let answer = refusal(&setup.renew(NUMBER, &person(1)).await);
    assert_eq!(answer, (409, "this key's last credential has expired; prove the identifier anew".to_owned()));
}

#[tokio::test]
async fn rejects_everything_but_a_later_proof_after_a_revocation() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    setup.clock.advance(10);
    let before = setup.ticket(NUMBER, -1).await;
    setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await;
    let answer = refusal(&setup.renew(NUMBER, &person(1)).await);
    assert_eq!(
        answer,
        (409, "the credentials of this identifier were revoked; prove the identifier anew".to_owned())
    );
    let answer = refusal(&setup.hand_over(NUMBER, &person(1), &person(2)).await);
    assert_eq!(answer.0, 409);
    // The ticket from before is void, and so is a proof of the same second.
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), before).await).0, 409);
    let same_second = setup.ticket(NUMBER, 0).await;
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), same_second).await).0, 409);
    setup.clock.advance(1);
    setup.credential(NUMBER, &person(1)).await;
}

#[tokio::test]
async fn rejects_a_ticket_that_another_key_has_redeemed() {
    let setup = Setup::new().await;
    let ticket = setup.ticket(NUMBER, 0).await;
    setup.issued(&setup.redeem(NUMBER, &person(1), ticket).await);
    let answer = refusal(&setup.redeem(NUMBER, &person(2), ticket).await);
    assert_eq!(answer, (409, "the ticket was redeemed before; prove the identifier anew".to_owned()));
}

#[tokio::test]
async fn of_two_keys_that_redeem_one_ticket_at_once_one_gets_a_credential() {
    let setup = Setup::new().await;
    let ticket = setup.ticket(NUMBER, 0).await;
    let (one, other) = (person(1), person(2));
    let answers = tokio::join!(setup.redeem(NUMBER, &one, ticket), setup.redeem(NUMBER, &other, ticket));
    let mut statuses = [answers.0.status().as_u16(), answers.1.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn rejects_a_spent_ticket_once_its_credential_is_revoked() {
    let setup = Setup::new().await;
    let ticket = setup.ticket(NUMBER, 0).await;
    setup.issued(&setup.redeem(NUMBER, &person(1), ticket).await);
    setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await;
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), ticket).await).0, 409);
}

#[tokio::test]
async fn rejects_tickets_that_stand_for_nothing() {
    let setup = Setup::new().await;
    let sentence = "the ticket is unknown, too old, or for another identifier; prove the identifier anew";
    let expected = (409, sentence.to_owned());
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), [7; 32]).await), expected);
    let ticket = setup.ticket("tel:+14155550199", 0).await;
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), ticket).await), expected);
    let ticket = setup.ticket(NUMBER, 0).await;
    setup.clock.advance(7 * 86_400);
    assert_eq!(refusal(&setup.redeem(NUMBER, &person(1), ticket).await), expected);
}

#[tokio::test]
async fn rejects_a_proof_from_the_future() {
    let setup = Setup::new().await;
    setup.ticket(NUMBER, 300).await;
    let proof = json!({"account": "ann", "identifier": NUMBER, "proved_at": NOW + 301});
    let answer = refusal(&setup.operate("/v1/proofs", &proof).await);
    assert_eq!(
        answer,
        (409, "the proof is from the future; check the clock of whoever reported it".to_owned())
    );
}

#[tokio::test]
async fn rejects_handovers_that_are_not_the_holders_word() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    let good = setup.handover(NUMBER, &person(2));
    let signed = |handover, seed| Some(discreet_protocol::statement::sign(&handover, &person(seed)));
    let (csi, authority) = ("tel:+14155550199", "other.example");
    for (handover, sentence) in [
        (signed(good.clone(), 2), NOT_HOLDER),
        (signed(good.clone(), 3), NOT_HOLDER),
        (Some(vec![0xa0]), NOT_HOLDER),
        (
            signed(setup.handover(csi, &person(2)), 1),
            "the handover is for another identifier, authority or key",
        ),
        (
            signed(setup.handover(NUMBER, &person(3)), 1),
            "the handover is for another identifier, authority or key",
        ),
        (
            signed(
                discreet_protocol::enrolment::Handover {
                    authority: discreet_protocol::identifier::Domain::new(authority).unwrap(),
                    ..good.clone()
                },
                1,
            ),
            "the handover is for another identifier, authority or key",
        ),
        (
            signed(
                discreet_protocol::enrolment::Handover {
                    expires: discreet_protocol::time::Timestamp::from_unix(NOW),
                    ..good.clone()
                },
                1,
            ),
            "the handover has expired; have the old key sign another",
        ),
    ] {
        let request = KeyRequest { handover, ..setup.request(NUMBER, &person(2)).await };
        assert_eq!(refused(&setup, &request, 2).await, (409, sentence.to_owned()));
    }
    setup.issued(&setup.hand_over(NUMBER, &person(1), &person(2)).await);
}

#[tokio::test]
async fn a_lost_answer_to_a_handover_locks_nobody_out_and_an_old_one_brings_nobody_back() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    setup.issued(&setup.hand_over(NUMBER, &person(1), &person(2)).await);
    let again = setup.issued(&setup.hand_over(NUMBER, &person(1), &person(2)).await);
    assert_eq!(again.holder, person(2).verifying_key());
    setup.issued(&setup.hand_over(NUMBER, &person(2), &person(3)).await);
    assert_eq!(refusal(&setup.hand_over(NUMBER, &person(1), &person(2)).await).0, 409);
    let answer = refusal(&setup.hand_over(NUMBER, &person(3), &person(2)).await);
    assert_eq!(
        answer,
        (409, "this key held the identifier before and was replaced; use a new key".to_owned())
    );
}

#[tokio::test]
async fn rejects_a_request_with_both_a_ticket_and_a_handover() {
    let setup = Setup::new().await;
    let ticket = Some(setup.ticket(NUMBER, 0).await);
    let request =
        KeyRequest { ticket, handover: Some(vec![0xa0]), ..setup.request(NUMBER, &person(1)).await };
    let answer = refused(&setup, &request, 1).await;
    assert_eq!(answer, (400, "a request carries a ticket or a handover, not both".to_owned()));
}

#[tokio::test]
async fn rejects_renewals_without_end_but_not_proofs() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    for _ in 1..64 {
        setup.issued(&setup.renew(NUMBER, &person(1)).await);
    }
    let answer = refusal(&setup.renew(NUMBER, &person(1)).await);
    let sentence = "this identifier has too many credentials that have not expired; use the latest";
    assert_eq!(answer, (409, sentence.to_owned()));
    setup.clock.advance(1);
    setup.credential(NUMBER, &person(1)).await;
}
