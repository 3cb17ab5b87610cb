//! Answers that were damaged on the way, or that the gateway framed wrongly.

use crate::refusals::fakes::{Provider, Relays, found, response};
use bytes::Bytes;
use discreet_client::{DirectoryError, Error, Fault, GatewayError, Outcome};
use http::{Request, Response};

/// What a client makes of an answer that an honest gateway sealed and somebody bent.
async fn of_bent(bend: impl Fn(&mut Vec<u8>) + Clone + Send + Sync + 'static) -> Result<Outcome, Error> {
    let provider = Provider::new();
    let (answering, person) = (provider.clone(), provider.person());
    let relays = Relays::of(&provider, move |request| {
        let inner = Response::new(Bytes::from(found(std::slice::from_ref(&person)).encode().unwrap()));
        let mut sealed = answering.seal(request, &inner).into_body().to_vec();
        bend(&mut sealed);
        response(200, "message/ohttp-res", sealed)
    });
    relays.await.look_up().await.map(|answer| answer.outcome())
}

/// What a client makes of this inner message.
async fn of_message(message: Vec<u8>) -> Error {
    let provider = Provider::new();
    let answering = provider.clone();
    let lookup = move |request: &Request<Bytes>| answering.seal_message(request, message.clone());
    Relays::of(&provider, lookup).await.look_up().await.unwrap_err()
}

#[tokio::test]
async fn the_fakes_are_believed_when_they_are_honest() {
    assert_eq!(of_bent(|_| {}).await.unwrap(), Outcome::OneService);
}

#[tokio::test]
async fn c14_rejects_garbled_answer() {
    // In the nonce, in the ciphertext, in the padding, in the tag.
    for at in [0, 15, 16, 500, 8000, 8176, 8191] {
        let error = of_bent(move |sealed| sealed[at] ^= 1).await.unwrap_err();
        assert!(matches!(error, Error::Gateway(GatewayError::Decapsulate)), "{at}: {error}");
        assert_eq!(error.fault(), Fault::Gateway);
    }
}

#[tokio::test]
async fn c14_rejects_truncated_answer() {
    for size in [0, 1, 16, 31, 32, 4096, 8191] {
        let error = of_bent(move |sealed| sealed.truncate(size)).await.unwrap_err();
        assert!(matches!(error, Error::Gateway(GatewayError::Size)), "{size}: {error}");
    }
}

#[tokio::test]
async fn rejects_random_answer_of_the_right_size() {
    let error = of_bent(|sealed| *sealed = vec![0x5a; 8192]).await.unwrap_err();
    assert!(matches!(error, Error::Gateway(GatewayError::Decapsulate)), "{error}");
}

#[tokio::test]
async fn rejects_answer_to_another_lookup() {
    let provider = Provider::new();
    let (answering, person) = (provider.clone(), provider.person());
    let first = std::sync::Arc::new(std::sync::OnceLock::new());
    let relays = Relays::of(&provider, move |request| {
        let inner = Response::new(Bytes::from(found(std::slice::from_ref(&person)).encode().unwrap()));
        let sealed = answering.seal(request, &inner).into_body();
        response(200, "message/ohttp-res", first.get_or_init(|| sealed).clone())
    });
    let relays = relays.await;
    assert!(relays.look_up().await.is_ok());
    let error = relays.look_up().await.unwrap_err();
    assert!(matches!(error, Error::Gateway(GatewayError::Decapsulate)), "{error}");
}

#[tokio::test]
async fn c40_rejects_inner_message_that_is_no_response() {
    for message in [
        vec![],
        vec![9; 100],
        // A request (RFC 9458, Appendix A), a final 101, a status of 99.
        hex::decode("00034745540568747470730b6578616d706c652e636f6d012f").unwrap(),
        vec![1, 0x40, 101, 0, 0, 0],
        vec![1, 0x40, 99, 0, 0, 0],
    ] {
        let error = of_message(message.clone()).await;
        assert!(matches!(error, Error::Gateway(GatewayError::Message)), "{message:?}: {error}");
    }
}

#[tokio::test]
async fn inner_errors_are_the_providers() {
    for status in [400, 403, 404, 500, 503] {
        let message = [vec![1], (0x4000u16 | status).to_be_bytes().to_vec(), vec![0, 0, 0]].concat();
        let error = of_message(message).await;
        let Error::Directory(DirectoryError::Status(said)) = error else { panic!("{error}") };
        assert_eq!((said, error.fault()), (status, Fault::Provider));
    }
}
