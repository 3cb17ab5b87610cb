//! A gateway that wants a date (RFC 9458 §6.5): it gets its own back, once, and never another.

use crate::end_to_end::ask;
use crate::refusals::fakes::{NUMBER, Provider, Relays, found};
use bytes::Bytes;
use discreet_client::{DirectoryError, Error, GatewayError, Outcome, VerifiableMapping};
use discreet_envelope::message;
use http::{Method, Request, Response};
use std::sync::{Arc, Mutex};

/// RFC 9110 §5.6.7: long ago, so that no clock of ours could have said it.
pub(crate) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const PROBLEM: &str = "{\"type\":\"https://iana.org/assignments/http-problem-types#date\",\"status\":400}";

/// What the gateway got, in order.
#[derive(Clone, Default)]
pub(crate) struct Got(Arc<Mutex<Vec<One>>>);

/// The `Date` inside, and the encapsulated key outside.
type One = (Option<String>, Vec<u8>);

impl Got {
    fn note(&self, provider: &Provider, request: &Request<Bytes>) -> Request<Bytes> {
        let opened = provider.keyring.open(request.body()).unwrap();
        let inner = message::decode_request(&opened.message).unwrap();
        let date = inner.headers().get("date").map(|date| date.to_str().unwrap().to_owned());
        // RFC 9458 §4.3: seven bytes of header, then `enc`.
        self.0.lock().unwrap().push((date, request.body()[7..39].to_vec()));
        inner
    }

    pub(crate) fn dates(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().iter().map(|(date, _)| date.clone()).collect()
    }
}

pub(crate) fn wants_date(dates: &[&str]) -> Response<Bytes> {
    let mut response = Response::builder().status(400).header("content-type", "application/problem+json");
    for date in dates {
        response = response.header("date", *date);
    }
    response.body(Bytes::from(PROBLEM)).unwrap()
}

/// A gateway that answers those who send its date, and asks the others for it with `asking`.
pub(crate) async fn gateway(asking: Response<Bytes>, got: &Got) -> Relays {
    let provider = Provider::new();
    let (answering, got) = (provider.clone(), got.clone());
    let content = Bytes::from(found(&[provider.person()]).encode().unwrap());
    let answer = move |request: &Request<Bytes>| {
        let inner = got.note(&answering, request);
        let change = !inner.uri().path().contains("/identifierQuery/");
        let inner = match inner.headers().get("date") {
            Some(date) if date == DATE && change => {
                Response::builder().status(204).body(Bytes::new()).unwrap()
            }
            Some(date) if date == DATE => Response::new(content.clone()),
            _ => asking.clone(),
        };
        answering.seal(request, &inner)
    };
    Relays::of(&provider, answer).await
}

#[tokio::test]
async fn c36_no_date_is_sent_unless_one_is_asked_for() {
    let (provider, got) = (Provider::new(), Got::default());
    let (answering, noting) = (provider.clone(), got.clone());
    let content = Bytes::from(found(&[provider.person()]).encode().unwrap());
    let relays = Relays::of(&provider, move |request| {
        noting.note(&answering, request);
        answering.seal(request, &Response::new(content.clone()))
    });
    assert_eq!(relays.await.look_up().await.unwrap().outcome(), Outcome::OneService);
    assert_eq!(got.dates(), [None]);
}

#[tokio::test]
async fn c38_the_gateways_date_is_sent_once_freshly_sealed_through_the_same_relay() {
    for _ in 0..8 {
        let got = Got::default();
        let relays = gateway(wants_date(&[DATE]), &got).await;
        assert_eq!(relays.look_up().await.unwrap().outcome(), Outcome::OneService);
        assert_eq!(got.dates(), [None, Some(DATE.to_owned())]);
        let enc: Vec<_> = got.0.lock().unwrap().iter().map(|(_, enc)| enc.clone()).collect();
        assert_ne!(enc[0], enc[1]);
        let posts = relays.relays.each_ref().map(|relay| relay.asked(Method::POST));
        assert!(posts == [2, 0] || posts == [0, 2], "{posts:?}");
    }
}

#[tokio::test]
async fn c38_the_gateways_date_is_used_for_nothing_else() {
    let got = Got::default();
    let relays = gateway(wants_date(&[DATE]), &got).await;
    let answer = relays.look_up().await.unwrap();
    // Judged by our clock: by that date no mapping would be valid yet.
    assert!(answer.mappings[0].fresh_until > crate::end_to_end::NOW);
    relays.look_up().await.unwrap();
    assert_eq!(got.dates(), [None, Some(DATE.to_owned()), None, Some(DATE.to_owned())]);
}

#[tokio::test]
async fn c38_a_date_that_is_refused_is_not_sent_again() {
    let got = Got::default();
    // It asks for another date than it takes.
    let relays = gateway(wants_date(&["Sun, 06 Nov 1994 08:49:38 GMT"]), &got).await;
    let error = relays.look_up().await.unwrap_err();
    assert!(matches!(error, Error::Gateway(GatewayError::DateRefused)), "{error}");
    assert!(!error.is_refusal());
    assert_eq!(got.dates().len(), 2);
    assert_eq!(relays.asked(Method::GET), 2, "the policy has nothing to do with it");
    relays.look_up().await.unwrap_err();
    assert_eq!(got.dates()[2], None, "the next lookup is without a date again");
}

#[tokio::test]
async fn rejects_date_problem_without_a_usable_date() {
    for dates in [&[][..], &["yesterday"], &[DATE, DATE]] {
        let got = Got::default();
        let error = gateway(wants_date(dates), &got).await.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Gateway(GatewayError::NoDate)), "{dates:?}: {error}");
        assert_eq!(got.dates().len(), 1);
    }
}

#[tokio::test]
async fn c37_only_a_400_with_the_registered_type_asks_for_a_date() {
    let mut other_status = wants_date(&[DATE]);
    *other_status.status_mut() = http::StatusCode::FORBIDDEN;
    let mut other_media = wants_date(&[DATE]);
    other_media.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let mut other_type = wants_date(&[DATE]);
    *other_type.body_mut() = Bytes::from("{\"type\":\"about:blank\"}");
    for (asking, status) in [(other_status, 403), (other_media, 400), (other_type, 400)] {
        let got = Got::default();
        let error = gateway(asking, &got).await.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Directory(DirectoryError::Status(said)) if said == status), "{error}");
        assert_eq!(got.dates(), [None]);
    }
}

/// Before decapsulation anybody on the way could ask for a date of his choice.
#[tokio::test]
async fn a_date_problem_of_the_relay_is_none() {
    let provider = Provider::new();
    let relays = Relays::of(&provider, |_| wants_date(&[DATE])).await;
    let error = relays.look_up().await.unwrap_err();
    assert!(matches!(error, Error::Relay { .. }), "{error}");
    assert_eq!(relays.asked(Method::POST), 1);
}

#[tokio::test]
async fn c38_a_publication_is_sent_again_with_the_gateways_date() {
    let got = Got::default();
    let relays = gateway(wants_date(&[DATE]), &got).await;
    let person = Provider::new().person();
    let mapping = VerifiableMapping::new(person.signed_mapping(), person.signed_status());
    let sent = relays.client.publish(mapping, None).await.unwrap();
    sent.outcome.unwrap();
    assert_eq!(got.dates(), [None, Some(DATE.to_owned())]);
    assert!(relays.client.lookup(ask(NUMBER)).await.is_ok());
}
