//! Used once at most, not before its time, and never lost to anything but a crash or the end of its key.

use super::*;
use crate::storage::{FolderStorage, MemoryStorage};
use crate::testing::{NOW, epoch, paid_policy, token};
use discreet_envelope::keys::Kem;
use discreet_protocol::time::DAY;
use discreet_protocol::token::TokenInput;
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Mutex;

/// Keys 0 until in 13 days, 1 until in 9, 2 over, 3 to come.
fn policy() -> Policy {
    let epochs = vec![epoch(0, -1, 13), epoch(1, -1, 9), epoch(2, -9, 0), epoch(3, 2, 20)];
    paid_policy(Kem::X25519, (1, 1, 1), epochs)
}

fn tokens(key: u8, numbers: std::ops::Range<u64>) -> Vec<Token> {
    numbers.map(|number| token(key, number)).collect()
}

fn ageing() -> Ageing {
    Ageing::draw().unwrap()
}

fn none_usable(taken: Result<Vec<Token>, Error>) -> Option<Timestamp> {
    match taken {
        Err(Error::Tokens(TokensError::NoneUsable { next, .. })) => next,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("there is one"),
    }
}

#[test]
fn each_token_is_taken_once() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let later = NOW.plus(DAY);
    Wallet::new(&storage, &policy, NOW).put(tokens(0, 0..100), &ageing()).unwrap();
    let wallet = Wallet::new(&storage, &policy, later);
    let mut seen = BTreeSet::new();
    for price in [1, 2, 3, 4].repeat(10) {
        let taken = wallet.take(price, false).unwrap();
        assert_eq!(taken.len(), usize::from(price));
        assert!(taken.iter().all(|token| seen.insert(token.encode())));
    }
    assert_eq!(seen.len(), 100);
    assert_eq!(none_usable(wallet.take(1, false)), None);
    assert_eq!(wallet.stock().unwrap(), Stock::default());
}

#[test]
fn a_token_is_usable_within_a_day_and_none_of_a_batch_is_like_the_other() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW);
    wallet.put(tokens(0, 0..64), &ageing()).unwrap();
    let times: BTreeSet<_> = wallet.load().unwrap().iter().flatten().map(|kept| kept.usable_from).collect();
    assert!(times.iter().all(|time| NOW <= *time && *time < NOW.plus(86_400)));
    assert!(times.len() > 60, "{}", times.len());
    let first = *times.first().unwrap();
    let KeyStock { usable, later, next, all, .. } = wallet.stock().unwrap().keys.remove(0);
    assert_eq!((usable, later, next, all), (0, 64, Some(first), times.last().copied()));
    assert_eq!(none_usable(wallet.take(1, false)), Some(first));
    let second = times.iter().nth(1).copied();
    assert_eq!(none_usable(wallet.take(2, false)), second);
    assert_eq!(Wallet::new(&storage, &policy, first).take(1, false).unwrap().len(), 1);
    assert_eq!(wallet.take(4, true).unwrap().len(), 4);
}

/// The first of a batch says nothing about when the batch came.
#[test]
fn batches_begin_at_random() {
    let drawn: BTreeSet<_> = (0..64).map(|_| ageing().batch).collect();
    assert!(drawn.len() > 60 && drawn.iter().all(|batch| *batch < 6 * 3600));
}

#[test]
fn the_key_that_ends_first_is_used_first_and_never_two_at_once() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW.plus(DAY));
    Wallet::new(&storage, &policy, NOW).put(tokens(0, 0..4), &ageing()).unwrap();
    Wallet::new(&storage, &policy, NOW).put(tokens(1, 0..3), &ageing()).unwrap();
    let key = |price| {
        let taken = wallet.take(price, false).unwrap();
        let keys: BTreeSet<_> = taken.iter().map(|token| token.input().key_id).collect();
        assert_eq!(keys.len(), 1);
        (0..2).find(|key| keys.contains(&token(*key, 0).input().key_id)).unwrap()
    };
    assert_eq!(key(2), 1);
    // One is left of key 1.
    assert_eq!(key(2), 0);
    assert_eq!(key(1), 1);
    assert_eq!(key(2), 0);
    assert_eq!(none_usable(wallet.take(1, false)), None);
}

#[test]
fn rejects_tokens_whose_key_is_over_or_to_come_or_not_named() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW);
    for key in [2, 3, 9] {
        wallet.put(tokens(key, 0..10), &ageing()).unwrap();
    }
    assert_eq!(none_usable(wallet.take(1, true)), None);
    assert_eq!(wallet.stock().unwrap().total(), 0);
    // Key 3 has begun.
    assert_eq!(Wallet::new(&storage, &policy, NOW.plus(3 * DAY)).take(4, true).unwrap().len(), 4);
}

#[test]
fn rejects_tokens_for_another_origin() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW);
    let TokenInput { nonce, key_id, .. } = token(0, 0).input();
    let digest = challenge_digest(&crate::testing::issuer_name(), &Domain::new("other.example").unwrap());
    let other = Token::new(&TokenInput { nonce, challenge_digest: digest, key_id }, [7; 256]);
    wallet.put(vec![other], &ageing()).unwrap();
    assert_eq!(none_usable(wallet.take(1, true)), None);
}

/// What the resolver's clock may already call the end is left alone.
#[test]
fn a_key_is_not_used_in_its_last_minutes() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    Wallet::new(&storage, &policy, NOW).put(tokens(1, 0..4), &ageing()).unwrap();
    let until = epoch(1, 0, 9).until;
    assert_eq!(none_usable(Wallet::new(&storage, &policy, until.minus(300)).take(1, false)), None);
    assert!(Wallet::new(&storage, &policy, until.minus(301)).take(1, false).is_ok());
}

fn numbers(wallet: &Wallet<'_>, key: u8, numbers: std::ops::Range<u64>) -> usize {
    let stored: BTreeSet<_> =
        wallet.load().unwrap().iter().flatten().map(|kept| kept.token.encode()).collect();
    tokens(key, numbers).iter().filter(|token| stored.contains(&token.encode())).count()
}

/// A day's batch is always taken in, so that what is requested never tells how many were used.
#[test]
fn a_full_wallet_takes_a_batch_in_the_place_of_tokens_drawn_at_random() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW);
    wallet.put(tokens(1, 0..2000), &ageing()).unwrap();
    assert_eq!(wallet.stock().unwrap().total(), 2000);
    // As they come from the issuer: some at a time. For 48 there is room; a hundred times somebody has to go.
    for first in (2000..3050).step_by(10) {
        wallet.put(tokens(1, first..first + 10), &ageing()).unwrap();
        assert_eq!(numbers(&wallet, 1, first..first + 10), 10);
    }
    assert_eq!(wallet.stock().unwrap().total(), 2048);
    // Not only the oldest have gone, nor only the latest: by chance less than once in 2^98 runs.
    assert!(numbers(&wallet, 1, 0..1000) < 1000 && numbers(&wallet, 1, 1000..2000) < 1000);
    wallet.put(tokens(1, 4000..7000), &ageing()).unwrap();
    assert_eq!(wallet.stock().unwrap().total(), 2048);
    // Key 1 is over by then.
    let later = Wallet::new(&storage, &policy, NOW.plus(10 * DAY));
    later.put(tokens(0, 0..3), &ageing()).unwrap();
    assert_eq!(later.stock().unwrap().total(), 3);
}

#[test]
fn fresh_tokens_are_used_only_if_no_key_has_enough_others() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    Wallet::new(&storage, &policy, NOW).put(tokens(0, 0..3), &ageing()).unwrap();
    let wallet = Wallet::new(&storage, &policy, NOW.plus(DAY));
    // Of the key that ends first, and of the same key.
    wallet.put(tokens(1, 0..50), &Ageing { batch: 6 * 3600 }).unwrap();
    wallet.put(tokens(0, 3..50), &Ageing { batch: 6 * 3600 }).unwrap();
    for _ in 0..3 {
        wallet.take(1, true).unwrap();
    }
    assert_eq!(
        (numbers(&wallet, 0, 0..3), numbers(&wallet, 0, 3..50), numbers(&wallet, 1, 0..50)),
        (0, 47, 50)
    );
    assert!(wallet.take(1, false).is_err());
    wallet.take(1, true).unwrap();
    assert_eq!(numbers(&wallet, 1, 0..50), 49);
}

#[test]
fn what_can_be_paid_counts_each_key_by_itself() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    Wallet::new(&storage, &policy, NOW).put(tokens(0, 0..3), &ageing()).unwrap();
    Wallet::new(&storage, &policy, NOW).put(tokens(1, 0..5), &ageing()).unwrap();
    let wallet = Wallet::new(&storage, &policy, NOW.plus(DAY));
    wallet.put(tokens(0, 3..7), &Ageing { batch: 6 * 3600 }).unwrap();
    let stock = wallet.stock().unwrap();
    let payable = [1, 2, 3, 4].map(|price| (stock.payable(price, false), stock.payable(price, true)));
    // 3 and 5; with those before their time 7 and 5.
    assert_eq!(payable, [(8, 12), (6, 10), (6, 9), (4, 8)]);
}

/// The version, and for each token eight bytes of time and 354 of token (RFC 9577 §2.2).
#[test]
fn a_shelf_is_written_as_described() {
    let (storage, policy) = (MemoryStorage::default(), policy());
    let wallet = Wallet::new(&storage, &policy, NOW);
    wallet.put(vec![token(0, 1)], &Ageing { batch: 0 }).unwrap();
    // SHA-256 of "dp.example".
    let name = "tokens.71ca9e37748a55accd8dd0dc3dd2f3e5da0ec56ca9d4184fc2d38c91869e02b3.00";
    let written = storage.load(name).unwrap().unwrap();
    assert_eq!(written.len(), 1 + 8 + 354);
    assert_eq!((written[0], &written[9..]), (1, &token(0, 1).encode()[..]));
}

#[test]
fn rejects_a_damaged_shelf_and_sends_nothing() {
    let policy = policy();
    let good = [&[1][..], &[0; 8], &token(0, 1).encode()].concat();
    let bends: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes[0] = 2,
        |bytes| bytes.truncate(100),
        |bytes| bytes.clear(),
        |bytes| bytes[10] = 9,
        |bytes| *bytes = [&[1][..], &bytes[1..].repeat(65)].concat(),
    ];
    for (index, bend) in bends.iter().enumerate() {
        let storage = MemoryStorage::default();
        let wallet = Wallet::new(&storage, &policy, NOW);
        let mut bytes = good.clone();
        storage.store(&wallet.name(7), &bytes).unwrap();
        assert_eq!(wallet.stock().unwrap().usable(), 1);
        bend(&mut bytes);
        storage.store(&wallet.name(7), &bytes).unwrap();
        let refused = wallet.take(1, false).unwrap_err();
        assert!(matches!(refused, Error::Storage(StorageError::DamagedTokens { .. })), "{index}");
    }
}

/// Two processes are two handles of one folder: the lock is the file's, not the handle's.
#[test]
fn two_handles_of_one_folder_never_take_the_same_token() {
    let (folder, policy) = (tempfile::tempdir().unwrap(), policy());
    let storage = || FolderStorage::new(folder.path().join("state"));
    Wallet::new(&storage(), &policy, NOW).put(tokens(0, 0..120), &ageing()).unwrap();
    let later = NOW.plus(DAY);
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let handle = storage();
                for price in [1, 2, 3, 4, 2, 3] {
                    let some = Wallet::new(&handle, &policy, later).take(price, false).unwrap();
                    taken.lock().unwrap().extend(some.iter().map(Token::encode));
                }
            });
        }
    });
    let taken = taken.into_inner().unwrap();
    assert_eq!(taken.len(), 60);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 60);
    let left = Wallet::new(&storage(), &policy, later).stock().unwrap();
    assert_eq!(left.usable(), 60);
}

/// Storage that fails when told to: before a value is replaced, or after.
#[derive(Default)]
struct Faulty {
    inner: MemoryStorage,
    stores_until_fault: Mutex<Option<(usize, bool)>>,
}

impl Storage for Faulty {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.load(key)
    }

    fn store(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        let mut fault = self.stores_until_fault.lock().unwrap();
        let (fails, replaces) = match fault.as_mut() {
            Some((0, replaces)) => (true, *replaces),
            Some((left, _)) => {
                *left -= 1;
                (false, true)
            }
            None => (false, true),
        };
        if replaces {
            self.inner.store(key, value)?;
        }
        if !fails {
            return Ok(());
        }
        *fault = None;
        let source = std::io::Error::other("a fault of the test");
        Err(StorageError::File { path: key.into(), source })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Get { count: u64 },
    Use { price: u8, fresh: bool },
    Fault { after: usize, replaces: bool },
    Wait { hours: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..90).prop_map(|count| Step::Get { count }),
        (1_u8..=4, any::<bool>()).prop_map(|(price, fresh)| Step::Use { price, fresh }),
        (1_u8..=4, Just(true)).prop_map(|(price, fresh)| Step::Use { price, fresh }),
        (0_usize..3, any::<bool>()).prop_map(|(after, replaces)| Step::Fault { after, replaces }),
        (1_u64..40).prop_map(|hours| Step::Wait { hours }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A crash is a call that does not return: what the storage holds then is all there is. The
    /// storage fails before or after a value is replaced; then nothing is handed out.
    #[test]
    fn no_token_is_used_twice_whatever_fails(steps in proptest::collection::vec(step(), 1..40)) {
        let (storage, policy) = (Faulty::default(), policy());
        let (mut now, number) = (NOW, Cell::new(0));
        let mut used = BTreeSet::new();
        for step in steps {
            let wallet = Wallet::new(&storage, &policy, now);
            match step {
                Step::Get { count } => {
                    let numbers = number.get()..number.get() + count;
                    number.set(numbers.end);
                    let _ = wallet.put(tokens((count % 2) as u8, numbers), &ageing());
                }
                Step::Use { price, fresh } => {
                    let before = wallet.stock().unwrap();
                    match wallet.take(price, fresh) {
                        Ok(taken) => {
                            prop_assert_eq!(taken.len(), usize::from(price));
                            prop_assert!(taken.iter().all(|token| used.insert(token.encode())));
                            let left = wallet.stock().unwrap().total();
                            prop_assert_eq!(left + taken.len(), before.total());
                        }
                        Err(Error::Tokens(_)) => prop_assert_eq!(wallet.stock().unwrap(), before),
                        Err(_) => {}
                    }
                }
                Step::Fault { after, replaces } => {
                    *storage.stores_until_fault.lock().unwrap() = Some((after, replaces));
                }
                Step::Wait { hours } => now = now.plus(hours * 3600),
            }
        }
    }
}
