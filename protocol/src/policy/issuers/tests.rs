//! What a policy may say of issuers and prices, and what it may not.

use super::*;
use crate::policy::{Authorities, Policy, Services};
use crate::statement::{open, sign};
use crate::time::DAY;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::Value as Json;

/// The keys of RFC 9578, Appendix B.2.
fn keys() -> Vec<TokenKey> {
    let vectors: Vec<Json> =
        serde_json::from_str(include_str!("../../../../tests/vectors/rfc9578-public-tokens.json")).unwrap();
    let mut keys: Vec<TokenKey> = Vec::new();
    for vector in vectors {
        let key = TokenKey::from_spki(&hex::decode(vector["pkS"].as_str().unwrap()).unwrap()).unwrap();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Another key, whose truncated id is the same as that of `key`, or not. Nobody has its private half.
fn key_like(key: &TokenKey, same_truncated_id: bool) -> TokenKey {
    let mut spki = key.to_spki();
    loop {
        spki[100] = spki[100].wrapping_add(1);
        if spki[100] == 0 {
            spki[101] = spki[101].wrapping_add(1);
        }
        let other = TokenKey::from_spki(&spki).unwrap();
        if (other.truncated_id() == key.truncated_id()) == same_truncated_id {
            return other;
        }
    }
}

fn epoch(key: &TokenKey, days: u64) -> Epoch {
    let from = Timestamp::from_unix(20_000 * DAY);
    Epoch { key: key.clone(), from, until: from.plus(days * DAY) }
}

fn issuer(name: &str, keys: Vec<Epoch>) -> Issuer {
    let name = Domain::new(name).unwrap();
    Issuer { name, redemptions_per_day: 1_000_000, not_found_per_day: 50_000, keys }
}

fn policy(issuers: Issuers, prices: Prices) -> Policy {
    Policy {
        domain: Domain::new("dp.example").unwrap(),
        serial: 1,
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::from_unix(DAY),
        operator: "Example".to_owned(),
        keys: vec![1, 2, 3],
        authorities: Authorities::default(),
        sizes: (4096, 8192),
        services: Services::default(),
        issuers,
        prices,
    }
}

#[test]
fn issuers_and_prices_survive_the_signed_policy() {
    let [one, two] = [keys()[0].clone(), key_like(&keys()[0], false)];
    let issuers = Issuers::new(vec![
        issuer("one.example", vec![epoch(&one, 7)]),
        issuer("two.example", vec![epoch(&two, 90)]),
    ]);
    let signed = policy(issuers.unwrap(), Prices::new(1, 2, 0).unwrap());
    let key = SigningKey::from_bytes(&[9; 32]);
    let read: Policy = open(&sign(&signed, &key), &key.verifying_key()).unwrap();
    assert_eq!(read, signed);
    let (of, epoch) = read.issuers.of_key(two.id()).unwrap();
    assert_eq!((of.name.as_str(), &epoch.key), ("two.example", &two));
}

#[test]
fn a_policy_without_tokens_is_as_short_as_before() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let free = policy(Issuers::default(), Prices::default());
    let bytes = sign(&free, &key);
    assert_eq!(open::<Policy>(&bytes, &key.verifying_key()).unwrap(), free);
    let priced = sign(&policy(Issuers::default(), Prices::new(1, 0, 0).unwrap()), &key);
    assert_eq!(priced.len(), bytes.len() + 5, "one key, and an array of three numbers");
}

#[test]
fn a_key_counts_from_its_first_moment_to_before_its_last() {
    let epoch = epoch(&keys()[0], 7);
    assert!(epoch.is_current(epoch.from));
    assert!(epoch.is_current(epoch.until.minus(1)));
    assert!(!epoch.is_current(epoch.from.minus(1)));
    assert!(!epoch.is_current(epoch.until));
}

fn refused(list: Vec<Issuer>) -> IssuersError {
    Issuers::new(list).unwrap_err()
}

#[test]
fn rejects_two_issuers_of_one_name() {
    let [one, two] = [keys()[0].clone(), key_like(&keys()[0], false)];
    let list = vec![issuer("a.example", vec![epoch(&one, 7)]), issuer("a.example", vec![epoch(&two, 7)])];
    assert_eq!(refused(list), IssuersError::SameName);
}

#[test]
fn rejects_one_key_of_two_issuers() {
    let key = &keys()[0];
    let list = vec![issuer("a.example", vec![epoch(key, 7)]), issuer("b.example", vec![epoch(key, 7)])];
    assert_eq!(refused(list), IssuersError::SameKey);
}

#[test]
fn rejects_two_keys_with_the_same_truncated_id() {
    let one = keys()[0].clone();
    let two = key_like(&one, true);
    let list = vec![issuer("a.example", vec![epoch(&one, 7), epoch(&two, 7)])];
    assert_eq!(refused(list), IssuersError::SameTruncatedId);
}

#[test]
fn rejects_a_key_that_lives_for_less_than_seven_days() {
    assert_eq!(refused(vec![issuer("a.example", vec![epoch(&keys()[0], 6)])]), IssuersError::ShortLife);
}

#[test]
fn rejects_an_issuer_without_a_key() {
    assert_eq!(refused(vec![issuer("a.example", Vec::new())]), IssuersError::Keys);
}

#[test]
fn rejects_too_many_issuers() {
    let list = (0..=MAX_ISSUERS).map(|n| issuer(&format!("i{n}.example"), Vec::new())).collect();
    assert_eq!(refused(list), IssuersError::TooMany);
}

#[test]
fn rejects_a_price_over_four() {
    assert!(Prices::new(4, 4, 4).is_some());
    assert!(Prices::new(5, 0, 0).is_none());
    assert!(Prices::from_cbor(Value::Array(vec![0.into(), 5.into(), 0.into()])).is_none());
}

#[test]
fn rejects_a_second_encoding_of_all_free() {
    assert!(Prices::from_cbor(Value::Array(vec![0.into(), 0.into(), 0.into()])).is_none());
}

proptest! {
    #[test]
    fn any_affordable_prices_survive(lookup in 0..=4u8, publish in 0..=4u8, withdraw in 1..=4u8) {
        let prices = Prices::new(lookup, publish, withdraw).unwrap();
        prop_assert_eq!(Prices::from_cbor(prices.to_cbor()), Some(prices));
    }
}
