//! Spent once: between threads, between processes' handles, across a reopening; and never by mistake.

use super::*;
use discreet_protocol::token::TokenKey;
use std::sync::Barrier;

const NOW: Timestamp = Timestamp::from_unix(20_000 * DAY);

fn keys() -> Vec<TokenKey> {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../../../tests/vectors/rfc9578-public-tokens.json"))
            .unwrap();
    let key = |vector: &serde_json::Value| {
        TokenKey::from_spki(&hex::decode(vector["pkS"].as_str().unwrap()).unwrap()).unwrap()
    };
    let one = key(&vectors[0]);
    let mut spki = one.to_spki();
    spki[100] ^= 1;
    vec![one, TokenKey::from_spki(&spki).unwrap()]
}

fn issuer(redemptions_per_day: u64, not_found_per_day: u64) -> Issuer {
    let epochs = keys().into_iter().map(|key| Epoch { key, from: NOW.minus(DAY), until: NOW.plus(9 * DAY) });
    Issuer {
        name: Domain::new("issuer.example").unwrap(),
        redemptions_per_day,
        not_found_per_day,
        keys: epochs.collect(),
    }
}

fn spend_of(issuer: &Issuer, key: usize, numbers: &[u64], now: Timestamp) -> Spend {
    let epoch = &issuer.keys[key];
    let input = |n: &u64| {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&n.to_be_bytes());
        TokenInput { nonce, challenge_digest: [1; 32], key_id: *epoch.key.id() }
    };
    Spend::new(issuer, epoch, &numbers.iter().map(input).collect::<Vec<_>>(), now)
}

fn spend(set: &SpentTokens, numbers: &[u64]) -> Spent {
    set.spend(spend_of(&issuer(1000, 1000), 0, numbers, NOW)).unwrap()
}

fn set() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.db.spent");
    (folder, path)
}

#[test]
fn a_token_is_taken_once() {
    let (_folder, path) = set();
    let tokens = SpentTokens::open(&path).unwrap();
    assert_eq!(spend(&tokens, &[1]), Spent::Accepted);
    assert_eq!(spend(&tokens, &[1]), Spent::Before);
    assert_eq!(spend(&tokens, &[2]), Spent::Accepted);
}

#[test]
fn it_stays_spent_when_the_set_is_opened_again() {
    let (_folder, path) = set();
    assert_eq!(spend(&SpentTokens::open(&path).unwrap(), &[1]), Spent::Accepted);
    assert_eq!(spend(&SpentTokens::open(&path).unwrap(), &[1]), Spent::Before);
}

#[test]
fn of_several_all_are_taken_or_none() {
    let (_folder, path) = set();
    let tokens = SpentTokens::open(&path).unwrap();
    assert_eq!(spend(&tokens, &[1]), Spent::Accepted);
    assert_eq!(spend(&tokens, &[2, 3, 1]), Spent::Before);
    assert_eq!(spend(&tokens, &[2, 3]), Spent::Accepted);
}

#[test]
fn one_that_stands_twice_pays_once_or_not_at_all() {
    let (_folder, path) = set();
    let tokens = SpentTokens::open(&path).unwrap();
    assert_eq!(spend(&tokens, &[7, 7]), Spent::Before);
    assert_eq!(spend(&tokens, &[7]), Spent::Accepted);
}

#[test]
fn the_same_nonce_under_another_key_is_another_token() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
    for key in [0, 1] {
        assert_eq!(tokens.spend(spend_of(&issuer, key, &[1], NOW)).unwrap(), Spent::Accepted);
    }
}

/// Each handle has its own connection and its own group, as another process would.
#[test]
fn sixty_four_threads_on_two_handles_take_each_token_once() {
    let (_folder, path) = set();
    let handles = [SpentTokens::open(&path).unwrap(), SpentTokens::open(&path).unwrap()];
    let start = Barrier::new(64);
    let accepted: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n| {
                let (set, start) = (&handles[n % 2], &start);
                scope.spawn(move || {
                    start.wait();
                    (0..20).filter(|token| spend(set, &[*token]) == Spent::Accepted).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(accepted.iter().sum::<usize>(), 20);
}

#[test]
fn a_budget_is_exact_and_ends_with_the_day() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(5, 1000));
    let spend = |numbers: &[u64], now| tokens.spend(spend_of(&issuer, 0, numbers, now)).unwrap();
    assert_eq!(spend(&[1, 2, 3, 4], NOW), Spent::Accepted);
    assert_eq!(spend(&[5, 6], NOW), Spent::OverBudget, "two more would be six");
    assert_eq!(spend(&[5], NOW), Spent::Accepted);
    assert_eq!(spend(&[6], NOW.plus(DAY - 1)), Spent::OverBudget);
    assert_eq!(spend(&[6], NOW.plus(DAY)), Spent::Accepted, "not burnt by the refusal");
}

#[test]
fn a_double_spend_uses_up_no_budget() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(2, 1000));
    let spend = |number| tokens.spend(spend_of(&issuer, 0, &[number], NOW)).unwrap();
    assert_eq!(spend(1), Spent::Accepted);
    assert_eq!((0..10).map(|_| spend(1)).filter(|spent| *spent == Spent::Before).count(), 10);
    assert_eq!(spend(2), Spent::Accepted);
}

#[test]
fn answers_not_found_use_up_their_own_budget() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 2));
    let spend = |set: &SpentTokens, number| set.spend(spend_of(&issuer, 0, &[number], NOW)).unwrap();
    for number in [1, 2] {
        assert_eq!(spend(&tokens, number), Spent::Accepted);
    }
    // Whether they are `notFound` is not known yet; nobody shall get more than the budget.
    assert_eq!(spend(&tokens, 3), Spent::OverBudget);
    tokens.count_found(&issuer.name, NOW);
    assert_eq!(spend(&tokens, 3), Spent::Accepted);
    assert_eq!(spend(&tokens, 4), Spent::OverBudget);
    // It is in the file.
    assert_eq!(spend(&SpentTokens::open(&path).unwrap(), 5), Spent::OverBudget);
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[6], NOW.plus(DAY))).unwrap(), Spent::Accepted);
}

#[test]
fn a_set_begun_anew_takes_no_token_of_a_key_that_was_in_use() {
    let (_folder, path) = set();
    let (tokens, mut issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
    tokens.retire(NOW).unwrap();
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1], NOW)).unwrap(), Spent::Retired);
    issuer.keys[1].from = NOW.plus(DAY);
    assert_eq!(tokens.spend(spend_of(&issuer, 1, &[1], NOW.plus(DAY))).unwrap(), Spent::Accepted);
}

/// Its tokens are taken from 300 seconds before it begins.
#[test]
fn a_set_begun_anew_just_before_a_key_begins_takes_no_token_of_it_either() {
    for (before, expected) in
        [(301, Spent::Accepted), (300, Spent::Retired), (299, Spent::Retired), (0, Spent::Retired)]
    {
        let (_folder, path) = set();
        let (tokens, mut issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
        let from = NOW.plus(DAY);
        issuer.keys[0].from = from;
        tokens.retire(from.minus(before)).unwrap();
        let spent = tokens.spend(spend_of(&issuer, 0, &[1], from.plus(DAY))).unwrap();
        assert_eq!(spent, expected, "{before}");
    }
}

/// Whoever is refused waits for the disk like everybody else.
#[test]
fn every_outcome_takes_one_durable_commit() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(1, 1000));
    let waited = |act: &dyn Fn()| {
        let before = tokens.syncs();
        act();
        tokens.syncs() - before
    };
    // The first begins the log, which takes one more.
    tokens.refuse(NOW).unwrap();
    let spend = |number| tokens.spend(spend_of(&issuer, 0, &[number], NOW)).unwrap();
    assert_eq!(waited(&|| assert_eq!(spend(1), Spent::Accepted)), 1);
    assert_eq!(waited(&|| assert_eq!(spend(2), Spent::OverBudget)), 1);
    assert_eq!(waited(&|| tokens.refuse(NOW).unwrap()), 1);
}

#[test]
fn what_was_spent_is_forgotten_a_day_after_its_key_is_over() {
    let (_folder, path) = set();
    let (tokens, issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1, 2, 3], NOW)).unwrap(), Spent::Accepted);
    let rows = || {
        let count = "SELECT count(*) FROM spent";
        lock(&tokens.writer).query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert!(!tokens.sweep(NOW.plus(10 * DAY)).unwrap());
    assert_eq!(rows(), 3, "a clock that is set back finds them");
    while tokens.sweep(NOW.plus(10 * DAY + 1)).unwrap() {}
    assert_eq!(rows(), 0);
}

#[test]
fn a_key_given_time_again_after_its_tokens_were_forgotten_is_retired() {
    let (_folder, path) = set();
    let (tokens, mut issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1], NOW)).unwrap(), Spent::Accepted);
    let later = NOW.plus(10 * DAY + 1);
    tokens.sweep(later).unwrap();
    issuer.keys[0].until = later.plus(9 * DAY);
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1], later)).unwrap(), Spent::Retired);
}

#[test]
fn a_key_given_time_before_is_not_forgotten() {
    let (_folder, path) = set();
    let (tokens, mut issuer) = (SpentTokens::open(&path).unwrap(), issuer(1000, 1000));
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1], NOW)).unwrap(), Spent::Accepted);
    issuer.keys[0].until = NOW.plus(30 * DAY);
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[2], NOW)).unwrap(), Spent::Accepted);
    tokens.sweep(NOW.plus(20 * DAY)).unwrap();
    assert_eq!(tokens.spend(spend_of(&issuer, 0, &[1], NOW.plus(20 * DAY))).unwrap(), Spent::Before);
}

#[test]
fn another_database_is_refused_with_what_to_do() {
    let (folder, path) = set();
    drop(crate::store::Sqlite::open(&folder.path().join("directory.db")).unwrap());
    std::fs::rename(folder.path().join("directory.db"), &path).unwrap();
    let error = SpentTokens::open(&path).err().unwrap().to_string();
    assert!(error.contains("retire-tokens"), "{error}");
}

#[test]
fn what_was_asked_is_written_once_and_a_file_from_before_has_room_for_it() {
    let (_folder, path) = set();
    drop(SpentTokens::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("DROP TABLE prices").unwrap();
    let tokens = SpentTokens::open(&path).unwrap();
    assert_eq!(tokens.asked().unwrap(), None);
    let [old, new] = [1, 2].map(|lookup| Prices::new(lookup, 0, 4).unwrap());
    for asked in
        [Asked { prices: old, before: None }, Asked { prices: new, before: Some((old, NOW.plus(10_800))) }]
    {
        let syncs = tokens.syncs();
        tokens.set_asked(&asked).unwrap();
        assert!(tokens.syncs() > syncs);
        let syncs = tokens.syncs();
        tokens.set_asked(&asked).unwrap();
        assert_eq!(tokens.syncs(), syncs, "it is there already");
        assert_eq!(SpentTokens::open(&path).unwrap().asked().unwrap(), Some(asked));
    }
}
