//! What a stranger learns of an identifier: nothing. Anybody may ask about any number with a key made
//! for it, so an answer that depended on the number would be a list of the authority's users.

use crate::flow::NOT_HOLDER;
use crate::support::{NOW, Setup, body, person, refusal};
use bytes::Bytes;
use discreet_protocol::enrolment::{Handover, KeyRequest};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use http::Response;
use serde_json::{Value, json};

/// An identifier in each state there is. Key 1 holds or held it; key 9 is the stranger's.
const NOBODYS: &str = "tel:+14155550101";
const HELD: &str = "tel:+14155550102";
const REASSIGNED: &str = "tel:+14155550103";
const HANDED_OVER: &str = "tel:+14155550104";
const REVOKED: &str = "tel:+14155550105";
const LAPSED: &str = "tel:+14155550106";
const TOO_MANY: &str = "tel:+14155550107";
const ENROLLING: &str = "tel:+14155550108";
const PROVED: &str = "tel:+14155550109";
const STATES: [&str; 9] =
    [NOBODYS, HELD, REASSIGNED, HANDED_OVER, REVOKED, LAPSED, TOO_MANY, ENROLLING, PROVED];

async fn every_state() -> Setup {
    let setup = Setup::new().await;
    let (one, two) = (person(1), person(2));
    setup.credential(LAPSED, &one).await;
    setup.clock.advance(365 * 86_400);
    for csi in [HELD, REASSIGNED, HANDED_OVER, REVOKED, TOO_MANY] {
        setup.credential(csi, &one).await;
    }
    setup.issued(&setup.hand_over(HANDED_OVER, &one, &two).await);
    for _ in 1..64 {
        setup.issued(&setup.renew(TOO_MANY, &one).await);
    }
    setup.clock.advance(1);
    setup.credential(REASSIGNED, &two).await;
    setup.operate("/v1/revocations", &json!({"identifier": REVOKED})).await;
    setup.post("/v1/enrolments", &json!({"identifier": ENROLLING})).await;
    setup.ticket(PROVED, 0).await;
    setup
}

/// All of an answer but when it was given.
fn bytes(answer: &Response<Bytes>) -> (u16, Vec<(String, Vec<u8>)>, Bytes) {
    let fields = answer.headers().iter().filter(|(name, _)| *name != "date");
    let fields = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (answer.status().as_u16(), fields.collect(), answer.body().clone())
}

/// What a stranger can send about `csi`.
async fn requests(setup: &Setup, csi: &str) -> Vec<KeyRequest> {
    let plain = setup.request(csi, &person(9)).await;
    let with = |handover: Vec<u8>| KeyRequest { handover: Some(handover), ..plain.clone() };
    let to_stranger = setup.handover(csi, &person(9));
    let expired = Handover { expires: Timestamp::from_unix(NOW), ..to_stranger.clone() };
    vec![
        plain.clone(),
        with(vec![0xa0]),
        with(sign(&to_stranger, &person(9))),
        with(sign(&to_stranger, &person(3))),
        with(sign(&expired, &person(9))),
        with(sign(&setup.handover("tel:+14155550199", &person(9)), &person(9))),
    ]
}

#[tokio::test]
async fn a_strangers_key_gets_the_same_bytes_whatever_the_state_of_the_identifier() {
    let setup = every_state().await;
    let expected = bytes(&setup.renew(NOBODYS, &person(9)).await);
    assert_eq!(expected.0, 409);
    for csi in STATES {
        for (number, request) in requests(&setup, csi).await.iter().enumerate() {
            let answer = setup.issue(request, &person(9)).await;
            assert_eq!(refusal(&answer), (409, NOT_HOLDER.to_owned()), "{csi}, request {number}");
            assert_eq!(bytes(&answer), expected, "{csi}, request {number}");
        }
    }
}

#[tokio::test]
async fn a_former_holders_key_is_a_strangers_and_so_is_its_word() {
    let setup = every_state().await;
    let expected = bytes(&setup.renew(NOBODYS, &person(9)).await);
    for csi in [REASSIGNED, HANDED_OVER] {
        assert_eq!(bytes(&setup.renew(csi, &person(1)).await), expected, "{csi}");
        assert_eq!(bytes(&setup.hand_over(csi, &person(1), &person(9)).await), expected, "{csi}");
    }
}

#[tokio::test]
async fn a_ticket_that_stands_for_nothing_gets_the_same_bytes_everywhere() {
    let setup = every_state().await;
    let expected = bytes(&setup.redeem(NOBODYS, &person(9), [7; 32]).await);
    assert_eq!(expected.0, 409);
    for csi in STATES {
        assert_eq!(bytes(&setup.redeem(csi, &person(9), [7; 32]).await), expected, "{csi}");
    }
}

#[tokio::test]
async fn enrolling_does_not_tell_who_is_known_and_neither_does_the_ticket() {
    let setup = every_state().await;
    let (mut said, mut waiting) = (Vec::new(), Vec::new());
    for csi in STATES {
        let answer = setup.post("/v1/enrolments", &json!({"identifier": csi})).await;
        let mut enrolled = body(&answer);
        let ticket = crate::support::decode(&enrolled["ticket"]).try_into().unwrap();
        waiting.push(bytes(&setup.redeem(csi, &person(9), ticket).await));
        // Both are drawn, and of one length: 32 bytes, and K7QF-2M9X.
        for (drawn, length) in [("ticket", 43), ("code", 9)] {
            assert_eq!(enrolled[drawn].take().as_str().unwrap().len(), length, "{csi}");
        }
        let length = answer.headers()["content-length"].clone();
        said.push((answer.status().as_u16(), length, enrolled));
    }
    assert_eq!((said[0].0, waiting[0].0), (200, 202));
    assert!(said.iter().all(|one| one == &said[0]) && waiting.iter().all(|one| one == &waiting[0]));
    assert!(matches!(said[0].2["say"], Value::String(_)));
}

#[tokio::test]
async fn the_holder_is_still_told_what_is_the_matter() {
    let setup = every_state().await;
    for (csi, sentence) in [
        (REVOKED, "the credentials of this identifier were revoked; prove the identifier anew"),
        (LAPSED, "this key's last credential has expired; prove the identifier anew"),
        (TOO_MANY, "this identifier has too many credentials that have not expired; use the latest"),
    ] {
        assert_eq!(refusal(&setup.renew(csi, &person(1)).await), (409, sentence.to_owned()));
        let word = refusal(&setup.hand_over(csi, &person(1), &person(9)).await);
        assert_eq!(word, (409, sentence.to_owned()), "who brings the holder's word is no stranger");
    }
    setup.issued(&setup.renew(HELD, &person(1)).await);
}
