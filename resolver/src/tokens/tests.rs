//! What is paid for, and every way of not paying. The tokens are signed by a library's plain RSASSA-PSS: a
//! finished token is nothing else (RFC 9578 §6.3).

use crate::fixture::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject};
use discreet_protocol::time::DAY;
use discreet_protocol::token::{Token, TokenInput, TokenKey, challenge_digest};
use http::Response;
use prometheus_client::encoding::text::encode;
use std::cell::Cell;
use std::sync::LazyLock;

mod cost;
mod prices;
mod set;

const ISSUER: &str = "issuer.example";
const OTHER: &str = "other.example";

/// The form of RFC 9578 §6.5, as its Appendix B.2 has it, up to the modulus.
const VECTORS: &str = include_str!("../../../tests/vectors/rfc9578-public-tokens.json");

/// Three keys, made once: two of [`ISSUER`], one of [`OTHER`].
static KEYS: LazyLock<[KeyPair; 3]> =
    LazyLock::new(|| [(); 3].map(|()| KeyPair::generate(KeySize::Rsa2048).unwrap()));

fn public(key: usize) -> TokenKey {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    let mut spki = hex::decode(vectors[0]["pkS"].as_str().unwrap()).unwrap();
    // `RSAPublicKey` (RFC 8017 §A.1.1): nine bytes, the modulus, five bytes.
    spki[81..81 + 256].copy_from_slice(&KEYS[key].public_key().as_ref()[9..9 + 256]);
    TokenKey::from_spki(&spki).unwrap()
}

/// A resolver that asks for tokens, and somebody who makes them as he likes.
struct Paying {
    site: Site,
    made: Cell<u64>,
}

fn rules(lookup: u8, redemptions: u64, not_found: u64) -> String {
    let key = |key, from, until| {
        let spki = URL_SAFE_NO_PAD.encode(public(key).to_spki());
        format!("[[issuers.keys]]\nkey = \"{spki}\"\nfrom = {from}\nuntil = {until}\n")
    };
    let issuer = |name: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nredemptions_per_day = {redemptions}\nnot_found_per_day = {not_found}\n"
        )
    };
    let prices = format!("[prices]\nlookup = {lookup}\npublish = 1\nwithdraw = 1\n");
    // The fixture's NOW lies on the second day of the first key, and before the second one's.
    let (now, later, end) = (day(-1), day(3), day(30));
    let all =
        [issuer(ISSUER), key(0, &now, &day(9)), key(1, &later, &end), issuer(OTHER), key(2, &now, &end)];
    [prices, all.concat()].concat()
}

fn day(offset: i64) -> String {
    let days = i64::try_from(NOW.unix() / DAY).unwrap() + offset;
    let date = time::OffsetDateTime::from_unix_timestamp(days * 86_400).unwrap().date();
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

impl Paying {
    fn new() -> Self {
        Self::with(1, 1000, 1000)
    }

    fn with(lookup: u8, redemptions: u64, not_found: u64) -> Self {
        Self { site: Site::with_rules(&rules(lookup, redemptions, not_found)), made: Cell::new(0) }
    }

    fn input(&self, key: usize, issuer: &str, origin: &str) -> TokenInput {
        self.made.set(self.made.get() + 1);
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.made.get().to_be_bytes());
        let digest = challenge_digest(&domain(issuer), &domain(origin));
        TokenInput { nonce, challenge_digest: digest, key_id: *public(key).id() }
    }

    fn token(&self) -> Token {
        signed(0, &self.input(0, ISSUER, DOMAIN))
    }

    fn ask(&self, number: &str, fields: &[String]) -> Response<Bytes> {
        self.site.post_with("identifierQuery", query(number), fields)
    }

    fn pay(&self, tokens: &[Token]) -> u16 {
        let fields: Vec<_> = tokens.iter().map(Token::to_field).collect();
        self.ask(NUMBER, &fields).status().as_u16()
    }

    fn count(&self, outcome: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.site.registry).unwrap();
        let line = format!("resolver_redemptions_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }
}

fn query(number: &str) -> Vec<u8> {
    IdentifierRequest { subject: Subject::Exact(phone(number)), tag: None }.encode().unwrap()
}

fn signed(key: usize, input: &TokenInput) -> Token {
    let mut authenticator = [0; 256];
    KEYS[key].sign(&RSA_PSS_SHA384, &SystemRandom::new(), &input.encode(), &mut authenticator).unwrap();
    Token::new(input, authenticator)
}

#[test]
fn a_token_pays_for_one_lookup() {
    let at = Paying::new();
    let token = at.token();
    let answer = at.ask(NUMBER, &[token.to_field()]);
    assert_eq!(answer.status(), 200);
    assert_eq!(IdentifierResponse::decode(answer.body()).unwrap().code, ResponseCode::NotFound);
    assert_eq!(at.pay(&[token]), 401, "it is spent");
    assert_eq!((at.count("Accepted"), at.count("SpentBefore")), (1, 1));
}

#[test]
fn without_a_token_nothing_is_answered_and_no_challenge_is_handed_out() {
    let at = Paying::new();
    let answer = at.ask(NUMBER, &[]);
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "PrivateToken");
    assert_eq!(at.count("Missing"), 1);
}

#[test]
fn what_is_free_takes_no_token() {
    let at = Paying::with(0, 1000, 1000);
    let token = at.token();
    assert_eq!(at.pay(&[]), 200);
    assert_eq!(at.pay(&[token]), 200, "and is not looked at");
    assert_eq!(at.count("Accepted"), 0);
}

#[test]
fn the_price_is_paid_exactly() {
    let at = Paying::with(3, 1000, 1000);
    let tokens: Vec<_> = (0..4).map(|_| at.token()).collect();
    assert_eq!(at.pay(&tokens[..2]), 400);
    assert_eq!(at.pay(&tokens), 400);
    assert_eq!(at.pay(&tokens[..3]), 200, "none of them was spent by that");
}

#[test]
fn publishing_has_a_price_of_its_own() {
    let at = Paying::with(0, 1000, 1000);
    let content = person(ONE, 1, 10).content("Default", 1);
    assert_eq!(at.site.post("mappings", content.clone()).status(), 401);
    let paid = at.site.post_with("mappings", content, &[at.token().to_field()]);
    assert_eq!(paid.status(), 204);
    assert_eq!(at.site.services(None).len(), 1);
}

#[test]
fn rejects_a_field_that_holds_no_token() {
    let at = Paying::new();
    let field = at.token().to_field();
    for bad in ["Bearer abc", "PrivateToken", &field[..field.len() - 9]] {
        assert_eq!(at.ask(NUMBER, &[bad.to_owned()]).status(), 400, "{bad}");
    }
}

#[test]
fn rejects_one_token_twice_in_one_request() {
    let at = Paying::with(2, 1000, 1000);
    let token = at.token();
    assert_eq!(at.pay(&[token.clone(), token]), 401);
}

#[test]
fn rejects_tokens_of_two_issuers_in_one_request() {
    let at = Paying::with(2, 1000, 1000);
    let other = signed(2, &at.input(2, OTHER, DOMAIN));
    assert_eq!(at.pay(&[at.token(), other]), 400);
}

#[test]
fn rejects_a_forged_token() {
    let at = Paying::new();
    let good = at.token();
    let mut authenticator = *good.authenticator();
    authenticator[255] ^= 1;
    assert_eq!(at.pay(&[Token::new(&good.input(), authenticator)]), 401);
    let under_another_key = signed(2, &good.input());
    assert_eq!(at.pay(&[under_another_key]), 401);
    assert_eq!(at.count("Forged"), 2);
    assert_eq!(at.pay(&[good]), 200, "a forgery burns no honest token");
}

#[test]
fn rejects_a_token_for_another_origin() {
    let at = Paying::new();
    assert_eq!(at.pay(&[signed(0, &at.input(0, ISSUER, "other-dp.example"))]), 401);
    assert_eq!(at.count("OtherChallenge"), 1);
}

#[test]
fn rejects_a_token_for_another_issuers_challenge() {
    let at = Paying::new();
    assert_eq!(at.pay(&[signed(0, &at.input(0, OTHER, DOMAIN))]), 401);
    assert_eq!(at.count("OtherChallenge"), 1);
}

#[test]
fn rejects_a_token_of_an_issuer_that_is_not_listed() {
    let at = Paying::new();
    let mut input = at.input(0, ISSUER, DOMAIN);
    input.key_id[5] ^= 1;
    assert_eq!(at.pay(&[signed(0, &input)]), 401);
    assert_eq!(at.count("UnknownKey"), 1);
}

#[test]
fn rejects_a_token_before_and_after_its_keys_time() {
    let at = Paying::new();
    let early = signed(1, &at.input(1, ISSUER, DOMAIN));
    assert_eq!(at.pay(std::slice::from_ref(&early)), 401);
    let late = at.token();
    at.site.clock.set(NOW.start_of_day().unix() + 9 * DAY - 1);
    assert_eq!(at.pay(&[early]), 200, "both keys overlap");
    assert_eq!(at.pay(&[at.token()]), 200);
    at.site.clock.advance(1);
    assert_eq!(at.pay(&[late]), 401);
    assert_eq!(at.count("UnknownKey"), 2);
}

/// RFC 9578 gives a client nothing to date a token by; the clock that counts is the resolver's.
#[test]
fn a_clock_five_minutes_slow_takes_a_key_that_has_just_begun() {
    let at = Paying::new();
    at.site.clock.set(NOW.start_of_day().unix() + 3 * DAY - 300);
    assert_eq!(at.pay(&[signed(1, &at.input(1, ISSUER, DOMAIN))]), 200);
    at.site.clock.set(NOW.start_of_day().unix() + 3 * DAY - 301);
    assert_eq!(at.pay(&[signed(1, &at.input(1, ISSUER, DOMAIN))]), 401);
}

#[test]
fn an_issuers_budget_is_exact_and_its_own() {
    let at = Paying::with(1, 3, 1000);
    let statuses: Vec<_> = (0..4).map(|_| at.pay(&[at.token()])).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(at.pay(&[signed(2, &at.input(2, OTHER, DOMAIN))]), 200, "the other issuer has its own");
    at.site.clock.set(NOW.start_of_day().unix() + DAY);
    assert_eq!(at.pay(&[at.token()]), 200);
}

#[test]
fn over_the_budget_says_when_to_come_back_and_burns_nothing() {
    let at = Paying::with(1, 0, 1000);
    let token = at.token();
    let answer = at.ask(NUMBER, &[token.to_field()]);
    let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!((answer.status().as_u16(), seconds), (429, DAY - NOW.unix() % DAY));
}

#[test]
fn answers_not_found_have_a_budget_that_silences_hits_as_well() {
    let at = Paying::with(1, 1000, 2);
    at.site.post_with("mappings", person(ONE, 1, 10).content("Default", 1), &[at.token().to_field()]);
    assert_eq!(at.pay(&[at.token()]), 200);
    let absent = |at: &Paying| at.ask("+14155559999", &[at.token().to_field()]).status().as_u16();
    assert_eq!((absent(&at), absent(&at), absent(&at)), (200, 200, 429));
    assert_eq!(at.pay(&[at.token()]), 429, "an answer must not tell by its status what there is");
}

/// One user who enumerates must not keep the others of his issuer in the directory.
#[test]
fn a_used_up_budget_of_answers_not_found_keeps_nobody_from_publishing_and_withdrawing() {
    let at = Paying::with(1, 5, 1);
    let (alice, paid) = (person(ONE, 1, 10), || [at.token().to_field()]);
    let publish =
        |at: &Paying, serial| at.site.post_with("mappings", alice.content("Default", serial), &paid());
    // It is not charged, and so nothing is given back for it.
    assert_eq!(publish(&at, 1).status(), 204);
    let absent = |at: &Paying| at.ask("+14155559999", &[at.token().to_field()]).status();
    assert_eq!((absent(&at).as_u16(), absent(&at).as_u16()), (200, 429));
    assert_eq!(publish(&at, 2).status(), 204);
    let withdrawal = alice.withdrawal(None, 3);
    assert_eq!(at.site.post_with("withdrawals", withdrawal.clone(), &[]).status(), 401);
    assert_eq!(at.site.post_with("withdrawals", withdrawal, &paid()).status(), 204);
    assert_eq!(absent(&at).as_u16(), 429);
    // Redemptions they use up: one lookup and three changes leave one of five.
    assert_eq!((publish(&at, 4).status().as_u16(), publish(&at, 5).status().as_u16()), (204, 429));
}

/// Who looks absent on purpose costs what absence costs.
#[test]
fn a_hidden_mapping_counts_as_not_found() {
    let at = Paying::with(1, 1000, 1);
    let mut alice = person(ONE, 1, 10);
    alice.hidden = true;
    at.site.post_with("mappings", alice.content("Default", 1), &[at.token().to_field()]);
    assert_eq!((at.pay(&[at.token()]), at.pay(&[at.token()])), (200, 429));
}

#[test]
fn nothing_of_a_token_is_logged() {
    let at = Paying::new();
    let token = at.token();
    for _ in 0..2 {
        at.pay(std::slice::from_ref(&token));
    }
    assert_eq!(at.site.log.text(), "");
}
