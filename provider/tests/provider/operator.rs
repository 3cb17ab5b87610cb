//! The operator's endpoints: who may use them, and what they say.

use crate::support::{NOW, NUMBER, Setup, body, refusal};
use bytes::Bytes;
use http::Request;
use serde_json::json;

#[tokio::test]
async fn rejects_a_wrong_token() {
    let setup = Setup::new().await;
    let good = setup.files.token();
    let wrong = format!("{}{}", &good[..63], if good.ends_with('0') { '1' } else { '0' });
    for authorization in [None, Some(format!("Bearer {wrong}")), Some(good), Some("Bearer".to_owned())] {
        for (method, path) in [
            ("POST", "/v1/proofs"),
            ("GET", "/v1/enrolments"),
            ("POST", "/v1/confirmations"),
            ("POST", "/v1/revocations"),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let answer = setup.send(request.body(Bytes::from("{}")).unwrap()).await;
            assert_eq!(refusal(&answer), (401, "this needs the operator's token".to_owned()));
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        }
    }
}

#[tokio::test]
async fn the_operator_sees_who_waits() {
    let setup = Setup::new().await;
    let enrolled = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    let authorization = format!("Bearer {}", setup.files.token());
    let request =
        || Request::get("/v1/enrolments").header("authorization", &authorization).body(Bytes::new()).unwrap();
    let pending = setup.send(request()).await;
    assert_eq!(body(&pending), json!([{"code": enrolled["code"], "identifier": NUMBER, "since": NOW}]));
    setup.clock.advance(3600);
    assert_eq!(body(&setup.send(request()).await), json!([]));
    let late = json!({"code": enrolled["code"], "account": "ann"});
    let answer = refusal(&setup.operate("/v1/confirmations", &late).await);
    assert_eq!(answer, (404, "no enrolment with this code waits for a confirmation".to_owned()));
}

#[tokio::test]
async fn a_code_may_be_typed_as_people_type() {
    let setup = Setup::new().await;
    let enrolled = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    let code = enrolled["code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let confirmation = json!({"code": code, "account": "ann"});
    assert_eq!(setup.operate("/v1/confirmations", &confirmation).await.status(), 204);
    assert_eq!(refusal(&setup.operate("/v1/confirmations", &confirmation).await).0, 404);
}

#[tokio::test]
async fn rejects_accounts_that_are_no_names() {
    let setup = Setup::new().await;
    for account in ["", "a\nb", &"a".repeat(129)] {
        let proof = json!({"account": account, "identifier": NUMBER, "proved_at": NOW});
        let answer = refusal(&setup.operate("/v1/proofs", &proof).await);
        assert_eq!(answer, (400, "an account has 1 to 128 bytes without control characters".to_owned()));
    }
}

#[tokio::test]
async fn rejects_the_revocation_of_what_nobody_holds() {
    let setup = Setup::new().await;
    let answer = refusal(&setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await);
    assert_eq!(answer, (404, "nobody holds this identifier here".to_owned()));
}

#[tokio::test]
async fn nothing_about_anybody_is_logged_or_counted() {
    let setup = Setup::new().await;
    let enrolled = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    setup.operate("/v1/confirmations", &json!({"code": enrolled["code"], "account": "telltale"})).await;
    let credential = setup.credential(NUMBER, &crate::support::person(1)).await;
    setup.operate("/v1/confirmations", &json!({"code": "K7QF-2M9X", "account": "telltale"})).await;
    setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await;
    let written = setup.log.text() + &setup.metrics().await;
    assert!(written.contains("listening") && written.contains("operation=\"Issue\""), "{written}");
    let code = enrolled["code"].as_str().unwrap();
    let ticket = enrolled["ticket"].as_str().unwrap();
    let (id, key) = (hex::encode(credential.id), hex::encode(credential.holder.to_bytes()));
    for secret in ["4155550123", "telltale", code, ticket, &id, &key, &setup.files.token(), "K7QF"] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
}

#[tokio::test]
async fn a_new_token_counts_from_the_reload_on_and_a_broken_one_never() {
    let setup = Setup::new().await;
    let old = setup.files.token();
    let open = async |token: &str| {
        let request = Request::get("/v1/enrolments").header("authorization", format!("Bearer {token}"));
        setup.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
    };
    let (new, file) = ("5a".repeat(32), setup.files.path("operator.token"));
    std::fs::write(&file, &new).unwrap();
    assert_eq!((open(&old).await, open(&new).await), (200, 401), "nobody has asked for it yet");
    setup.provider.reload().unwrap();
    assert_eq!((open(&old).await, open(&new).await), (401, 200));

    std::fs::write(&file, &new[1..]).unwrap();
    let error = setup.provider.reload().unwrap_err();
    assert_eq!(error.what, "the operator's token");
    assert!(!error.to_string().contains(&new[1..]) && !setup.log.text().contains(&new[1..]));
    assert_eq!((open(&old).await, open(&new).await), (401, 200));
}
