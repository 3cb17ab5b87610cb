//! What goes along with an operation, and what becomes of it when nothing is sent.

use super::*;
use crate::core::Prepared;
use crate::error::PublishError;
use crate::lookup::Query;
use crate::publishing::{Change, Withdrawal};
use crate::storage::{MemoryStorage, Storage, StorageError};
use crate::testing::{NOW, core_of, csi, epoch, paid_policy, token};
use discreet_envelope::keys::Kem;
use discreet_protocol::query::VerifiableMapping;
use http::HeaderValue;
use std::sync::Arc;

/// Storage that outlives its client.
#[derive(Clone, Default)]
struct Shared(Arc<MemoryStorage>);

impl Storage for Shared {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.load(key)
    }

    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.store(key, value)
    }
}

struct Setup {
    core: Core,
    storage: Shared,
    policy: Policy,
}

/// A client with `count` tokens that can be used now, where everything costs `price`.
fn setup(kem: Kem, price: u8, count: u64) -> Setup {
    let policy = paid_policy(kem, (price, price, price), vec![epoch(0, -2, 12)]);
    let storage = Shared::default();
    let tokens = (0..count).map(|number| token(0, number)).collect();
    let yesterday = NOW.minus(MAX_AGEING);
    Wallet::new(&storage, &policy, yesterday).put(tokens, &Ageing::draw().unwrap()).unwrap();
    Setup { core: core_of(&policy, storage.clone()), storage, policy }
}

impl Setup {
    fn lookup(&self) -> Result<Prepared, Error> {
        self.core.prepare(Query { csi: csi(), tag: None }, NOW)
    }

    fn usable(&self) -> usize {
        self.core.tokens(NOW).unwrap().usable()
    }
}

fn encoded(route: &Route) -> Vec<Vec<u8>> {
    route.tokens.iter().map(Token::encode).collect()
}

#[test]
fn c67_every_operation_has_one_size_whatever_it_costs_and_by_either_kem() {
    for kem in [Kem::XWing, Kem::X25519] {
        for price in 0..=4 {
            let setup = setup(kem, price, 12);
            assert_eq!(setup.lookup().unwrap().body.len(), 4096, "{price}");
            let mapping = VerifiableMapping::new(vec![7; 500], vec![7; 100]);
            for change in [Change::Publish(mapping), Change::Withdraw(Withdrawal(vec![7; 300]))] {
                let prepared = setup.core.prepare_publish(&change, None, NOW).unwrap();
                assert_eq!(prepared.body.len(), 4096, "{price}");
                assert_eq!(prepared.pending.unsent().1.tokens.len(), usize::from(price));
            }
            assert_eq!(setup.usable(), 12 - 3 * usize::from(price));
        }
    }
}

/// The longest identifier and tag, for the dearest price and the largest `enc`.
#[test]
fn the_longest_question_fits_beside_four_tokens() {
    let setup = setup(Kem::XWing, 4, 4);
    let label = "a".repeat(63);
    let address = format!("{}@{label}.{label}.{}.example", "a".repeat(64), "a".repeat(46));
    let csi = discreet_protocol::identifier::Csi::email(&address).unwrap();
    let tag = discreet_protocol::mapping::Tag::new(&"t".repeat(64)).ok();
    assert!(setup.core.prepare(Query { csi, tag }, NOW).is_ok());
}

#[test]
fn a_token_is_out_of_the_storage_before_anything_can_be_sent() {
    let setup = setup(Kem::X25519, 2, 10);
    let (_, route) = setup.lookup().unwrap().pending.unsent();
    let taken = encoded(&route);
    assert_eq!(taken.len(), 2);
    // Another client of the same storage, such as after kill -9.
    let next = core_of(&setup.policy, setup.storage.clone());
    for _ in 0..4 {
        let (_, route) = next.prepare(Query { csi: csi(), tag: None }, NOW).unwrap().pending.unsent();
        assert!(encoded(&route).iter().all(|token| !taken.contains(token)));
    }
}

#[test]
fn the_same_tokens_go_along_to_another_relay() {
    let setup = setup(Kem::X25519, 3, 3);
    let first = setup.lookup().unwrap();
    let second = setup.core.prepare_elsewhere(first.pending).unwrap();
    let (_, route) = second.pending.unsent();
    assert_eq!(route.tokens.len(), 3);
    assert_eq!(setup.usable(), 0);
}

#[test]
fn the_same_tokens_go_along_with_a_date() {
    let setup = setup(Kem::X25519, 1, 2);
    let (query, route) = setup.lookup().unwrap().pending.unsent();
    let tokens = encoded(&route);
    let date = Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    let dated = Prepared::new(query, Route { date, ..route }).unwrap();
    assert_eq!(encoded(&dated.pending.unsent().1), tokens);
    assert_eq!(setup.usable(), 1);
}

#[test]
fn what_was_never_sent_pays_for_the_next_operation_of_this_client_and_of_no_other() {
    let setup = setup(Kem::X25519, 2, 6);
    let first = setup.lookup().unwrap();
    let second = setup.core.prepare_elsewhere(first.pending).unwrap();
    let tokens = {
        let (query, route) = second.pending.unsent();
        let tokens = encoded(&route);
        let again = Prepared::new(query, route).unwrap();
        assert!(setup.core.prepare_elsewhere(again.pending).is_err());
        tokens
    };
    assert_eq!(setup.usable(), 4);
    let other = core_of(&setup.policy, setup.storage.clone());
    let (_, route) = other.prepare(Query { csi: csi(), tag: None }, NOW).unwrap().pending.unsent();
    assert_ne!(encoded(&route), tokens);
    assert_eq!(encoded(&setup.lookup().unwrap().pending.unsent().1), tokens);
    // Once.
    assert_ne!(encoded(&setup.lookup().unwrap().pending.unsent().1), tokens);
}

/// The gateway has seen them.
#[test]
fn what_went_along_with_a_date_pays_for_nothing_else() {
    let setup = setup(Kem::X25519, 1, 2);
    let (query, route) = setup.lookup().unwrap().pending.unsent();
    let tokens = encoded(&route);
    let date = Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    let dated = Prepared::new(query, Route { date, ..route }).unwrap();
    assert!(setup.core.prepare_elsewhere(dated.pending).is_err());
    assert_ne!(encoded(&setup.lookup().unwrap().pending.unsent().1), tokens);
}

#[test]
fn what_is_free_needs_no_wallet() {
    let setup = setup(Kem::X25519, 0, 0);
    setup.storage.store(&format!("tokens.{}.00", "0".repeat(64)), b"damaged").unwrap();
    let (_, route) = setup.lookup().unwrap().pending.unsent();
    assert!(route.tokens.is_empty());
}

#[test]
fn rejects_an_operation_that_cannot_be_paid() {
    let setup = setup(Kem::X25519, 3, 2);
    let refused = setup.lookup().map(drop).unwrap_err();
    let said = "tokens: this costs 3 tokens, and there are none: get some from your issuer with \
                `discreet tokens get`; nothing was sent";
    assert_eq!(refused.to_string(), said);
    assert_eq!(setup.usable(), 2);
}

#[test]
fn fresh_tokens_are_used_only_when_allowed() {
    let policy = paid_policy(Kem::X25519, (1, 1, 1), vec![epoch(0, -2, 12)]);
    let storage = Shared::default();
    let wallet = Wallet::new(&storage, &policy, NOW.plus(1));
    wallet.put(vec![token(0, 1)], &Ageing::draw().unwrap()).unwrap();
    let mut core = core_of(&policy, storage.clone());
    let query = || Query { csi: csi(), tag: None };
    let Err(Error::Tokens(TokensError::NoneUsable { price: 1, next: Some(next) })) =
        core.prepare(query(), NOW).map(drop)
    else {
        panic!("it is not old enough")
    };
    assert!(NOW < next && next < NOW.plus(86_401));
    core.use_fresh_tokens();
    assert!(core.prepare(query(), NOW).is_ok());
}

/// To the byte, as without tokens; and nothing is used for it.
#[test]
fn rejects_a_mapping_that_does_not_fit_beside_its_tokens() {
    let mut rooms = Vec::new();
    for price in 0..=4 {
        let setup = setup(Kem::XWing, price, 8);
        let prepare =
            |size| setup.core.prepare_publish(&Change::Withdraw(Withdrawal(vec![7; size])), None, NOW);
        let refused = prepare(4096).map(drop);
        let Err(Error::Publish(PublishError::TooLarge { room, .. })) = refused else { panic!("it fits") };
        assert!(prepare(room + 1).is_err());
        assert_eq!(setup.usable(), 8);
        assert!(prepare(room).is_ok());
        rooms.push(room);
    }
    // `authorization` is 13 bytes, a token 493, their lengths 1 and 2; the first makes the length of all
    // fields one byte longer.
    let each: Vec<_> = rooms.windows(2).map(|pair| pair[0] - pair[1]).collect();
    assert_eq!(each, [510, 509, 509, 509]);
    // What DESIGN.md says of X-Wing.
    assert_eq!(rooms, [2864, 2354, 1845, 1336, 827]);
}
