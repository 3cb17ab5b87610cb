//! What the interface refuses before any rule is asked.

use crate::support::{NUMBER, Setup, body, person, refusal};
use bytes::Bytes;
use discreet_protocol::enrolment::KeyRequest;
use discreet_protocol::identifier::Domain;
use discreet_protocol::statement::sign;
use http::Request;
use serde_json::json;

#[tokio::test]
async fn describes_itself() {
    let setup = Setup::new().await;
    let answer = setup.get("/v1/authority").await;
    let key = hex::encode(setup.files.authority_key().to_bytes());
    assert_eq!(body(&answer), json!({"name": "authority.example", "key": key}));
    assert!(
        setup
            .metrics()
            .await
            .contains("discreet_provider_operations_total{operation=\"Describe\",outcome=\"Done\"} 1")
    );
}

#[tokio::test]
async fn rejects_an_expired_challenge() {
    let setup = Setup::new().await;
    let ticket = Some(setup.ticket(NUMBER, 0).await);
    let request = KeyRequest { ticket, ..setup.request(NUMBER, &person(1)).await };
    setup.clock.advance(300);
    let answer = refusal(&setup.issue(&request, &person(1)).await);
    let sentence = "the challenge is not this service's, or older than five minutes; get another";
    assert_eq!(answer, (403, sentence.to_owned()));
}

#[tokio::test]
async fn rejects_a_forged_challenge() {
    let setup = Setup::new().await;
    let ticket = Some(setup.ticket(NUMBER, 0).await);
    let mut request = KeyRequest { ticket, ..setup.request(NUMBER, &person(1)).await };
    request.challenge[20] ^= 1;
    assert_eq!(refusal(&setup.issue(&request, &person(1)).await).0, 403);
    request.challenge = Vec::new();
    assert_eq!(refusal(&setup.issue(&request, &person(1)).await).0, 403);
}

#[tokio::test]
async fn rejects_a_challenge_of_another_process() {
    let (setup, other) = (Setup::new().await, Setup::new().await);
    let ticket = Some(setup.ticket(NUMBER, 0).await);
    let challenge = other.challenge().await;
    let request = KeyRequest { ticket, challenge, ..setup.request(NUMBER, &person(1)).await };
    assert_eq!(refusal(&setup.issue(&request, &person(1)).await).0, 403);
}

#[tokio::test]
async fn rejects_a_request_that_another_key_signed() {
    let setup = Setup::new().await;
    let ticket = Some(setup.ticket(NUMBER, 0).await);
    let request = KeyRequest { ticket, ..setup.request(NUMBER, &person(1)).await };
    let answer = refusal(&setup.issue(&request, &person(2)).await);
    assert_eq!(answer, (403, "the request is not signed by the key it names".to_owned()));
}

#[tokio::test]
async fn rejects_a_request_for_another_authority() {
    let setup = Setup::new().await;
    let authority = Domain::new("other.example").unwrap();
    let request = KeyRequest { authority, ..setup.request(NUMBER, &person(1)).await };
    let answer = refusal(&setup.issue(&request, &person(1)).await);
    assert_eq!(answer, (409, "the request is meant for another authority".to_owned()));
}

#[tokio::test]
async fn rejects_identifiers_outside_the_namespaces() {
    let setup = Setup::new().await;
    for csi in ["tel:+4930901820", "mailto:ann@b.example", "handle:ann"] {
        let expected = (409, "this authority does not attest such identifiers".to_owned());
        let answer = setup.renew(csi, &person(1)).await;
        assert_eq!(refusal(&answer), expected, "{csi}");
        let answer = setup.post("/v1/enrolments", &json!({"identifier": csi})).await;
        assert_eq!(refusal(&answer), expected, "{csi}");
        let proof = json!({"account": "ann", "identifier": csi, "proved_at": 0});
        assert_eq!(refusal(&setup.operate("/v1/proofs", &proof).await), expected, "{csi}");
    }
    setup.credential("mailto:ann@a.example", &person(1)).await;
}

#[tokio::test]
async fn rejects_identifiers_that_are_not_canonical() {
    let setup = Setup::new().await;
    for identifier in ["", "+12125551212", "tel:12125551212", "tel:+1 415", "mailto:ann@A.example"] {
        let answer = refusal(&setup.post("/v1/enrolments", &json!({"identifier": identifier})).await);
        assert_eq!(answer.0, 400, "{identifier}");
        assert!(identifier.is_empty() || !answer.1.contains(identifier), "{}", answer.1);
    }
}

#[tokio::test]
async fn rejects_content_that_is_no_request() {
    let setup = Setup::new().await;
    let request = sign(&setup.request(NUMBER, &person(1)).await, &person(1));
    for content in [vec![], vec![0xa0], request[1..].to_vec(), request[..request.len() - 1].to_vec()] {
        assert_eq!(refusal(&setup.issue_bytes(content).await).0, 400);
    }
}

#[tokio::test]
async fn rejects_another_content_type() {
    let setup = Setup::new().await;
    let content = sign(&setup.request(NUMBER, &person(1)).await, &person(1));
    for content_type in ["application/json", "application/cose"] {
        let request = Request::post("/v1/credentials").header("content-type", content_type);
        let answer = setup.send(request.body(Bytes::from(content.clone())).unwrap()).await;
        assert_eq!(refusal(&answer).0, 415);
    }
}

#[tokio::test]
async fn rejects_a_body_that_is_too_large() {
    let setup = Setup::new().await;
    assert_eq!(refusal(&setup.issue_bytes(vec![0; 16_384]).await).0, 400);
    assert_eq!(refusal(&setup.issue_bytes(vec![0; 16_385]).await).0, 413);
}

#[tokio::test]
async fn rejects_unknown_and_missing_fields() {
    let setup = Setup::new().await;
    for (path, content) in [
        ("/v1/enrolments", json!({"identifier": NUMBER, "priority": 1})),
        ("/v1/enrolments", json!({})),
        ("/v1/enrolments", json!([NUMBER])),
        ("/v1/enrolments/answer", json!({"ticket": "AA"})),
        ("/v1/proofs", json!({"account": "ann", "identifier": NUMBER})),
        ("/v1/proofs", json!({"account": "ann", "identifier": NUMBER, "proved_at": -1})),
        ("/v1/confirmations", json!({"code": "K7QF-2M9X"})),
        ("/v1/revocations", json!({"identifier": NUMBER, "all": true})),
    ] {
        let answer = refusal(&setup.operate(path, &content).await);
        assert_eq!(answer, (400, "the content is not the expected JSON object".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn rejects_tickets_that_are_not_32_bytes() {
    let setup = Setup::new().await;
    for ticket in ["", "AAAA", "not base64", &"A".repeat(44)] {
        let answer = setup.post("/v1/enrolments/answer", &json!({"ticket": ticket, "answer": "1"})).await;
        assert_eq!(refusal(&answer), (400, "a ticket is 32 bytes in base64url without padding".to_owned()));
    }
}

#[tokio::test]
async fn rejects_other_methods_and_other_paths() {
    let setup = Setup::new().await;
    for (method, path, allow) in [
        ("PUT", "/v1/enrolments", "GET, HEAD, POST"),
        ("GET", "/v1/credentials", "POST"),
        ("DELETE", "/v1/statuses", "GET, HEAD"),
        ("POST", "/v1/statuses/00", "GET, HEAD"),
    ] {
        let answer =
            setup.send(Request::builder().method(method).uri(path).body(Bytes::new()).unwrap()).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &allow.parse().unwrap()));
    }
    for path in ["/", "/v1", "/v1/authority/", "/v2/statuses"] {
        assert_eq!(setup.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn rejects_status_numbers_and_positions_that_are_none() {
    let setup = Setup::new().await;
    for path in ["", "00", "zz", &"0".repeat(31), &"0".repeat(32), &"0".repeat(34)] {
        assert_eq!(setup.get(&format!("/v1/statuses/{path}")).await.status(), 404, "{path}");
    }
    for query in ["", "after=", "after=-1", "after=x", "before=1", "after=1&after=2"] {
        assert_eq!(setup.get(&format!("/v1/statuses?{query}")).await.status(), 400, "{query}");
    }
}
