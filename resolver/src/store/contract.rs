//! What every [`Store`] must do; each backend's tests call [`check`].

use super::{Label, Row, Store, Table, Write, Written};

/// A write of a new row `n` with `size` bytes.
pub(crate) fn insert(n: u8, size: usize) -> Write {
    Write { table: Table::Records, label: [n; 32], replaces: None, row: Some(row(1, n, size)) }
}

fn row(version: u64, fill: u8, size: usize) -> Row {
    Row { version, sealed: vec![fill; size] }
}

/// Runs the suite; `open` opens the same store each time.
pub(crate) fn check<S: Store>(open: impl Fn() -> S) {
    an_absent_row_reads_as_none(&open());
    a_row_is_inserted_once(&open());
    a_row_is_replaced_only_at_its_version(&open());
    what_was_written_survives_reopening(&open);
    tables_are_apart(&open());
    scan_is_ordered_and_whole(&open());
    versions_use_all_bits(&open());
    of_many_writers_one_wins(&open());
    a_row_is_deleted_only_at_its_version(&open());
    of_a_batch_with_one_conflict_nothing_is_applied(&open());
    many_writers_at_once_each_get_their_own_results(&open());
    many_rows_are_read_as_one_by_one(&open());
    writing_waits_for_the_disk_and_reading_does_not(&open());
    readers_do_not_wait_for_writers(&open());
}

fn an_absent_row_reads_as_none(store: &impl Store) {
    assert_eq!(store.read(Table::Records, &[0; 32]).unwrap(), None);
    assert_eq!(store.scan(Table::Records, None, 10).unwrap(), vec![]);
}

fn a_row_is_inserted_once(store: &impl Store) {
    assert_eq!(store.write(&[insert(1, 100)]).unwrap(), [Written::Applied]);
    assert_eq!(store.write(&[insert(1, 200)]).unwrap(), [Written::Conflict]);
    assert_eq!(store.read(Table::Records, &[1; 32]).unwrap(), Some(row(1, 1, 100)));
}

fn a_row_is_replaced_only_at_its_version(store: &impl Store) {
    let replace = |old, new: u64| Write { replaces: Some(old), row: Some(row(new, 9, 50)), ..insert(1, 0) };
    assert_eq!(store.write(&[replace(7, 8)]).unwrap(), [Written::Conflict]);
    assert_eq!(store.read(Table::Records, &[1; 32]).unwrap(), Some(row(1, 1, 100)));
    assert_eq!(store.write(&[replace(1, 2)]).unwrap(), [Written::Applied]);
    assert_eq!(store.read(Table::Records, &[1; 32]).unwrap(), Some(row(2, 9, 50)));
    let absent = Write { label: [99; 32], ..replace(1, 2) };
    assert_eq!(store.write(&[absent]).unwrap(), [Written::Conflict]);
    assert_eq!(store.read(Table::Records, &[99; 32]).unwrap(), None);
}

fn what_was_written_survives_reopening<S: Store>(open: &impl Fn() -> S) {
    open().write(&[insert(2, 4096)]).unwrap();
    assert_eq!(open().read(Table::Records, &[2; 32]).unwrap(), Some(row(1, 2, 4096)));
}

fn tables_are_apart(store: &impl Store) {
    assert_eq!(store.read(Table::Statuses, &[1; 32]).unwrap(), None);
    let status = Write { table: Table::Statuses, ..insert(1, 10) };
    assert_eq!(store.write(&[status]).unwrap(), [Written::Applied]);
    assert_eq!(store.read(Table::Statuses, &[1; 32]).unwrap(), Some(row(1, 1, 10)));
    assert_eq!(store.read(Table::Records, &[1; 32]).unwrap(), Some(row(2, 9, 50)));
}

fn scan_is_ordered_and_whole(store: &impl Store) {
    let batch: Vec<_> = [250, 3, 128, 127, 4].map(|n| insert(n, 8)).into();
    store.write(&batch).unwrap();
    let (mut seen, mut after): (Vec<Label>, Option<Label>) = (Vec::new(), None);
    loop {
        let page = store.scan(Table::Records, after.as_ref(), 2).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page.iter().map(|(label, _)| *label));
    }
    assert_eq!(seen, [1, 2, 3, 4, 127, 128, 250].map(|n| [n; 32]));
}

fn versions_use_all_bits(store: &impl Store) {
    let first = Write { row: Some(row(u64::MAX, 5, 5)), ..insert(5, 0) };
    let second = Write { replaces: Some(u64::MAX), row: Some(row(1 << 63, 6, 5)), ..insert(5, 0) };
    assert_eq!(store.write(&[first, second]).unwrap(), [Written::Applied; 2]);
    assert_eq!(store.read(Table::Records, &[5; 32]).unwrap(), Some(row(1 << 63, 6, 5)));
}

fn of_many_writers_one_wins(store: &impl Store) {
    let winners: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn(move || store.write(&[Write { row: Some(row(n + 1, 7, 7)), ..insert(7, 0) }]))
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap().unwrap());
        outcomes.filter(|written| written == &[Written::Applied]).count()
    });
    assert_eq!(winners, 1);
}

fn readers_do_not_wait_for_writers(store: &impl Store) {
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let batch: Vec<_> = (10..60).map(|n| insert(n, 4096)).collect();
            store.write(&batch).unwrap()
        });
        while !writer.is_finished() {
            assert!(store.read(Table::Records, &[2; 32]).unwrap().is_some());
        }
        assert!(writer.join().unwrap().iter().all(|written| *written == Written::Applied));
    });
}

fn a_row_is_deleted_only_at_its_version(store: &impl Store) {
    let delete = |replaces| Write { replaces, row: None, ..insert(200, 0) };
    assert_eq!(store.write(&[insert(200, 20)]).unwrap(), [Written::Applied]);
    for wrong in [delete(Some(2)), delete(None)] {
        assert_eq!(store.write(&[wrong]).unwrap(), [Written::Conflict]);
    }
    assert_eq!(store.read(Table::Records, &[200; 32]).unwrap(), Some(row(1, 200, 20)));
    let again = [delete(Some(1)), delete(None), insert(200, 30), delete(Some(1))];
    assert_eq!(store.write(&again).unwrap(), [Written::Applied; 4]);
    assert_eq!(store.read(Table::Records, &[200; 32]).unwrap(), None);
    let seen = store.scan(Table::Records, Some(&[199; 32]), 1).unwrap();
    assert_ne!(seen.first().map(|(label, _)| *label), Some([200; 32]));
}

fn of_a_batch_with_one_conflict_nothing_is_applied(store: &impl Store) {
    store.write(&[insert(201, 20)]).unwrap();
    let delete = Write { replaces: Some(1), row: None, ..insert(201, 0) };
    let late = Write { replaces: Some(9), row: Some(row(10, 202, 5)), ..insert(202, 0) };
    for batch in [[delete.clone(), late.clone()], [late, delete]] {
        assert_eq!(store.write(&batch).unwrap(), [Written::Conflict; 2]);
        assert_eq!(store.read(Table::Records, &[201; 32]).unwrap(), Some(row(1, 201, 20)));
        assert_eq!(store.read(Table::Records, &[202; 32]).unwrap(), None);
    }
    store.write(&[Write { replaces: Some(1), row: None, ..insert(201, 0) }]).unwrap();
}

fn many_writers_at_once_each_get_their_own_results(store: &impl Store) {
    std::thread::scope(|scope| {
        for n in 0..64 {
            scope.spawn(move || {
                let insert = |size| Write { label: [n; 32], table: Table::Statuses, ..insert(n, size) };
                let mine = Write { label: [n ^ 0x80; 32], ..insert(40) };
                let expected = if n % 2 == 0 { Written::Applied } else { Written::Conflict };
                let batch = if n % 2 == 0 { vec![mine] } else { vec![mine.clone(), mine] };
                let written = store.write(&batch).unwrap();
                assert!(written.iter().all(|written| *written == expected), "{n}");
            });
        }
    });
}

fn many_rows_are_read_as_one_by_one(store: &impl Store) {
    let labels = [3, 99, 4, 3].map(|n| [n; 32]);
    let rows = store.read_many(Table::Records, &labels).unwrap();
    assert_eq!(rows, [Some(row(1, 3, 8)), None, Some(row(1, 4, 8)), Some(row(1, 3, 8))]);
}

fn writing_waits_for_the_disk_and_reading_does_not(store: &impl Store) {
    let before = store.syncs();
    store.write(&[insert(210, 10)]).unwrap();
    let written = store.syncs();
    assert!(written > before);
    store.read(Table::Records, &[210; 32]).unwrap();
    assert_eq!(store.write(&[insert(210, 10)]).unwrap(), [Written::Conflict]);
    assert_eq!(store.syncs(), written, "nothing changed, nothing to wait for");
}
