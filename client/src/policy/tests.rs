//! Two copies of a policy, honest and otherwise.

use super::*;
use crate::storage::MemoryStorage;
use discreet_envelope::keys::{Aead, Kdf, KeyConfig, Suite};
use discreet_protocol::SigningKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Authorities, Issuers, Prices, Services};
use discreet_protocol::statement::sign;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn profile(key: &SigningKey) -> Profile {
    let key = hex::encode(key.verifying_key().to_bytes());
    let relays: String = ["a", "b"]
        .iter()
        .map(|name| format!("[[relays]]\nurl = \"https://{name}.example/dp\"\noperator = \"{name} Ltd\"\n"))
        .collect();
    Profile::from_toml(&format!("domain = \"dp.example\"\ndirectory_key = \"{key}\"\n{relays}")).unwrap()
}

/// The keys with these ids; each id has a key of its own.
fn keys(ids: &[u8]) -> Vec<u8> {
    let suite = Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm };
    let configs = ids.iter().map(|id| KeyConfig::new(*id, Kem::X25519, vec![*id; 32], [suite]).unwrap());
    KeyCollection::new(configs.collect()).unwrap().encode()
}

fn policy(serial: u64, keys: Vec<u8>) -> Policy {
    Policy {
        domain: Domain::new("dp.example").unwrap(),
        serial,
        not_before: NOW,
        not_after: NOW.plus(86_400),
        operator: "DP Ltd".to_owned(),
        keys,
        authorities: Authorities::default(),
        sizes: (4096, 8192),
        services: Services::default(),
        issuers: Issuers::default(),
        prices: Prices::default(),
    }
}

fn agree_on(storage: &MemoryStorage, one: &Policy, other: &Policy) -> Result<Session, Error> {
    agree_under(&SigningKey::from_bytes(&[7; 32]), storage, one, other)
}

fn agree_under(
    key: &SigningKey,
    storage: &MemoryStorage,
    one: &Policy,
    other: &Policy,
) -> Result<Session, Error> {
    let profile = profile(key);
    let (one, other) = (sign(one, key), sign(other, key));
    let copies =
        [Copy { relay: &profile.relays[0], bytes: &one }, Copy { relay: &profile.relays[1], bytes: &other }];
    agree(&profile, &copies, storage, NOW)
}

fn fresh() -> MemoryStorage {
    MemoryStorage::default()
}

#[test]
fn the_first_key_of_the_later_policy_that_both_have_is_used() {
    let (old, new) = (policy(1, keys(&[1, 2, 3])), policy(2, keys(&[4, 3, 2])));
    for (one, other) in [(&old, &new), (&new, &old)] {
        let session = agree_on(&fresh(), one, other).unwrap();
        assert_eq!(session.key[0], 3);
        assert_eq!(session.policy.serial, 2);
    }
}

#[test]
fn a_relay_that_lags_behind_is_no_rollback() {
    let storage = fresh();
    let (old, new) = (policy(1, keys(&[1, 2])), policy(2, keys(&[2, 3])));
    agree_on(&storage, &new, &new).unwrap();
    for (one, other) in [(&old, &new), (&new, &old)] {
        assert_eq!(agree_on(&storage, one, other).unwrap().policy.serial, 2);
    }
}

#[test]
fn rejects_policies_that_both_are_older_than_one_seen() {
    let storage = fresh();
    let (old, new) = (policy(1, keys(&[1])), policy(2, keys(&[1])));
    agree_on(&storage, &old, &new).unwrap();
    let refused = agree_on(&storage, &old, &old);
    assert!(matches!(refused, Err(Error::Policy { error: PolicyError::Rollback, .. })));
}

#[test]
fn the_highest_serial_of_a_stolen_directory_key_does_not_shut_out_the_next_key() {
    let storage = fresh();
    let (highest, first) = (policy(u64::MAX, keys(&[1])), policy(1, keys(&[1])));
    agree_on(&storage, &highest, &highest).unwrap();
    let next = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(agree_under(&next, &storage, &first, &first).unwrap().policy.serial, 1);
    assert!(agree_on(&storage, &first, &first).is_err());
}

#[test]
fn rejects_relays_without_a_common_key() {
    let refused = agree_on(&fresh(), &policy(1, keys(&[1])), &policy(2, keys(&[2])));
    assert!(matches!(refused, Err(Error::RelaysDisagree)));
}

#[test]
fn rejects_two_policies_of_one_serial() {
    let refused = agree_on(&fresh(), &policy(1, keys(&[1])), &policy(1, keys(&[1, 2])));
    assert!(matches!(refused, Err(Error::RelaysDisagree)));
}

#[test]
fn c05_rejects_policy_without_a_key_we_support() {
    let empty = policy(1, Vec::new());
    assert!(matches!(agree_on(&fresh(), &empty, &empty), Err(Error::NoSupportedKey)));
}

#[test]
fn rejects_a_relay_of_the_provider_itself() {
    let own = Policy { operator: "A  ltd".to_owned(), ..policy(1, keys(&[1])) };
    assert!(matches!(agree_on(&fresh(), &own, &own), Err(Error::RelayOfProvider { .. })));
}

#[test]
fn c03_rejects_collection_with_one_bad_byte() {
    let mut bad = keys(&[1, 2]);
    bad[1] ^= 1;
    let bad = policy(1, bad);
    let refused = agree_on(&fresh(), &bad, &bad);
    assert!(matches!(refused, Err(Error::Policy { error: PolicyError::Keys(_), .. })));
}

#[test]
fn the_latest_policy_seen_is_kept_while_it_is_valid() {
    let storage = MemoryStorage::default();
    let key = SigningKey::from_bytes(&[7; 32]);
    agree_on(&storage, &policy(2, keys(&[1])), &policy(3, keys(&[1]))).unwrap();
    let recalled = |now| recall(&profile(&key), &storage, now).unwrap().map(|policy| policy.serial);
    assert_eq!(recalled(NOW), Some(3));
    assert_eq!(recalled(NOW.plus(86_400)), None, "it has ended");
    let other = SigningKey::from_bytes(&[8; 32]);
    assert!(recall(&profile(&other), &storage, NOW).unwrap().is_none());
}
