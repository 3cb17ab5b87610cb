//! What an issuer may say, and what comes of it.

use super::issuer::{directory, honest, issuers, issuing, key, other_key, profile_table, sign};
use crate::end_to_end::NOW;
use crate::refusals::fakes::{Fake, Provider, profile_text, response};
use discreet_client::{Client, Error, MAX_STOCK, Profile, RelayError, TokensError};
use discreet_protocol::policy::Prices;
use http::Method;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A client of `issuer`, whose policy comes from two relays that have nothing else.
pub(crate) async fn client(issuer: &Fake) -> (Client, [Fake; 2]) {
    let provider = Provider::new();
    let prices = Prices::new(1, 1, 1).unwrap();
    let served = provider.serve(&discreet_client::Policy { issuers: issuers(), prices, ..provider.policy() });
    let relay = || {
        let served = served.clone();
        Fake::start(move |_| served.clone())
    };
    let relays = [relay().await, relay().await];
    let text = profile_text(&relays.each_ref().map(Fake::url)) + &profile_table(issuer);
    let builder = Client::builder(Profile::from_toml(&text).unwrap()).issuer_bearer("mF_9.B5f-4.1JqM");
    (builder.clock(|| NOW.unix()).build().unwrap(), relays)
}

async fn refused(issuer: &Fake) -> TokensError {
    let (client, _relays) = client(issuer).await;
    let Err(Error::Tokens(error)) = client.refill_tokens(5, &|_| {}).await.map(drop) else {
        panic!("it gives")
    };
    assert_eq!((issuer.asked(Method::GET), issuer.asked(Method::POST)), (1, 0), "nothing may be requested");
    assert_eq!(client.tokens().await.unwrap().total(), 0);
    error
}

#[tokio::test]
async fn rejects_another_key_than_the_policys() {
    let issuer = issuing(directory(&[other_key()]), sign).await;
    assert_eq!(refused(&issuer).await, TokensError::KeysDiffer);
}

/// A key of one's own would be a name.
#[tokio::test]
async fn rejects_one_more_key_for_this_user() {
    for keys in [[other_key(), key()], [key(), other_key()]] {
        let issuer = issuing(directory(&keys), sign).await;
        assert_eq!(refused(&issuer).await, TokensError::KeysDiffer);
    }
}

#[tokio::test]
async fn rejects_a_directory_that_is_none() {
    let issuer = issuing(response(200, "text/html", "<p>"), sign).await;
    assert!(matches!(refused(&issuer).await, TokensError::Directory(_)));
    let issuer = issuing(response(200, "text/html", vec![b' '; 20_000]), sign).await;
    assert_eq!(refused(&issuer).await, TokensError::Exchange(RelayError::TooLarge));
}

#[tokio::test]
async fn more_than_the_wallet_takes_is_not_requested() {
    let issuer = honest(usize::MAX).await;
    let (client, _relays) = client(&issuer).await;
    let error = client.refill_tokens(MAX_STOCK + 1, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Tokens(TokensError::TooMany { most: MAX_STOCK })), "{error}");
    assert_eq!((issuer.asked(Method::GET), issuer.asked(Method::POST)), (0, 0));
}

#[tokio::test]
async fn what_came_before_the_quota_was_used_up_is_kept() {
    let issuer = honest(30).await;
    let (client, _relays) = client(&issuer).await;
    let told = AtomicUsize::new(0);
    let refill = client.refill_tokens(100, &|kept| told.store(kept, Ordering::Relaxed)).await.unwrap();
    assert_eq!((refill.kept, told.into_inner()), (30, 30));
    let error = refill.outcome.unwrap_err();
    let Error::Tokens(TokensError::Wait { again: Some(again) }) = error else { panic!("{error}") };
    assert_eq!(again, NOW.plus(3600));
    assert_eq!(client.tokens().await.unwrap().total(), 30);
    // Those on their way when the first was refused, and no more.
    assert!(issuer.asked(Method::POST) <= 30 + 16, "{}", issuer.asked(Method::POST));
}

/// One bad signature among good ones: the good ones are kept, and it goes no further.
#[tokio::test]
async fn rejects_a_token_that_does_not_verify() {
    let asked = AtomicUsize::new(0);
    let issuer = issuing(directory(&[key()]), move |request| {
        if asked.fetch_add(1, Ordering::Relaxed) == 20 {
            return response(200, "application/private-token-response", vec![1; 256]);
        }
        sign(request)
    })
    .await;
    let (client, _relays) = client(&issuer).await;
    let refill = client.refill_tokens(100, &|_| {}).await.unwrap();
    assert!(matches!(refill.outcome, Err(Error::Tokens(TokensError::Forged))));
    assert!((20..=36).contains(&refill.kept), "{}", refill.kept);
    assert_eq!(client.tokens().await.unwrap().total(), refill.kept);
}

#[tokio::test]
async fn the_issuer_sees_its_users_token_and_no_two_requests_alike() {
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let issuer = issuing(directory(&[key()]), {
        let seen = seen.clone();
        move |request| {
            assert_eq!(request.headers()["authorization"], "Bearer mF_9.B5f-4.1JqM");
            seen.lock().unwrap().push(request.body().clone());
            sign(request)
        }
    })
    .await;
    let (client, relays) = client(&issuer).await;
    client.refill_tokens(40, &|_| {}).await.unwrap().outcome.unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 40);
    // Nothing of it goes through a relay.
    assert!(relays.iter().all(|relay| relay.asked(Method::POST) == 0));
}

/// What is asked for says nothing about how many were used.
#[tokio::test]
async fn as_many_are_asked_for_when_the_wallet_is_full() {
    let issuer = honest(usize::MAX).await;
    let (client, _relays) = client(&issuer).await;
    for (asked, stock) in [(MAX_STOCK, MAX_STOCK), (MAX_STOCK + 5, MAX_STOCK)] {
        let count = asked - issuer.asked(Method::POST);
        let refill = client.refill_tokens(count, &|_| {}).await.unwrap();
        refill.outcome.unwrap();
        assert_eq!((refill.kept, issuer.asked(Method::POST)), (count, asked));
        assert_eq!(client.tokens().await.unwrap().total(), stock);
    }
}

/// The directory is everybody's: who asks for it has no name yet.
#[tokio::test]
async fn the_directory_is_fetched_without_credentials() {
    let named = std::sync::Arc::new(Mutex::new(Vec::new()));
    let issuer = Fake::start({
        let named = named.clone();
        let directory = directory(&[key()]);
        move |request| {
            let has_name = request.headers().contains_key("authorization");
            named.lock().unwrap().push((request.method().clone(), has_name));
            if *request.method() == Method::GET { directory.clone() } else { sign(request) }
        }
    })
    .await;
    let (client, _relays) = client(&issuer).await;
    client.refill_tokens(1, &|_| {}).await.unwrap().outcome.unwrap();
    assert_eq!(*named.lock().unwrap(), [(Method::GET, false), (Method::POST, true)]);
}
