//! No answer makes the client get tokens, pay more, or say more; without tokens it sends nothing.

use super::issuer::{honest, issuers, profile_table};
use crate::end_to_end::{NOW, ask};
use crate::refusals::fakes::{Fake, NUMBER, Provider, profile_text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use discreet_client::{Client, DirectoryError, Error, Policy, Profile, TokensError};
use discreet_protocol::policy::Prices;
use discreet_protocol::token::challenge;
use http::{Method, Response};
use tests::world::domain;

/// A client whose directory answers everything with `inner`, and who asked whom.
struct Asked {
    client: Client,
    relays: [Fake; 2],
    issuer: Fake,
}

impl Asked {
    async fn start(price: u8, inner: Response<Bytes>) -> Self {
        let provider = Provider::new();
        let prices = Prices::new(price, 0, 0).unwrap();
        let policy = Policy { issuers: issuers(), prices, ..provider.policy() };
        let served = provider.serve(&policy);
        let relay = || {
            let (provider, served, inner) = (provider.clone(), served.clone(), inner.clone());
            Fake::start(move |request| match *request.method() {
                Method::GET => served.clone(),
                _ => provider.seal(request, &inner),
            })
        };
        let (relays, issuer) = ([relay().await, relay().await], honest(100).await);
        let text = profile_text(&relays.each_ref().map(Fake::url)) + &profile_table(&issuer);
        let builder = Client::builder(Profile::from_toml(&text).unwrap()).clock(|| NOW.unix());
        Self { client: builder.fresh_tokens().build().unwrap(), relays, issuer }
    }

    fn lookups(&self) -> usize {
        self.relays.iter().map(|relay| relay.asked(Method::POST)).sum()
    }

    fn at_the_issuer(&self) -> (usize, usize) {
        (self.issuer.asked(Method::GET), self.issuer.asked(Method::POST))
    }
}

fn unpaid(fields: &[(&'static str, String)]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::UNAUTHORIZED;
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

#[tokio::test]
async fn without_tokens_nothing_is_sent() {
    let asked = Asked::start(1, unpaid(&[])).await;
    for _ in 0..3 {
        let error = asked.client.lookup(ask(NUMBER)).await.unwrap_err();
        assert!(matches!(error, Error::Tokens(TokensError::NoneUsable { price: 1, next: None })), "{error}");
        assert!(error.to_string().ends_with("nothing was sent"));
    }
    assert_eq!((asked.lookups(), asked.at_the_issuer()), (0, (0, 0)));
}

/// RFC 9577 §2.1, of our issuer and of another one, for us and for anybody.
#[tokio::test]
async fn a_challenge_in_an_answer_is_ignored() {
    for (issuer, origin) in [("issuer.example", "dp.example"), ("evil.example", "dp.example")] {
        let challenge = URL_SAFE.encode(challenge(&domain(issuer), &domain(origin)));
        let key = URL_SAFE.encode(super::issuer::other_key().to_spki());
        let field = format!("PrivateToken challenge=\"{challenge}\", token-key=\"{key}\"");
        let asked = Asked::start(1, unpaid(&[("www-authenticate", field)])).await;
        assert_eq!(asked.client.refill_tokens(4, &|_| {}).await.unwrap().kept, 4);
        let before = asked.at_the_issuer();
        for turn in 1..=3 {
            let error = asked.client.lookup(ask(NUMBER)).await.unwrap_err();
            assert!(matches!(error, Error::Directory(DirectoryError::Unpaid)), "{error}");
            // One token, one request; nothing is asked of the issuer, nothing is sent again.
            assert_eq!(asked.client.tokens().await.unwrap().total(), 4 - turn);
            assert_eq!((asked.lookups(), asked.at_the_issuer()), (turn, before));
        }
    }
}

/// A lookup that the policy calls free stays free, whatever an answer says.
#[tokio::test]
async fn a_challenge_does_not_make_a_free_lookup_cost() {
    let field = "PrivateToken challenge=\"AAIAAAAAAA==\"".to_owned();
    let asked = Asked::start(0, unpaid(&[("www-authenticate", field)])).await;
    asked.client.refill_tokens(2, &|_| {}).await.unwrap();
    assert!(asked.client.lookup(ask(NUMBER)).await.is_err());
    assert_eq!(asked.client.tokens().await.unwrap().total(), 2);
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_told_from_a_token_that_is_not_taken() {
    let mut response = unpaid(&[]);
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let asked = Asked::start(1, response).await;
    asked.client.refill_tokens(1, &|_| {}).await.unwrap();
    let error = asked.client.lookup(ask(NUMBER)).await.unwrap_err();
    assert!(matches!(error, Error::Directory(DirectoryError::OverBudget)), "{error}");
    assert!(!error.is_refusal());
}
