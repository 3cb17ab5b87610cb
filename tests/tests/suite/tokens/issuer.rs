//! An issuer whose every word is the test's: it has the key of RFC 9578's vectors.

use crate::end_to_end::NOW;
use crate::refusals::fakes::{Fake, response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blind_rsa_signatures::SecretKeySha384PSSDeterministic as SecretKey;
use bytes::Bytes;
use discreet_protocol::policy::{Epoch, Issuer, Issuers};
use discreet_protocol::time::DAY;
use discreet_protocol::token::{TokenKey, TokenRequest};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::world::domain;

pub(crate) const NAME: &str = "issuer.example";

static VECTOR: LazyLock<Value> = LazyLock::new(|| {
    let vectors = include_str!("../../../vectors/rfc9578-public-tokens.json");
    serde_json::from_str::<Vec<Value>>(vectors).unwrap().swap_remove(0)
});

static SECRET: LazyLock<SecretKey> = LazyLock::new(|| {
    let pem = hex::decode(VECTOR["skS"].as_str().unwrap()).unwrap();
    SecretKey::from_pem(&String::from_utf8(pem).unwrap()).unwrap()
});

pub(crate) fn key() -> TokenKey {
    TokenKey::from_spki(&hex::decode(VECTOR["pkS"].as_str().unwrap()).unwrap()).unwrap()
}

/// A key whose private half nobody has.
pub(crate) fn other_key() -> TokenKey {
    let mut spki = key().to_spki();
    spki[200] ^= 1;
    TokenKey::from_spki(&spki).unwrap()
}

/// Prices of a lookup, of publishing and of withdrawing, and the issuer, for a rules file.
pub(crate) fn rules(prices: [u8; 3]) -> String {
    let [lookup, publish, withdraw] = prices;
    format!(
        "[prices]\nlookup = {lookup}\npublish = {publish}\nwithdraw = {withdraw}\n\
         [[issuers]]\nname = \"{NAME}\"\nredemptions_per_day = 1000\nnot_found_per_day = 1000\n\
         [[issuers.keys]]\nkey = \"{}\"\nfrom = 2027-01-10\nuntil = 2027-01-30\n",
        URL_SAFE_NO_PAD.encode(key().to_spki())
    )
}

/// The same for a policy.
pub(crate) fn issuers() -> Issuers {
    let keys = vec![Epoch { key: key(), from: NOW.minus(DAY), until: NOW.plus(14 * DAY) }];
    let (name, redemptions_per_day, not_found_per_day) = (domain(NAME), 1000, 1000);
    Issuers::new(vec![Issuer { name, redemptions_per_day, not_found_per_day, keys }]).unwrap()
}

/// The table that makes a profile use the issuer.
pub(crate) fn profile_table(issuer: &Fake) -> String {
    format!("\n[issuer]\nname = \"{NAME}\"\nurl = \"{}\"\n", issuer.url().trim_end_matches("/dp"))
}

pub(crate) fn directory(keys: &[TokenKey]) -> Response<Bytes> {
    let key = |key: &TokenKey| json!({ "token-type": 2, "token-key": URL_SAFE_NO_PAD.encode(key.to_spki()) });
    let keys: Vec<_> = keys.iter().map(key).collect();
    let document = json!({ "issuer-request-uri": "/v1/tokens", "token-keys": keys }).to_string();
    response(200, "application/private-token-issuer-directory", document)
}

/// Signs whatever it is asked to.
pub(crate) fn sign(request: &Request<Bytes>) -> Response<Bytes> {
    assert_eq!(request.uri().path(), "/v1/tokens");
    assert_eq!(request.headers()["content-type"], "application/private-token-request");
    let asked = TokenRequest::decode(request.body()).unwrap();
    assert_eq!(asked.truncated_key_id, key().truncated_id());
    response(200, "application/private-token-response", SECRET.blind_sign(&asked.blinded[..]).unwrap().0)
}

/// An honest issuer that signs `quota` times.
pub(crate) async fn honest(quota: usize) -> Fake {
    let signed = AtomicUsize::new(0);
    issuing(directory(&[key()]), move |request| {
        if signed.fetch_add(1, Ordering::Relaxed) < quota {
            return sign(request);
        }
        let mut refused = response(429, "application/problem+json", "{}");
        refused.headers_mut().insert("retry-after", "3600".parse().unwrap());
        refused
    })
    .await
}

/// One that shows `directory` and answers requests with `issue`.
pub(crate) async fn issuing(
    directory: Response<Bytes>,
    issue: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
) -> Fake {
    Fake::start(move |request| match *request.method() {
        Method::GET => {
            assert_eq!(request.uri().path(), "/.well-known/private-token-issuer-directory");
            directory.clone()
        }
        _ => issue(request),
    })
    .await
}
