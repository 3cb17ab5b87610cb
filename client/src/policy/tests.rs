//! Two copies of a policy, honest and otherwise.

use super::*;
use crate::storage::MemoryStorage;
use discreet_envelope::keys::{Aead, Kdf, KeyConfig, Suite};
use discreet_protocol::SigningKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Authorities, Issuers, Prices, Services};
use discreet_protocol::statement::sign;
use discreet_protocol::time::DAY;

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

/// One issuer with these keys.
fn issuers(numbers: &[u8]) -> Issuers {
    let epochs = numbers.iter().map(|number| crate::testing::epoch(*number, -1, 13)).collect();
    crate::testing::paid_policy(Kem::X25519, (1, 1, 1), epochs).issuers
}

fn agree_on(storage: &MemoryStorage, one: &Policy, other: &Policy) -> Result<Session, Error> {
    agree_at(NOW, storage, one, other)
}

fn agree_at(now: Timestamp, storage: &MemoryStorage, one: &Policy, other: &Policy) -> Result<Session, Error> {
    agree_under(&SigningKey::from_bytes(&[7; 32]), now, storage, one, other)
}

fn agree_under(
    key: &SigningKey,
    now: Timestamp,
    storage: &MemoryStorage,
    one: &Policy,
    other: &Policy,
) -> Result<Session, Error> {
    let profile = profile(key);
    let (one, other) = (sign(one, key), sign(other, key));
    let copies =
        [Copy { relay: &profile.relays[0], bytes: &one }, Copy { relay: &profile.relays[1], bytes: &other }];
    agree(&profile, &copies, storage, now)
}

fn fresh() -> MemoryStorage {
    MemoryStorage::default()
}

/// A client that was there before a change has what both relays said then.
#[test]
fn while_relays_turn_to_other_terms_the_confirmed_ones_go_on() {
    for (keys, price) in [(keys(&[2, 3, 1]), 0), (keys(&[1, 2]), 1)] {
        let storage = fresh();
        let old = policy(1, self::keys(&[1, 2]));
        let new = Policy { prices: Prices::new(price, 0, 0).unwrap(), ..policy(2, keys) };
        agree_on(&storage, &old, &old).unwrap();
        for (one, other) in [(&old, &new), (&new, &old)] {
            let session = agree_on(&storage, one, other).unwrap();
            let Policy { serial, prices, .. } = session.policy;
            // All that no lookup shows is the later one's.
            assert_eq!((session.key[0], prices, serial), (1, old.prices, 2));
        }
        let session = agree_on(&storage, &new, &new).unwrap();
        assert_eq!((session.policy.prices, session.policy.keys), (new.prices, new.keys));
    }
}

#[test]
fn rejects_relays_that_turn_for_longer_than_copies_live() {
    let storage = fresh();
    let (old, new) = (policy(1, keys(&[1, 2])), policy(2, keys(&[2, 3, 1])));
    let old = Policy { not_after: NOW.plus(3 * DAY), ..old };
    let new = Policy { not_after: NOW.plus(3 * DAY), ..new };
    agree_on(&storage, &old, &old).unwrap();
    let later = |seconds| agree_at(NOW.plus(seconds), &storage, &old, &new).map(|session| session.key[0]);
    assert!(matches!((later(0), later(7199)), (Ok(1), Ok(1))));
    assert!(matches!(later(7200), Err(Error::RelaysDisagree)));
    assert!(
        matches!(later(86_400), Err(Error::RelaysDisagree)),
        "nor on the next day, until they have agreed"
    );
    agree_at(NOW.plus(90_000), &storage, &new, &new).unwrap();
    let newest = Policy { not_after: NOW.plus(3 * DAY), ..policy(3, keys(&[3, 4, 2])) };
    let turning = agree_at(NOW.plus(90_001), &storage, &new, &newest);
    assert_eq!(turning.unwrap().key[0], 2, "another change");
}

/// One relay with the directory key's owner: for a client of their own the terms of yesterday, in policies that are
/// later than everybody's.
#[test]
fn rejects_the_old_terms_in_later_policies_for_longer_than_copies_live() {
    let storage = fresh();
    let (old, honest) = (policy(1, keys(&[1, 2])), policy(2, keys(&[2, 3, 1])));
    agree_on(&storage, &old, &old).unwrap();
    let later = |seconds, serial| {
        let forged = Policy { serial, ..old.clone() };
        agree_at(NOW.plus(seconds), &storage, &forged, &honest).map(|session| session.key[0])
    };
    assert!(matches!((later(0, 3), later(7199, 4)), (Ok(1), Ok(1))));
    assert!(matches!(later(7200, 5), Err(Error::RelaysDisagree)));
}

/// One relay with the directory key's owner: for a client of their own, some other order of the keys, a dearer
/// lookup, or an issuer's key that nobody else has.
#[test]
fn rejects_a_later_policy_with_terms_that_one_relay_alone_hands_out() {
    let honest = Policy { issuers: issuers(&[0]), ..policy(5, keys(&[1, 2, 3])) };
    for forged in [
        Policy { keys: keys(&[2, 1, 3]), ..honest.clone() },
        Policy { keys: keys(&[2, 4, 1]), ..honest.clone() },
        Policy { prices: Prices::new(2, 0, 0).unwrap(), ..honest.clone() },
        Policy { issuers: issuers(&[1]), ..honest.clone() },
        Policy { issuers: issuers(&[0, 1]), ..honest.clone() },
    ] {
        for serial in [4, 6] {
            let forged = Policy { serial, ..forged.clone() };
            let refused = agree_on(&fresh(), &forged, &honest);
            assert!(matches!(refused, Err(Error::RelaysDisagree)), "a new client");
            let storage = fresh();
            agree_on(&storage, &honest, &honest).unwrap();
            let session = agree_on(&storage, &forged, &honest).unwrap();
            assert_eq!(session.key[0], 1);
            let Policy { keys, prices, issuers, .. } = session.policy;
            assert!((keys, prices, &issuers) == (honest.keys.clone(), honest.prices, &honest.issuers));
        }
    }
}

/// One relay alone, with a policy of the epoch before, for a client that was there then.
#[test]
fn rejects_a_policy_of_an_earlier_day_that_is_valid_and_leads_to_a_draining_key() {
    let storage = fresh();
    let valid = |serial, keys, day: Timestamp| Policy {
        not_before: day.minus(DAY),
        not_after: day.plus(7 * DAY),
        ..policy(serial, keys)
    };
    let begun = NOW.start_of_day();
    let (kept, honest) = (valid(1, keys(&[1, 2]), begun.minus(2 * DAY)), valid(4, keys(&[2, 3, 1]), begun));
    agree_at(begun.minus(2 * DAY), &storage, &kept, &kept).unwrap();
    // Also within two hours of midnight, when honest relays may be turning from the day before.
    for now in [begun.plus(1800), NOW] {
        let refused = agree_at(now, &storage, &kept, &honest);
        assert!(matches!(refused, Err(Error::RelaysDisagree)));
    }
    assert_eq!(agree_on(&storage, &honest, &honest).unwrap().key[0], 2);
    assert_eq!(agree_on(&storage, &kept, &honest).unwrap().key[0], 2);
}

/// What one relay hands out for a question about nobody is nobody's but that relay's.
#[cfg(feature = "transport")]
#[test]
fn terms_of_one_copy_alone_are_not_confirmed() {
    let (storage, key) = (fresh(), SigningKey::from_bytes(&[7; 32]));
    let (forged, honest) = (policy(1, keys(&[2, 1])), policy(2, keys(&[1, 2])));
    let (profile, bytes) = (profile(&key), sign(&forged, &key));
    let copy = Copy { relay: &profile.relays[0], bytes: &bytes };
    assert_eq!(alone(&profile, &copy, &storage, NOW).unwrap().key[0], 2);
    assert!(matches!(agree_on(&storage, &forged, &honest), Err(Error::RelaysDisagree)));
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
    assert_eq!(agree_under(&next, NOW, &storage, &first, &first).unwrap().policy.serial, 1);
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
