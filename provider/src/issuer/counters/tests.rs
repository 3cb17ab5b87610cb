//! Quotas as they are counted in the database.

use super::*;
use std::thread;

const NOW: u64 = 1_800_000_000;

fn account(name: &str) -> Account {
    Account::new("test", name.as_bytes())
}

fn counters(path: &Path) -> Counters {
    Counters::create(path).unwrap();
    Counters::open(path, Quota::new(10, 50).unwrap()).unwrap()
}

#[test]
fn of_64_at_once_exactly_the_quota_gets_one_and_others_are_not_concerned() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(&folder.path().join("issuer.db"));
    let taken: Vec<_> = thread::scope(|scope| {
        let ask = |n: usize| {
            let counters = &counters;
            let name = if n.is_multiple_of(8) { "other" } else { "one" };
            scope.spawn(move || (name, counters.take(account(name), NOW).unwrap()))
        };
        let asking: Vec<_> = (0..64).map(ask).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let got = |name| taken.iter().filter(|taken| **taken == (name, Taken::One)).count();
    assert_eq!((got("one"), got("other")), (10, 8));
    let empty = taken.iter().filter(|(_, taken)| *taken == Taken::None(Empty { again_in: 3600 }));
    assert_eq!(empty.count(), 46);
}

#[test]
fn a_restart_keeps_what_was_used_and_keeps_no_finer_time_than_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let used = counters(&path);
    for _ in 0..10 {
        assert_eq!(used.take(account("one"), NOW + 1234).unwrap(), Taken::One);
    }
    drop(used);
    assert!(matches!(counters(&path).take(account("one"), NOW + 1235).unwrap(), Taken::None(_)));
    let row = "SELECT account, missing, hour FROM buckets";
    let row = Connection::open(&path).unwrap().query_row(row, [], |row| {
        assert_eq!(row.as_ref().column_count(), 3);
        Ok((row.get::<_, Vec<u8>>(0)?.len(), row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    assert_eq!(row.unwrap(), (32, 240, 500_000));
}

#[test]
fn accounts_are_forgotten_once_their_bucket_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(&folder.path().join("issuer.db"));
    for name in ["one", "two", "two", "two"] {
        assert_eq!(counters.take(account(name), NOW).unwrap(), Taken::One);
    }
    // 24 parts flow in within half an hour, 72 within two.
    assert_eq!(counters.forget_some(NOW).unwrap(), 0);
    assert_eq!(counters.forget_some(NOW - 7200).unwrap(), 0);
    assert_eq!(counters.forget_some(NOW + 3600).unwrap(), 1);
    assert_eq!(counters.forget_some(NOW + 3600).unwrap(), 0);
    assert_eq!(counters.forget_some(NOW + 7200).unwrap(), 1);
}

#[test]
fn nothing_of_a_forgotten_account_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(&folder.path().join("issuer.db"));
    let accounts: Vec<_> = (0..200).map(|n| account(&n.to_string())).collect();
    for account in &accounts {
        assert_eq!(counters.take(*account, NOW).unwrap(), Taken::One);
    }
    let there = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let bytes: Vec<_> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        let holds = |account: &&Account| bytes.windows(32).any(|window| window == account.as_bytes());
        accounts.iter().step_by(23).filter(holds).count()
    };
    assert_eq!(there(), 9);
    assert_eq!(counters.forget_some(NOW + 3600).unwrap(), 200);
    assert_eq!(there(), 0);
}

#[test]
fn what_cannot_be_written_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(&folder.path().join("issuer.db"));
    let few = |connection: &Connection| connection.pragma_update(None, "max_page_count", 1);
    counters.database.read(few).unwrap();
    let filled = (0..1000).map(|n| counters.take(account(&n.to_string()), NOW)).find(Result::is_err);
    assert!(matches!(filled, Some(Err(DatabaseError::Full { .. }))), "{filled:?}");
}

#[test]
fn a_clock_that_was_far_ahead_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(&folder.path().join("issuer.db"));
    let later = NOW + 365 * 86_400;
    while counters.take(account("one"), later).unwrap() == Taken::One {}
    assert_eq!(counters.take(account("one"), NOW).unwrap(), Taken::None(Empty { again_in: 3600 }));
    assert_eq!(counters.take(account("one"), NOW + 3600).unwrap(), Taken::One);
}
