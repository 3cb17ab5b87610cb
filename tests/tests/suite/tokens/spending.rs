//! What a gateway takes, and what it does not, from the wire.

use super::*;
use discreet_protocol::token::TokenKey;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_comes_over_64_connections_at_once_pays_once() {
    let at = Paid::new();
    let gateway = at.start();
    let token = at.mint.token();
    let all_connected = Arc::new(Barrier::new(CONNECTIONS));
    let mut asking = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (http, token, all_connected) = (at.http(&gateway), token.clone(), Arc::clone(&all_connected));
        asking.spawn(async move {
            let keys = http.keys().await;
            all_connected.wait().await;
            pay(&http, &keys, &token).await
        });
    }
    let mut statuses = asking.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses[..2], [200, 401]);
    assert_eq!(statuses[CONNECTIONS - 1], 401);
    let http = at.http(&gateway);
    assert_eq!(pay(&http, &http.keys().await, &at.mint.token()).await, 200, "the next one pays");
}

#[tokio::test]
async fn rejects_what_was_not_issued_for_here_and_now() {
    let at = Paid::new();
    let (other, later) = (Mint::new("other.example"), Mint::new("later.example"));
    let rules = std::fs::read_to_string(at.site.path("rules.toml")).unwrap();
    // Its key begins in two days.
    at.site.write("rules.toml", &(rules + &later.rules(1000, 1000, now(), [2, 20])));
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let good = at.mint.token();
    let mut forged = *good.authenticator();
    forged[255] ^= 1;
    let field = good.to_field();
    let mut bent = good.input();
    bent.nonce[0] ^= 1;
    for (what, fields, status) in [
        ("nothing", vec![], 401),
        ("a bent authenticator", vec![Token::new(&good.input(), forged).to_field()], 401),
        ("another input", vec![Token::new(&bent, *good.authenticator()).to_field()], 401),
        ("another key's signature", vec![other.sign(&good.input()).to_field()], 401),
        ("a token for another origin", vec![at.mint.token_for("other-dp.example").to_field()], 401),
        ("a token under a key of another time", vec![later.token().to_field()], 401),
        ("a token of an issuer that is not listed", vec![other.token().to_field()], 401),
        ("a truncated token", vec![field[..field.len() - 9].to_owned() + "\""], 400),
        ("a token without its end", vec![field[..field.len() - 1].to_owned()], 400),
        ("another scheme", vec!["Bearer abc".to_owned()], 400),
        ("two for the price of one", vec![field.clone(), at.mint.token().to_field()], 400),
    ] {
        let answer = http.inside(&keys, lookup(NUMBER, &fields)).await;
        assert_eq!(answer.status(), status, "{what}");
        assert!(
            answer.headers().get("www-authenticate").is_none_or(|value| value == "PrivateToken"),
            "{what}"
        );
    }
    assert_eq!(pay(&http, &keys, &good).await, 200, "none of it burnt an honest token");
    assert_eq!(pay(&http, &keys, &good).await, 401);
}

#[tokio::test]
async fn over_its_budget_an_issuer_gets_429_in_the_same_size() {
    let at = Paid::with_budgets(2, 1000);
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(pay(&http, &keys, &at.mint.token()).await);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}

/// A request for a token names the key by one byte, so that two such keys could not be told apart.
#[test]
fn rejects_two_keys_of_one_issuer_with_the_same_truncated_id() {
    let at = Paid::new();
    let spki = at.mint.key().to_spki();
    let same =
        (0..=u8::MAX).flat_map(|high| (0..=u8::MAX).map(move |low| [high, low])).find_map(|[high, low]| {
            let mut spki = spki.clone();
            (spki[200], spki[201]) = (high, low);
            let key = TokenKey::from_spki(&spki).ok()?;
            (key.truncated_id() == at.mint.key().truncated_id() && key != *at.mint.key()).then_some(key)
        });
    let field = |key: &TokenKey| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.to_spki())
    };
    let rules = std::fs::read_to_string(at.site.path("rules.toml")).unwrap();
    let (_, last) = rules.split_once("[[issuers.keys]]").unwrap();
    let second = last.replace(&field(at.mint.key()), &field(&same.unwrap()));
    at.site.write("rules.toml", &format!("{rules}[[issuers.keys]]{second}"));
    at.site.gateway(["--check-config"]).refused(2, "ends in the same byte of its id as another key");
}
