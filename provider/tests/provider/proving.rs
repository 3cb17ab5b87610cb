//! A second way to prove: the code goes somewhere, and comes back as an answer.

use crate::support::{Files, NOW, NUMBER, Setup, body, decode, person, refusal};
use discreet_protocol::identifier::Csi;
use discreet_provider::authority::prove::{Answer, Begun, Prove, Unavailable};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Sends codes; this one only keeps what it would have sent. None goes to a number that ends in 9.
#[derive(Default)]
struct Message(Mutex<Vec<(String, String)>>);

impl Prove for Message {
    fn begin(&self, csi: &Csi, code: &str) -> Result<Begun, Unavailable> {
        if csi.value().ends_with('9') {
            return Err(Unavailable);
        }
        self.0.lock().unwrap().push((csi.uri(), code.to_owned()));
        Ok(Begun { say: "Type the code that was sent to you.".to_owned(), show_code: false })
    }

    fn answer(&self, _: &Csi, code: &str, answer: &str) -> Answer {
        if answer == code { Answer::Proved } else { Answer::Wrong }
    }
}

async fn enrolled() -> (Setup, Arc<Message>, Value) {
    let message = Arc::new(Message::default());
    let setup = Setup::start(Files::new(), Arc::<Message>::clone(&message)).await;
    let ticket = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    (setup, message, ticket)
}

#[tokio::test]
async fn a_code_that_was_sent_proves_the_identifier() {
    let (setup, message, enrolled) = enrolled().await;
    assert_eq!(enrolled["code"], "", "whoever asks does not see it");
    let (to, code) = message.0.lock().unwrap().pop().unwrap();
    assert_eq!(to, NUMBER);
    let answer = |text: &str| json!({"ticket": enrolled["ticket"], "answer": text});
    let wrong = setup.post("/v1/enrolments/answer", &answer("K7QF-2M9X")).await;
    assert_eq!(refusal(&wrong), (403, "the answer is wrong".to_owned()));
    assert_eq!(setup.post("/v1/enrolments/answer", &answer(&code)).await.status(), 204);
    let ticket = decode(&enrolled["ticket"]).try_into().unwrap();
    setup.issued(&setup.redeem(NUMBER, &person(1), ticket).await);
}

#[tokio::test]
async fn rejects_a_sixth_answer() {
    let (setup, message, enrolled) = enrolled().await;
    let (_, code) = message.0.lock().unwrap().pop().unwrap();
    let answer = |text: &str| json!({"ticket": enrolled["ticket"], "answer": text});
    for _ in 0..4 {
        let wrong = setup.post("/v1/enrolments/answer", &answer("wrong")).await;
        assert_eq!(refusal(&wrong), (403, "the answer is wrong".to_owned()));
    }
    let last = setup.post("/v1/enrolments/answer", &answer(&"long".repeat(100))).await;
    assert_eq!(refusal(&last), (403, "the answer is wrong, and was the last one; enrol anew".to_owned()));
    assert_eq!(refusal(&setup.post("/v1/enrolments/answer", &answer(&code)).await).0, 409);
}

#[tokio::test]
async fn rejects_an_answer_after_an_hour() {
    let (setup, message, enrolled) = enrolled().await;
    let (_, code) = message.0.lock().unwrap().pop().unwrap();
    setup.clock.advance(3600);
    let answer = json!({"ticket": enrolled["ticket"], "answer": code});
    assert_eq!(refusal(&setup.post("/v1/enrolments/answer", &answer).await).0, 409);
}

#[tokio::test]
async fn rejects_an_answer_where_none_is_expected() {
    let setup = Setup::new().await;
    let enrolled = body(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await);
    for _ in 0..6 {
        let answer = json!({"ticket": enrolled["ticket"], "answer": enrolled["code"]});
        let refused = refusal(&setup.post("/v1/enrolments/answer", &answer).await);
        let sentence = "no answer is expected here; follow what you were told at the enrolment";
        assert_eq!(refused, (409, sentence.to_owned()));
    }
    let confirmation = json!({"code": enrolled["code"], "account": "ann"});
    assert_eq!(setup.operate("/v1/confirmations", &confirmation).await.status(), 204);
}

#[tokio::test]
async fn a_way_that_cannot_be_gone_leaves_nothing_behind() {
    let (setup, _, _) = enrolled().await;
    for _ in 0..6 {
        let answer = setup.post("/v1/enrolments", &json!({"identifier": "tel:+14155550199"})).await;
        assert_eq!(
            refusal(&answer),
            (503, "the identifier cannot be proved now; try again later".to_owned())
        );
    }
}

#[tokio::test]
async fn rejects_a_fifth_enrolment_of_one_identifier_at_once() {
    let setup = Setup::new().await;
    for _ in 0..4 {
        assert_eq!(setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await.status(), 200);
    }
    assert_eq!(refusal(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await).0, 429);
    let other = json!({"identifier": "tel:+14155550177"});
    assert_eq!(setup.post("/v1/enrolments", &other).await.status(), 200);
    setup.clock.advance(3599);
    assert_eq!(refusal(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await).0, 429);
    setup.clock.advance(1);
    assert_eq!(setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await.status(), 200);
}

#[tokio::test]
async fn wrong_answers_do_not_buy_another_message() {
    let (setup, message, enrolled) = enrolled().await;
    let mut ticket = enrolled["ticket"].clone();
    for begun in 1..=4 {
        for _ in 0..5 {
            setup.post("/v1/enrolments/answer", &json!({"ticket": ticket, "answer": "wrong"})).await;
        }
        let next = setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await;
        assert_eq!(next.status(), if begun < 4 { 200 } else { 429 });
        ticket = body(&next)["ticket"].clone();
    }
    assert_eq!(message.0.lock().unwrap().len(), 4);
}

/// Of all enrolments that wait: how many there are.
fn waiting(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM enrolments", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn when_too_many_wait_the_oldest_is_forgotten_and_nobody_refused() {
    let setup = Setup::new().await;
    let enrol = async |csi: &str| {
        let answer = setup.post("/v1/enrolments", &json!({"identifier": csi})).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        decode(&body(&answer)["ticket"]).try_into().unwrap()
    };
    let oldest = enrol(NUMBER).await;
    setup.clock.advance(1);
    let second = enrol("tel:+14155550177").await;
    setup.clock.advance(1);
    let connection = Connection::open(setup.files.path("authority.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let strangers = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 9998)
        INSERT INTO enrolments SELECT randomblob(32), 'code ' || n, 'tel:+1212' || n, ?1, 0 FROM n";
    connection.execute(strangers, [NOW as i64 + 2]).unwrap();
    assert_eq!(waiting(&connection), 10_000);

    let latest = enrol("tel:+14155550188").await;
    assert_eq!(waiting(&connection), 10_000, "the bound holds");
    assert_eq!(setup.redeem(NUMBER, &person(1), oldest).await.status(), 409);
    assert_eq!(setup.redeem("tel:+14155550177", &person(2), second).await.status(), 202);
    assert_eq!(setup.redeem("tel:+14155550188", &person(3), latest).await.status(), 202);
}

#[tokio::test]
async fn rejects_a_fifth_enrolment_without_forgetting_anybody() {
    let setup = Setup::new().await;
    let connection = Connection::open(setup.files.path("authority.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let strangers = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
        INSERT INTO enrolments SELECT randomblob(32), 'code ' || n, iif(n < 5, ?2, 'tel:+1212' || n), ?1, 0
        FROM n";
    connection.execute(strangers, rusqlite::params![NOW as i64, NUMBER]).unwrap();
    assert_eq!(refusal(&setup.post("/v1/enrolments", &json!({"identifier": NUMBER})).await).0, 429);
    assert_eq!(waiting(&connection), 10_000);
}
