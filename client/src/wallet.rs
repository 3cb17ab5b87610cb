//! The tokens in stock, and which of them pays for what.
//!
//! A token leaves the storage, durably, before it is handed out, and never comes back: whatever happens
//! afterwards, it is used once at most. Each has a moment before which it is not used, drawn at random, so
//! that the issuer's clock and the directory's cannot be matched. The wallet never gets tokens by itself: when
//! more are fetched must not tell how many were used.

use crate::ageing;
use crate::error::{Error, TokensError};
use crate::random;
use crate::storage::{Storage, StorageError};
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Epoch, Issuer, Policy};
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use discreet_protocol::token::{KeyId, TOKEN_BYTES, Token, challenge_digest};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Most tokens in stock: the burst that an issuer grants for a new address book, 2,000, has room.
pub const MAX_STOCK: usize = SHELVES * SHELF;
/// A token is not used later than so many seconds after it came, if nothing else is to be had: a day.
pub(crate) const MAX_AGEING: u64 = ageing::MOST;

/// How many values the stock is spread over: using a token rewrites one of them, not all.
const SHELVES: usize = 32;
/// Most tokens in one of them.
const SHELF: usize = 64;
/// The first byte of a shelf: how it is written.
const VERSION: u8 = 1;
/// Bytes of a token in a shelf: from when it may be used, and itself.
const ENTRY: usize = 8 + TOKEN_BYTES;

/// What is in stock, by issuer's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Keys that the policy names, those that end first in front.
    pub keys: Vec<KeyStock>,
}

/// What is in stock under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStock {
    /// The issuer's name.
    pub issuer: String,
    /// What tokens name the key by.
    pub key_id: KeyId,
    /// Tokens that can be used now.
    pub usable: usize,
    /// Tokens that can be used later.
    pub later: usize,
    /// When the first of these can be.
    pub next: Option<Timestamp>,
    /// When all can be.
    pub all: Option<Timestamp>,
    /// Until when the directory takes tokens under this key.
    pub until: Timestamp,
    /// From when on each token can be used, the soonest in front.
    times: Vec<Timestamp>,
}

impl Stock {
    /// Tokens that can be used now.
    pub fn usable(&self) -> usize {
        self.keys.iter().map(|key| key.usable).sum()
    }

    /// Tokens that could pay for operations of this price now: of each key whole operations, for one is never
    /// paid under two. `fresh`: with tokens before their time, too.
    pub fn payable(&self, price: u8, fresh: bool) -> usize {
        let price = usize::from(price.max(1));
        let tokens = |key: &KeyStock| if fresh { key.usable + key.later } else { key.usable };
        self.keys.iter().map(|key| tokens(key) / price * price).sum()
    }

    /// When so many under one key can be used; nothing if there are too few of each.
    pub fn enough_at(&self, price: u8) -> Option<Timestamp> {
        let last = usize::from(price.max(1)) - 1;
        let enough = |key: &KeyStock| key.times.get(last).copied().filter(|time| *time < key.until);
        self.keys.iter().filter_map(enough).min()
    }

    /// Tokens that can be used now or later.
    pub fn total(&self) -> usize {
        self.keys.iter().map(|key| key.usable + key.later).sum()
    }
}

/// From when on the tokens of one batch may be used.
pub(crate) struct Ageing {
    batch: u64,
}

impl Ageing {
    /// Draws what the tokens of a batch have in common.
    pub(crate) fn draw() -> Result<Self, Error> {
        Ok(Self { batch: ageing::of_batch(random::bits()?) })
    }

    /// When one of them that came at `now` may be used.
    fn usable_from(&self, now: Timestamp) -> Result<Timestamp, Error> {
        Ok(now.plus(self.batch + ageing::of_token(random::bits()?)))
    }
}

/// The stock for one discovery domain. Whoever changes it holds the storage's lock.
pub(crate) struct Wallet<'a> {
    storage: &'a dyn Storage,
    policy: &'a Policy,
    now: Timestamp,
}

struct Kept {
    usable_from: Timestamp,
    token: Token,
}

impl<'a> Wallet<'a> {
    /// The stock in `storage` as `policy` sees it at `now`.
    pub(crate) fn new(storage: &'a dyn Storage, policy: &'a Policy, now: Timestamp) -> Self {
        Self { storage, policy, now }
    }

    /// Takes `price` tokens out, all under one key: the key that ends first, among its tokens at random.
    /// When this returns they are gone from the storage. `fresh` tokens, which have not reached their time, are
    /// used if no key has enough others.
    pub(crate) fn take(&self, price: u8, fresh: bool) -> Result<Vec<Token>, Error> {
        let _lock = self.storage.lock()?;
        let mut shelves = self.load()?;
        let wanted = usize::from(price);
        let usable = self.usable(&shelves, wanted, false);
        let usable = if fresh && usable.is_none() { self.usable(&shelves, wanted, true) } else { usable };
        let Some(mut usable) = usable else {
            return Err(
                TokensError::NoneUsable { price, next: self.stock_of(&shelves).enough_at(price) }.into()
            );
        };
        let mut drawn = BTreeSet::new();
        for _ in 0..wanted {
            drawn.insert(usable.swap_remove(random::below(usable.len())?));
        }
        let mut taken = Vec::new();
        // From behind, so that the places in front stay what they are.
        for (shelf, at) in drawn.iter().rev() {
            let kept = shelves.get_mut(*shelf).filter(|kept| *at < kept.len());
            taken.extend(kept.map(|kept| kept.swap_remove(*at).token));
        }
        let touched: BTreeSet<_> = drawn.into_iter().map(|(shelf, _)| shelf).collect();
        for shelf in touched {
            self.store(shelf, shelves.get(shelf).map_or(&[], Vec::as_slice))?;
        }
        Ok(taken)
    }

    /// Puts tokens in. Where there is no room they take the place of others, drawn at random: the issuer gets to
    /// know neither that the wallet is full nor how far.
    pub(crate) fn put(&self, tokens: Vec<Token>, ageing: &Ageing) -> Result<(), Error> {
        let _lock = self.storage.lock()?;
        let mut shelves = self.load()?;
        let mut left = tokens.into_iter().peekable();
        while left.peek().is_some() {
            let emptiest = shelves.iter().map(Vec::len).enumerate().min_by_key(|(_, kept)| *kept);
            let with_room = emptiest.filter(|(_, kept)| *kept < SHELF).map(|(shelf, _)| shelf);
            let shelf = with_room.map_or_else(|| random::below(SHELVES), Ok)?;
            // Never: there are so many shelves.
            let Some(kept) = shelves.get_mut(shelf) else { break };
            if kept.len() >= SHELF {
                for _ in 0..left.len().min(SHELF) {
                    kept.swap_remove(random::below(kept.len())?);
                }
            }
            while kept.len() < SHELF
                && let Some(token) = left.next()
            {
                kept.push(Kept { usable_from: ageing.usable_from(self.now)?, token });
            }
            self.store(shelf, kept)?;
        }
        Ok(())
    }

    /// What there is.
    pub(crate) fn stock(&self) -> Result<Stock, Error> {
        Ok(self.stock_of(&self.load()?))
    }

    fn stock_of(&self, shelves: &[Vec<Kept>]) -> Stock {
        let keys = self.keys().into_iter().filter_map(|(issuer, epoch)| {
            let mut times: Vec<_> = of_key(shelves, epoch).map(|(_, kept)| kept.usable_from).collect();
            times.sort_unstable();
            let usable = times.partition_point(|time| *time <= self.now);
            (!times.is_empty()).then(|| KeyStock {
                issuer: issuer.name.to_string(),
                key_id: *epoch.key.id(),
                usable,
                later: times.len() - usable,
                next: times.get(usable).copied(),
                all: times.last().copied().filter(|time| *time > self.now),
                until: epoch.until,
                times,
            })
        });
        Stock { keys: keys.collect() }
    }

    /// The keys whose tokens count, those that end first in front.
    fn keys(&self) -> Vec<(&'a Issuer, &'a Epoch)> {
        let all =
            self.policy.issuers.iter().flat_map(|issuer| issuer.keys.iter().map(move |key| (issuer, key)));
        let mut current: Vec<_> = all.filter(|(_, epoch)| self.counts(epoch)).collect();
        current.sort_by_key(|(_, epoch)| (epoch.until, *epoch.key.id()));
        current
    }

    /// With some time left, for the directory's clock may be ahead of ours.
    fn counts(&self, epoch: &Epoch) -> bool {
        epoch.is_current(self.now) && self.now.plus(CLOCK_TOLERANCE) < epoch.until
    }

    /// Where those lie that could pay, if one key has as many as are wanted.
    fn usable(&self, shelves: &[Vec<Kept>], wanted: usize, fresh: bool) -> Option<Vec<(usize, usize)>> {
        let places = |epoch| {
            let of_key = of_key(shelves, epoch).filter(|(_, kept)| fresh || kept.usable_from <= self.now);
            of_key.map(|(place, _)| place).collect::<Vec<_>>()
        };
        self.keys().into_iter().map(|(_, epoch)| places(epoch)).find(|places| places.len() >= wanted)
    }

    /// All shelves, without tokens that will never count again.
    fn load(&self) -> Result<Vec<Vec<Kept>>, Error> {
        (0..SHELVES).map(|shelf| self.load_shelf(shelf)).collect()
    }

    fn load_shelf(&self, shelf: usize) -> Result<Vec<Kept>, Error> {
        let key = self.name(shelf);
        let Some(bytes) = self.storage.load(&key)? else { return Ok(Vec::new()) };
        let mut kept = decode(&bytes).ok_or(StorageError::DamagedTokens { key })?;
        kept.retain(|kept| self.may_count(&kept.token));
        Ok(kept)
    }

    /// Whether it counts, or will.
    fn may_count(&self, token: &Token) -> bool {
        let input = token.input();
        self.policy.issuers.of_key(&input.key_id).is_some_and(|(issuer, epoch)| {
            self.now < epoch.until
                && input.challenge_digest == challenge_digest(&issuer.name, &self.policy.domain)
        })
    }

    fn store(&self, shelf: usize, kept: &[Kept]) -> Result<(), Error> {
        let mut bytes = vec![VERSION];
        for Kept { usable_from, token } in kept {
            bytes.extend(usable_from.unix().to_be_bytes());
            bytes.extend(token.encode());
        }
        Ok(self.storage.store(&self.name(shelf), &bytes)?)
    }

    fn name(&self, shelf: usize) -> String {
        name(&self.policy.domain, shelf)
    }
}

fn name(domain: &Domain, shelf: usize) -> String {
    format!("tokens.{}.{shelf:02}", hex::encode(Sha256::digest(domain.as_str())))
}

fn of_key<'a>(shelves: &'a [Vec<Kept>], epoch: &Epoch) -> impl Iterator<Item = ((usize, usize), &'a Kept)> {
    let id = *epoch.key.id();
    let all = shelves
        .iter()
        .enumerate()
        .flat_map(|(shelf, kept)| kept.iter().enumerate().map(move |(at, kept)| ((shelf, at), kept)));
    all.filter(move |(_, kept)| kept.token.input().key_id == id)
}

fn decode(bytes: &[u8]) -> Option<Vec<Kept>> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    if !rest.len().is_multiple_of(ENTRY) || rest.len() > SHELF * ENTRY {
        return None;
    }
    let entry = |entry: &[u8]| {
        let (time, token) = entry.split_first_chunk()?;
        let usable_from = Timestamp::from_unix(u64::from_be_bytes(*time));
        Some(Kept { usable_from, token: Token::decode(token).ok()? })
    };
    rest.chunks_exact(ENTRY).map(entry).collect()
}

#[cfg(test)]
mod tests;
