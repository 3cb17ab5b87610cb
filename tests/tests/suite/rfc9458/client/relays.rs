//! Relays, and networks on the way to them, that do not do what relays do.

use crate::end_to_end::{NOW, ask};
use crate::refusals::fakes::{NUMBER, Provider, Relays, client, keyring, profile, response};
use discreet_client::{Client, Error, Fault, GatewayError, PolicyError, RelayError};
use discreet_protocol::policy::Policy;
use discreet_serve::Clock;
use http::{Method, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tests::{Net, World};

const PAGE: &str = "<!doctype html><title>Welcome to our WLAN</title>";
const FORGED: &str = "{\"type\":\"https://iana.org/assignments/http-problem-types#ohttp-key\"}";

fn relay_error(error: Error) -> RelayError {
    match error {
        Error::Relay { relay, error } => {
            assert!(relay.starts_with("127.0.0.1:"), "{relay}");
            error
        }
        other => panic!("{other}"),
    }
}

/// What a client makes of this answer to its lookup.
async fn of_lookup(answer: Response<bytes::Bytes>) -> Error {
    let relays = Relays::of(&Provider::new(), move |_| answer.clone()).await;
    let error = relays.look_up().await.unwrap_err();
    assert_eq!(relays.asked(Method::POST), 1, "nothing is sent twice");
    error
}

#[tokio::test]
async fn rejects_web_page_instead_of_policy() {
    let error = Relays::refusing(|_| response(200, "text/html", PAGE)).await;
    assert_eq!(error.fault(), Fault::Relay);
    assert_eq!(relay_error(error), RelayError::MediaType);
}

#[tokio::test]
async fn c15_rejects_web_page_instead_of_answer() {
    assert_eq!(relay_error(of_lookup(response(200, "text/html", PAGE)).await), RelayError::MediaType);
    let other = response(200, "message/ohttp-req", vec![0; 8192]);
    assert_eq!(relay_error(of_lookup(other).await), RelayError::MediaType);
    let none = Response::new(bytes::Bytes::from(vec![0; 8192]));
    assert_eq!(relay_error(of_lookup(none).await), RelayError::MediaType);
}

#[tokio::test]
async fn rejects_502() {
    let bare = RelayError::Status { status: 502, title: None };
    assert_eq!(relay_error(of_lookup(response(502, "text/html", PAGE)).await), bare);
    assert_eq!(relay_error(Relays::refusing(|_| response(502, "text/html", PAGE)).await), bare);
    let problem = response(502, "application/problem+json", "{\"title\":\"the gateway cannot be reached\"}");
    let title = Some("the gateway cannot be reached".to_owned());
    assert_eq!(relay_error(of_lookup(problem).await), RelayError::Status { status: 502, title });
}

#[tokio::test]
async fn a_problems_title_cannot_drive_a_terminal() {
    let title = "\\u001b[2Jgone\\r\\n\\u009bx";
    let problem = response(500, "application/problem+json", format!("{{\"title\":\"{title}\"}}"));
    let error = relay_error(of_lookup(problem).await);
    assert_eq!(error, RelayError::Status { status: 500, title: Some("[2Jgonex".to_owned()) });
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Relays::of(&Provider::new(), |_| response(500, "text/plain", "")).await;
    let url = elsewhere.relays[0].url();
    for status in [301, 302, 303, 307, 308] {
        let mut redirect = response(status, "text/plain", "");
        redirect.headers_mut().insert("location", url.parse().unwrap());
        let error = relay_error(of_lookup(redirect.clone()).await);
        assert_eq!(error, RelayError::Status { status, title: None });
        let error = relay_error(Relays::refusing(move |_| redirect.clone()).await);
        assert_eq!(error, RelayError::Status { status, title: None });
    }
    assert_eq!((elsewhere.asked(Method::GET), elsewhere.asked(Method::POST)), (0, 0));
}

#[tokio::test]
async fn rejects_relay_that_is_down() {
    // Bound and let go: nobody listens there.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [free(), free()].map(|address| format!("http://{address}/dp"));
    let error = client(profile(&urls), &Clock::manual(NOW.unix())).lookup(ask(NUMBER)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Relay);
    assert!(matches!(error, Error::Unconfirmed { .. }), "{error}");
}

#[tokio::test]
async fn rejects_relay_that_hangs_up() {
    let ([one, other], urls) = two_listeners().await;
    let client = client(profile(&urls), &Clock::manual(NOW.unix()));
    let hang_up = async |listener: tokio::net::TcpListener| {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream)
        }
    };
    let error = tokio::select! {
        answer = client.lookup(ask(NUMBER)) => answer.unwrap_err(),
        () = hang_up(one) => unreachable!("the listener goes on"),
        () = hang_up(other) => unreachable!("the listener goes on"),
    };
    assert_eq!(relay_error(error), RelayError::Broken);
}

#[tokio::test]
async fn rejects_relay_that_never_answers() {
    // Connections wait in the kernel's queue for ever.
    let (_listeners, urls) = two_listeners().await;
    let builder = Client::builder(profile(&urls)).clock(|| NOW.unix());
    let client = builder.timeout(Duration::from_millis(50)).build().unwrap();
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert_eq!(relay_error(error), RelayError::Timeout);
}

/// Two servers, for two operators, and the relays' addresses.
async fn two_listeners() -> ([tokio::net::TcpListener; 2], [String; 2]) {
    let listen = || tokio::net::TcpListener::bind("127.0.0.1:0");
    let listeners = [listen().await.unwrap(), listen().await.unwrap()];
    let urls = listeners.each_ref().map(|listener| format!("http://{}/dp", listener.local_addr().unwrap()));
    (listeners, urls)
}

#[tokio::test]
async fn c01_rejects_relay_with_untrusted_certificate() {
    let net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let stranger = Client::builder(net.profile()).clock(|| NOW.unix()).build().unwrap();
    let error = stranger.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(error.is_refusal());
    assert_eq!(relay_error(error), RelayError::Untrusted);
    assert!(net.client().build().unwrap().lookup(ask(NUMBER)).await.is_ok());
}

#[tokio::test]
async fn rejects_answer_of_another_size() {
    for size in [0, 1, 31, 8191] {
        let error = of_lookup(response(200, "message/ohttp-res", vec![1; size])).await;
        assert!(matches!(error, Error::Gateway(GatewayError::Size)), "{size}: {error}");
    }
}

#[tokio::test]
async fn rejects_answer_larger_than_any() {
    for size in [8193, 65_536] {
        let error = of_lookup(response(200, "message/ohttp-res", vec![1; size])).await;
        assert_eq!(relay_error(error), RelayError::TooLarge);
    }
    let policy =
        Relays::refusing(|_| response(200, "application/cose; cose-type=\"cose-sign1\"", vec![1; 16_385]));
    assert_eq!(relay_error(policy.await), RelayError::TooLarge);
}

#[tokio::test]
async fn c27_a_forged_key_problem_leads_to_one_fetch_and_no_loop() {
    let relays = Relays::of(&Provider::new(), |_| response(400, "application/problem+json", FORGED)).await;
    for lookups in 1..=3 {
        let error = relays.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Gateway(GatewayError::Key)), "{error}");
        assert_eq!((relays.asked(Method::GET), relays.asked(Method::POST)), (2 * lookups, lookups));
    }
}

/// Whoever forges the problem makes the client fetch the policy, and gains nothing by an old one.
#[tokio::test]
async fn c27_a_forged_key_problem_does_not_lead_back_to_older_keys() {
    let provider = Provider::new();
    let serial = Arc::new(AtomicU64::new(10));
    let (signer, shown) = (provider.clone(), Arc::clone(&serial));
    let policy = move |_| {
        let serial = shown.load(Ordering::SeqCst);
        // The older one has keys of its own.
        let keys = keyring(if serial == 10 { 1 } else { 2 }).collection().to_vec();
        signer.serve(&Policy { serial, keys, ..signer.policy() })
    };
    let forged = |_: &http::Request<bytes::Bytes>| response(400, "application/problem+json", FORGED);
    let relays = Relays::start(policy, forged).await;
    relays.look_up().await.unwrap_err();
    serial.store(9, Ordering::SeqCst);
    for lookups in 2..=3 {
        let error = relays.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Policy { error: PolicyError::Rollback, .. }), "{error}");
        assert_eq!(relays.asked(Method::GET), 2 * lookups, "one fetch for each lookup");
        assert_eq!(relays.asked(Method::POST), 1, "nothing is sealed with older keys");
    }
}

#[tokio::test]
async fn c27_a_key_problem_of_another_media_type_is_none() {
    for content_type in ["application/json", "text/html"] {
        let error = relay_error(of_lookup(response(400, content_type, FORGED)).await);
        assert_eq!(error, RelayError::Status { status: 400, title: None });
    }
}

#[tokio::test]
async fn rejects_relay_whose_gateway_is_down() {
    let mut net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let client = net.client().build().unwrap();
    client.lookup(ask(NUMBER)).await.unwrap();
    net.stop_gateway().await;
    let error = client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(!error.is_refusal());
    let RelayError::Status { status: 502, title: Some(title) } = relay_error(error) else { panic!() };
    assert!(title.contains("gateway"), "{title}");
}
