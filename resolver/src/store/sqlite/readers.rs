//! The connections that read: a few, opened when first needed and kept, because opening one costs more than
//! many reads. Whoever finds all in use waits for one.

use super::lock;
use rusqlite::Connection;
use std::sync::{Condvar, Mutex, PoisonError};

/// Most reading connections: as many reads as a disk does at a time. Each keeps up to 2 MB of pages.
const MAX_READERS: usize = 16;

#[derive(Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    busy: Mutex<usize>,
    freed: Condvar,
}

/// The right to use a connection, until dropped.
struct Turn<'a>(&'a Readers);

impl Readers {
    /// Reads with a connection of its own; `open` opens one more. One on which a read failed is not kept.
    pub(super) fn read<T>(
        &self,
        open: impl FnOnce() -> rusqlite::Result<Connection>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let _turn = self.turn();
        // The one used last has read most.
        let idle = lock(&self.idle).pop();
        let connection = idle.map_or_else(open, Ok)?;
        let value = read(&connection)?;
        lock(&self.idle).push(connection);
        Ok(value)
    }

    fn turn(&self) -> Turn<'_> {
        let busy = lock(&self.busy);
        let busy = self.freed.wait_while(busy, |busy| *busy >= MAX_READERS);
        *busy.unwrap_or_else(PoisonError::into_inner) += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.busy) -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn connections_are_kept_and_bounded() {
        let (readers, opened) = (Readers::default(), AtomicUsize::new(0));
        let open = || {
            opened.fetch_add(1, Ordering::Relaxed);
            Connection::open_in_memory()
        };
        let one = |connection: &Connection| connection.query_row("SELECT 1", (), |row| row.get::<_, i64>(0));
        let together = Barrier::new(MAX_READERS);
        thread::scope(|scope| {
            for number in 0..3 * MAX_READERS {
                let (readers, together) = (&readers, &together);
                scope.spawn(move || {
                    let read = |connection: &Connection| {
                        // The first ones read at the same time, all others find them idle again.
                        if number < MAX_READERS {
                            together.wait();
                        }
                        one(connection)
                    };
                    assert_eq!(readers.read(open, read).unwrap(), 1);
                });
                if number + 1 == MAX_READERS {
                    while opened.load(Ordering::Relaxed) < MAX_READERS {
                        thread::yield_now();
                    }
                }
            }
        });
        assert_eq!(
            (opened.into_inner(), readers.idle.into_inner().unwrap().len()),
            (MAX_READERS, MAX_READERS)
        );
    }

    #[test]
    fn a_failed_read_loses_its_connection_and_not_its_turn() {
        let readers = Readers::default();
        for _ in 0..=MAX_READERS {
            let failed = readers.read(Connection::open_in_memory, |it| it.execute("NONSENSE", ()));
            assert!(failed.is_err());
        }
        assert!(readers.idle.into_inner().unwrap().is_empty());
    }
}
