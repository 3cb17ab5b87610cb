//! Policies that no client may use: nothing is sent then.

use super::fakes::{Provider, Relays, keyring, response};
use discreet_client::{Error, Fault, PolicyError};
use discreet_envelope::keys::KeysError;
use discreet_gateway::Keyring;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::SigningKey;
use discreet_protocol::policy::{Policy, Prices, ValidityError};
use discreet_protocol::statement::{StatementError, sign};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::secret::Secret32;
use http::Method;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Why a policy is refused that was bent before it was signed.
async fn refused(bend: impl Fn(&mut Policy)) -> Error {
    let provider = Provider::new();
    let mut policy = provider.policy();
    bend(&mut policy);
    let served = provider.serve(&policy);
    Relays::refusing(move |_| served.clone()).await
}

async fn reason(bend: impl Fn(&mut Policy)) -> PolicyError {
    match refused(bend).await {
        Error::Policy { error, .. } => error,
        other => panic!("{other}"),
    }
}

/// Why policies are refused of which each relay shows another.
async fn disagreeing(bend: impl Fn(&mut Policy)) -> Error {
    let provider = Provider::new();
    let mut other = provider.policy();
    bend(&mut other);
    let served = [provider.serve(&provider.policy()), provider.serve(&other)];
    Relays::refusing(move |index| served[index].clone()).await
}

#[tokio::test]
async fn rejects_relays_that_disagree_about_keys() {
    let error = disagreeing(|policy| {
        policy.serial += 1;
        policy.keys = keyring(2).collection().to_vec();
    });
    let error = error.await;
    assert!(matches!(error, Error::RelaysDisagree), "{error}");
    assert!(error.is_refusal());
}

/// A price or an issuer of one client's own would mark all it asks through the other relay.
#[tokio::test]
async fn rejects_relays_that_disagree_about_prices_or_issuers() {
    let bends: [fn(&mut Policy); 2] = [
        |policy| policy.prices = Prices::new(2, 0, 0).unwrap(),
        |policy| policy.issuers = crate::tokens::issuer::issuers(),
    ];
    for bend in bends {
        for serial in [9, 11] {
            let error = disagreeing(|policy| {
                policy.serial = serial;
                bend(policy);
            });
            assert!(matches!(error.await, Error::RelaysDisagree), "{serial}");
        }
    }
}

/// As after `keys rotate`: what both relays said last goes on, until both say the other, and not for ever.
#[tokio::test]
async fn lookups_go_on_under_the_same_key_while_relays_turn() {
    let (provider, turned, sealed_to) = (Provider::new(), Arc::new(AtomicU64::new(0)), Arc::default());
    let (signer, relays_turned) = (provider.clone(), Arc::clone(&turned));
    let week = Timestamp::from_unix(7 * DAY);
    let next =
        Keyring::at(&Ratchet::new(Secret32::new([1; 32]), 0, Timestamp::from_unix(0), 7), week).unwrap();
    let next = next.collection().to_vec();
    let policy = move |index: usize| match relays_turned.load(Ordering::SeqCst) {
        turned if index < turned as usize => {
            signer.serve(&Policy { serial: 11, keys: next.clone(), ..signer.policy() })
        }
        _ => signer.serve(&signer.policy()),
    };
    let ids: Arc<Mutex<Vec<u8>>> = Arc::clone(&sealed_to);
    let relays = Relays::start(policy, move |request| {
        ids.lock().unwrap().push(request.body()[0]);
        response(500, "text/plain", "")
    });
    let relays = relays.await;
    for relays_turned in [0, 1, 2, 1] {
        turned.store(relays_turned, Ordering::SeqCst);
        let error = relays.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Relay { .. }), "{error}");
        relays.clock.advance(3600);
    }
    // The ids of the first epoch's key and of the second's; the last time one relay has gone back.
    assert_eq!(*sealed_to.lock().unwrap(), [1, 1, 3, 3]);
}

#[tokio::test]
async fn rejects_relays_that_turn_for_more_than_two_hours() {
    let provider = Provider::new();
    let turned = Arc::new(AtomicU64::new(0));
    let (signer, dearer) = (provider.clone(), Arc::clone(&turned));
    let policy = move |index: usize| {
        let lookup = if index == 0 { dearer.load(Ordering::SeqCst) as u8 } else { 0 };
        let prices = Prices::new(lookup, 0, 0).unwrap();
        signer.serve(&Policy { serial: 10 + u64::from(lookup), prices, ..signer.policy() })
    };
    let relays = Relays::start(policy, |_| response(500, "text/plain", "")).await;
    relays.look_up().await.unwrap_err();
    turned.store(1, Ordering::SeqCst);
    // It costs nothing by the confirmed terms, so that it is sent without a token.
    for posts in [2, 3] {
        relays.clock.advance(3600);
        assert!(matches!(relays.look_up().await.unwrap_err(), Error::Relay { .. }));
        assert_eq!(relays.asked(Method::POST), posts);
    }
    relays.clock.advance(3600);
    assert!(matches!(relays.look_up().await.unwrap_err(), Error::RelaysDisagree));
    assert_eq!(relays.asked(Method::POST), 3, "nothing was sent");
}

/// Whichever relay the client asks first: a relay keeps its copy for up to an hour.
#[tokio::test]
async fn a_relay_that_lags_behind_a_rotation_is_no_liar() {
    for newer in [0, 1, 0, 1, 0, 1] {
        let provider = Provider::new();
        let signer = provider.clone();
        let policy =
            move |index| signer.serve(&Policy { serial: 10 + u64::from(index == newer), ..signer.policy() });
        // Refused only once the lookup has been sent.
        let relays = Relays::start(policy, |_| response(500, "text/plain", "")).await;
        let error = relays.look_up().await.unwrap_err();
        assert!(matches!(error, Error::Relay { .. }), "{error}");
        assert_eq!(relays.asked(Method::POST), 1);
    }
}

#[tokio::test]
async fn rejects_two_policies_with_one_serial() {
    let error = disagreeing(|policy| policy.not_after = policy.not_after.plus(DAY)).await;
    assert!(matches!(error, Error::RelaysDisagree), "{error}");
}

#[tokio::test]
async fn rejects_policy_with_lower_serial_than_seen() {
    let provider = Provider::new();
    let serial = Arc::new(AtomicU64::new(10));
    let (signer, shown) = (provider.clone(), Arc::clone(&serial));
    let policy = move |_| {
        let serial = shown.load(Ordering::SeqCst);
        signer.serve(&Policy { serial, ..signer.policy() })
    };
    let relays = Relays::start(policy, |_| response(500, "text/plain", "")).await;
    relays.look_up().await.unwrap_err();
    assert_eq!((relays.asked(Method::GET), relays.asked(Method::POST)), (2, 1));
    serial.store(9, Ordering::SeqCst);
    relays.clock.advance(3600);
    let error = relays.look_up().await.unwrap_err();
    assert!(matches!(error, Error::Policy { error: PolicyError::Rollback, .. }), "{error}");
    assert_eq!((relays.asked(Method::GET), relays.asked(Method::POST)), (4, 1));
    serial.store(10, Ordering::SeqCst);
    relays.look_up().await.unwrap_err();
    assert_eq!(relays.asked(Method::POST), 2, "the refusal was not remembered");
}

/// The latest of both counts; the key is one that both copies have.
#[tokio::test]
async fn a_lower_serial_from_one_relay_alone_is_no_rollback() {
    let provider = Provider::new();
    let lagging = Arc::new(AtomicU64::new(10));
    let (signer, shown) = (provider.clone(), Arc::clone(&lagging));
    let policy = move |index| {
        let serial = if index == 0 { shown.load(Ordering::SeqCst) } else { 10 };
        signer.serve(&Policy { serial, ..signer.policy() })
    };
    let relays = Relays::start(policy, |_| response(500, "text/plain", "")).await;
    relays.look_up().await.unwrap_err();
    lagging.store(9, Ordering::SeqCst);
    relays.clock.advance(3600);
    let error = relays.look_up().await.unwrap_err();
    assert!(matches!(error, Error::Relay { .. }), "{error}");
    assert_eq!((relays.asked(Method::GET), relays.asked(Method::POST)), (4, 2));
}

#[tokio::test]
async fn rejects_policy_signed_by_another_key() {
    let provider = Provider::new();
    let other = sign(&provider.policy(), &SigningKey::from_bytes(&[9; 32]));
    let served = response(200, "application/cose; cose-type=\"cose-sign1\"", other);
    let error = Relays::refusing(move |_| served.clone()).await;
    let signature = PolicyError::Statement(StatementError::Signature);
    assert!(matches!(&error, Error::Policy { error, .. } if *error == signature), "{error}");
    assert_eq!(error.fault(), Fault::Provider);
}

#[tokio::test]
async fn rejects_statement_of_another_type_by_the_same_key() {
    let provider = Provider::new();
    let status = sign(&provider.person().status, &provider.world.directory_key);
    let served = response(200, "application/cose; cose-type=\"cose-sign1\"", status);
    let error = Relays::refusing(move |_| served.clone()).await;
    let wrong = PolicyError::Statement(StatementError::WrongType);
    assert!(matches!(&error, Error::Policy { error, .. } if *error == wrong), "{error}");
}

#[tokio::test]
async fn rejects_policy_with_a_flipped_bit() {
    let provider = Provider::new();
    let good = provider.serve(&provider.policy()).into_body();
    for at in (0..good.len()).step_by(97) {
        let mut bent = good.to_vec();
        bent[at] ^= 1;
        let served = response(200, "application/cose; cose-type=\"cose-sign1\"", bent);
        let error = Relays::refusing(move |_| served.clone()).await;
        assert!(matches!(&error, Error::Policy { error: PolicyError::Statement(_), .. }), "{at}: {error}");
    }
}

#[tokio::test]
async fn rejects_expired_policy() {
    let expired = reason(|policy| policy.not_after = Timestamp::from_unix(1_800_000_000)).await;
    assert_eq!(expired, PolicyError::Validity(ValidityError::Expired));
}

#[tokio::test]
async fn rejects_policy_of_the_future_and_names_the_clock() {
    let error = refused(|policy| policy.not_before = Timestamp::from_unix(1_800_000_301)).await;
    let not_yet = PolicyError::Validity(ValidityError::NotYet);
    assert!(matches!(&error, Error::Policy { error, .. } if *error == not_yet), "{error}");
    assert_eq!(error.fault(), Fault::Local);
}

#[tokio::test]
async fn rejects_policy_for_another_domain() {
    let error = reason(|policy| policy.domain = tests::world::domain("other.example")).await;
    assert_eq!(error, PolicyError::Domain);
}

#[tokio::test]
async fn rejects_policy_with_other_sizes() {
    for sizes in [(4095, 8192), (4096, 8191), (8192, 8192), (0, 0)] {
        assert_eq!(reason(|policy| policy.sizes = sizes).await, PolicyError::Sizes);
    }
}

#[tokio::test]
async fn rejects_relay_run_by_the_provider() {
    for operator in ["Two Ltd", "two  ltd", " TWO LTD "] {
        let error = refused(|policy| policy.operator = operator.to_owned()).await;
        assert!(matches!(error, Error::RelayOfProvider { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Local);
    }
}

#[tokio::test]
async fn c03_rejects_key_collection_with_one_bad_byte() {
    // An X-Wing key: length 2, id 1, KEM 2, key 1216, length of the suites 2, suites 8.
    for (at, byte, wrong) in [
        (0, 0xff, KeysError::Truncated),
        (1222, 9, KeysError::SuitesLength),
        (1222, 0, KeysError::SuitesLength),
        (1222, 12, KeysError::ShortConfig),
        (1222, 4, KeysError::TrailingBytes),
        (1231, 0xff, KeysError::Truncated),
        (1233, 1, KeysError::DuplicateKeyId),
    ] {
        let error = reason(|policy| {
            assert_ne!(policy.keys[at], byte);
            policy.keys[at] = byte;
        });
        assert_eq!(error.await, PolicyError::Keys(wrong), "{at}");
    }
    let error = reason(|policy| policy.keys.push(0)).await;
    assert_eq!(error, PolicyError::Keys(KeysError::Truncated));
    let error = reason(|policy| policy.keys.truncate(policy.keys.len() - 1)).await;
    assert_eq!(error, PolicyError::Keys(KeysError::Truncated));
}

#[tokio::test]
async fn c05_rejects_policy_without_a_supported_key() {
    // KEM 0x0030 (X25519Kyber768Draft00) with some key, KDF 1, AEAD 1.
    let draft = [vec![1, 0, 0x30], vec![7; 1216], vec![0, 4, 0, 1, 0, 1]].concat();
    let length = u16::try_from(draft.len()).unwrap().to_be_bytes();
    for keys in [Vec::new(), [length.as_slice(), &draft].concat()] {
        let error = refused(|policy| policy.keys = keys.clone()).await;
        assert!(matches!(error, Error::NoSupportedKey), "{error}");
    }
}
