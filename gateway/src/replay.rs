//! What was opened with one key, so that a copy of a request is not answered again (RFC 9458 §6.5).
//!
//! In memory only, and not shared: across replicas and restarts a replay gains nothing, since
//! lookups change nothing and publishes carry serials. Bounded: when it is full, the older half of
//! what a shard remembers is forgotten, so that a flood costs memory of replays and never a lookup.

use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Requests remembered for each key, at least half of them; 16 bytes and the set's overhead each.
const MAX_REPLAYS: usize = 1 << 20;
/// Locks, so that workers do not wait for one another.
const SHARDS: usize = 16;

type Mark = [u8; 16];

/// The requests opened with one key.
pub(crate) struct Replays {
    shards: [Mutex<Shard>; SHARDS],
    /// Entries of one generation of one shard.
    room: usize,
}

#[derive(Default)]
struct Shard {
    young: HashSet<Mark>,
    old: HashSet<Mark>,
}

impl Default for Replays {
    fn default() -> Self {
        Self::with_room(MAX_REPLAYS)
    }
}

impl Replays {
    pub(crate) fn with_room(most: usize) -> Self {
        Self { shards: Default::default(), room: (most / SHARDS / 2).max(1) }
    }

    /// Notes a request that was opened; `false` if it was noted before. `enc` is what no two honest
    /// requests share.
    pub(crate) fn is_new(&self, enc: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(enc).into();
        let (mark, rest) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let shard = usize::from(rest.first().copied().unwrap_or(0)) % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return true };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.old.contains(mark) || !shard.young.insert(*mark) {
            return false;
        }
        if shard.young.len() >= self.room {
            shard.old = std::mem::take(&mut shard.young);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enc(n: u64) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    #[test]
    fn c34_a_request_is_new_once() {
        let replays = Replays::default();
        assert!(replays.is_new(&enc(1)));
        assert!(!replays.is_new(&enc(1)));
        assert!(replays.is_new(&enc(2)));
    }

    #[test]
    fn c34_of_many_at_once_one_is_new() {
        let replays = Replays::default();
        let new = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| replays.is_new(&enc(7)))).collect();
            tries.into_iter().filter(|_| true).map(|one| one.join().unwrap()).filter(|new| *new).count()
        });
        assert_eq!(new, 1);
    }

    #[test]
    fn c34_a_full_cache_forgets_the_oldest_and_takes_every_new_request() {
        let replays = Replays::with_room(SHARDS * 8);
        for n in 0..10_000 {
            assert!(replays.is_new(&enc(n)), "{n}");
        }
        // The latest are still known, the first are not.
        assert!(!replays.is_new(&enc(9_999)));
        assert!(replays.is_new(&enc(0)));
        let held: usize = replays
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock().unwrap();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(held <= SHARDS * 8, "{held}");
    }
}
