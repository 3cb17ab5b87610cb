//! Token buckets for client addresses, in bounded memory.
//!
//! No address is kept: of each there is a 64-bit hash under a key of this process, and the time at which
//! its bucket will be full. (Whoever reads the process's memory finds the key, too, and can try addresses
//! out.) A bucket that is full says nothing and is forgotten first.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::{NonZeroU32, NonZeroUsize},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

/// Parts of the table, each under a lock of its own.
const SHARDS: usize = 16;
/// How often a full part is searched for buckets to forget, at most.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// More than a relay of one provider has users awake in the same minute.
const DEFAULT_MAX_ADDRESSES: usize = 100_000;

/// How often one address may connect or ask. An address is an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Connections and requests together, per minute, in the long run. Over it a connection is closed
    /// before TLS, and a request answered with 429 and `Retry-After`.
    pub per_minute: NonZeroU32,
    /// As many may come at once after a pause.
    pub burst: NonZeroU32,
    /// How many addresses are told apart at the same time: those that have used up some of their burst.
    /// Default 100,000; at most 45 bytes each. Over it, newcomers share one bucket.
    #[serde(default = "default_max_addresses")]
    pub max_addresses: NonZeroUsize,
}

fn default_max_addresses() -> NonZeroUsize {
    NonZeroUsize::new(DEFAULT_MAX_ADDRESSES).unwrap_or(NonZeroUsize::MIN)
}

/// What is kept of where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The keyed hash of an address.
    Address(u64),
    /// There is no address, as with a balancer's own health checks. All of them share one bucket.
    Unnamed,
}

/// The bucket is empty: when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Empty {
    pub(crate) retry_after_secs: u64,
}

/// The buckets of all addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    key: RandomState,
    pace: Pace,
    began: Instant,
    shards: [Mutex<Shard>; SHARDS],
    most_in_shard: usize,
    /// For those whom the table has no room for.
    newcomers: Mutex<Bucket>,
    unnamed: Mutex<Bucket>,
}

/// When a bucket will be full again, in nanoseconds since the beginning. A bucket fills at one pace, so
/// that this one number says how full it is (the "generic cell rate algorithm").
type Bucket = u64;

#[derive(Debug, Default)]
struct Shard {
    buckets: HashMap<u64, Bucket>,
    /// Before this there is nothing to forget.
    sweep_at: u64,
}

/// In nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// For one token.
    token: u64,
    /// For a whole burst.
    burst: u64,
}

impl Addresses {
    pub(crate) fn new(rate: &Rate) -> Self {
        let token = Duration::from_secs(60).as_nanos() as u64 / u64::from(rate.per_minute.get());
        Self {
            key: RandomState::new(),
            pace: Pace { token, burst: token.saturating_mul(u64::from(rate.burst.get())) },
            began: Instant::now(),
            shards: Default::default(),
            most_in_shard: rate.max_addresses.get().div_ceil(SHARDS),
            newcomers: Mutex::default(),
            unnamed: Mutex::default(),
        }
    }

    /// What is kept of `address`.
    pub(crate) fn origin(&self, address: IpAddr) -> Origin {
        Origin::Address(self.key.hash_one(network(address)))
    }

    /// Takes a token.
    pub(crate) fn take(&self, origin: Origin) -> Result<(), Empty> {
        let now = self.began.elapsed().as_nanos() as u64;
        let Origin::Address(hash) = origin else {
            return self.pace.take(&mut lock(&self.unnamed), now);
        };
        let Some(shard) = self.shards.get(hash as usize % SHARDS) else {
            // Never: the remainder is below the number of shards.
            return self.pace.take(&mut lock(&self.newcomers), now);
        };
        let mut shard = lock(shard);
        if shard.buckets.contains_key(&hash) || shard.has_room(self.most_in_shard, now) {
            return self.pace.take(shard.buckets.entry(hash).or_default(), now);
        }
        drop(shard);
        self.pace.take(&mut lock(&self.newcomers), now)
    }
}

impl Shard {
    /// Whether one more bucket may be kept; forgets the full ones first.
    fn has_room(&mut self, most: usize, now: u64) -> bool {
        if self.buckets.len() >= most && now >= self.sweep_at {
            self.buckets.retain(|_, full_at| *full_at > now);
            let next = self.buckets.values().min().copied().unwrap_or_default();
            self.sweep_at = next.max(now.saturating_add(SWEEP_INTERVAL.as_nanos() as u64));
        }
        self.buckets.len() < most
    }
}

impl Pace {
    fn take(&self, full_at: &mut Bucket, now: u64) -> Result<(), Empty> {
        let then = now.max(*full_at).saturating_add(self.token);
        let missing = (then - now).saturating_sub(self.burst);
        if missing > 0 {
            let retry_after_secs = Duration::from_nanos(missing).as_secs().saturating_add(1);
            return Err(Empty { retry_after_secs });
        }
        *full_at = then;
        Ok(())
    }
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    /// The first 64 bits: what a household or a phone gets.
    V6(u64),
}

fn network(address: IpAddr) -> Network {
    let v6 = match address.to_canonical() {
        IpAddr::V4(v4) => return Network::V4(v4),
        IpAddr::V6(v6) => v6,
    };
    embedded(v6).map_or_else(|| Network::V6((u128::from(v6) >> 64) as u64), Network::V4)
}

/// The IPv4 address behind a translator's (RFC 6052 §2.1), all of which are in one /64, or behind a 6to4
/// address (RFC 3056 §2), which has 65,536 of them.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is a number or a table of numbers, whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
