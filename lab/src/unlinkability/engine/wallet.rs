//! A client's stock of tokens, as far as times tell something: when batches are fetched, and from which the
//! token of a request is.
//!
//! With a timer, as the product has it: a batch comes whether or not one is needed, each token is left to age by the
//! product's own [`ageing`], and chance decides among those that may be used. The product's limit on the stock is left
//! out. Who has none that may be used takes the next one that would be (`--fresh-tokens`), and who has none at all
//! fetches at once: impatient people, who give more away than the product's default would.

use super::super::scenario::{HOUR, Refill, Tokens};
use super::super::view::{AtIssuer, NO_ROW};
use discreet_client::ageing;
use on_demand::OnDemand;
use rand::{Rng, RngExt};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

mod on_demand;

/// See the module.
pub(super) enum Wallet<'a> {
    /// As the product refills it.
    Timed(Timed<'a>),
    /// For contrast.
    OnDemand(OnDemand<'a>),
}

impl<'a> Wallet<'a> {
    /// Starts as if it had been in use for some time.
    pub(super) fn new(settings: &'a Tokens, issuer: u16, account: u32, rng: &mut impl Rng) -> Self {
        match settings.refill {
            Refill::Timer => Self::Timed(Timed::new(settings, issuer, account, rng)),
            Refill::OnDemand => Self::OnDemand(OnDemand::new(settings, issuer, account, rng)),
        }
    }

    /// Takes a token and says which issuance it came with.
    pub(super) fn spend(&mut self, now: u64, rng: &mut impl Rng) -> u32 {
        match self {
            Self::Timed(wallet) => wallet.spend(now, rng),
            Self::OnDemand(wallet) => wallet.spend(now, rng),
        }
    }

    /// What was issued up to `end`, and how many tokens were used before their time.
    pub(super) fn close(self, end: u64, rng: &mut impl Rng) -> (Vec<AtIssuer>, u64) {
        match self {
            Self::Timed(wallet) => wallet.close(end, rng),
            Self::OnDemand(wallet) => (wallet.close(end), 0),
        }
    }
}

pub(super) struct Timed<'a> {
    settings: &'a Tokens,
    issuer: u16,
    account: u32,
    /// When the timer runs out next, and when the batch comes because of that.
    due: u64,
    fetched_at: u64,
    /// Issuances of the tokens that may be used, and of the others with their moments.
    usable: Vec<u32>,
    young: BinaryHeap<Reverse<(u64, u32)>>,
    issued: Vec<AtIssuer>,
    hurried: u64,
}

/// Milliseconds of a token's age, of those of its batch.
fn age(of_batch: u64, rng: &mut impl Rng) -> u64 {
    (of_batch + ageing::of_token(rng.random())) * 1000
}

impl<'a> Timed<'a> {
    fn new(settings: &'a Tokens, issuer: u16, account: u32, rng: &mut impl Rng) -> Self {
        let every = every(settings);
        let phase = rng.random_range(0..every);
        let (usable, young) = (Vec::new(), BinaryHeap::new());
        let due = every - phase;
        let (issued, hurried) = (Vec::new(), 0);
        let mut wallet =
            Self { settings, issuer, account, due, fetched_at: 0, usable, young, issued, hurried };
        // Those of before the run that may still be too young, and two batches at least. Half of those that may be
        // used are: the fuller a stock, the less do times tell.
        for before in 0..(ageing::MOST * 1000).div_ceil(every).max(2) {
            let (since, of_batch) = (phase + before * every, ageing::of_batch(rng.random()));
            for _ in 0..settings.batch {
                match age(of_batch, rng).checked_sub(since) {
                    Some(from) if from > 0 => wallet.young.push(Reverse((from, NO_ROW))),
                    _ if rng.random() => wallet.usable.push(NO_ROW),
                    _ => {}
                }
            }
        }
        wallet.fetched_at = due + wallet.spread(rng);
        wallet
    }

    fn spend(&mut self, now: u64, rng: &mut impl Rng) -> u32 {
        self.pass(now, rng);
        if !self.usable.is_empty() {
            let drawn = rng.random_range(0..self.usable.len());
            return self.usable.swap_remove(drawn);
        }
        self.hurried += 1;
        if self.young.is_empty() {
            self.fetch(now, rng);
        }
        self.young.pop().map_or(NO_ROW, |Reverse((_, row))| row)
    }

    fn close(mut self, end: u64, rng: &mut impl Rng) -> (Vec<AtIssuer>, u64) {
        self.pass(end.saturating_sub(1), rng);
        (self.issued, self.hurried)
    }

    /// What timers did up to `now`.
    fn pass(&mut self, now: u64, rng: &mut impl Rng) {
        while self.fetched_at <= now {
            self.fetch(self.fetched_at, rng);
            self.due += every(self.settings);
            self.fetched_at = self.due + self.spread(rng);
        }
        while self.young.peek().is_some_and(|Reverse((from, _))| *from <= now) {
            self.usable.extend(self.young.pop().map(|Reverse((_, row))| row));
        }
    }

    /// No longer than until the timer's next time, so that batches come in order.
    fn spread(&self, rng: &mut impl Rng) -> u64 {
        rng.random_range(0..=(self.settings.fetch_spread_secs * 1000).min(every(self.settings)))
    }

    fn fetch(&mut self, at: u64, rng: &mut impl Rng) {
        let (tokens, row) = (self.settings.batch, self.issued.len() as u32);
        let of_batch = ageing::of_batch(rng.random());
        for _ in 0..tokens {
            self.young.push(Reverse((at + age(of_batch, rng), row)));
        }
        self.issued.push(AtIssuer { at, issuer: self.issuer, account: self.account, tokens });
    }
}

fn every(settings: &Tokens) -> u64 {
    (settings.every_hours * HOUR as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::super::super::randomness::{Purpose, stream};
    use super::super::super::scenario::DAY;
    use super::*;

    #[test]
    fn a_timer_fetches_whatever_is_used() {
        let settings = Tokens { fetch_spread_secs: 0, ..Tokens::default() };
        let fetched = |uses: u64| {
            let mut rng = stream(1, Purpose::Behaviour, 0);
            let mut wallet = Wallet::new(&settings, 0, 4, &mut rng);
            for number in 0..uses {
                wallet.spend(number * 1_000_000, &mut rng);
            }
            let (issued, hurried) = wallet.close(5 * DAY, &mut rng);
            assert_eq!(hurried, 0);
            issued.iter().map(|row| row.at).collect::<Vec<_>>()
        };
        let times = fetched(0);
        assert_eq!((times.len(), &times), (5, &fetched(90)));
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == DAY), "{times:?}");
    }

    #[test]
    fn a_token_is_used_before_its_time_only_if_there_is_no_other() {
        let settings = Tokens { batch: 2, every_hours: 720.0, ..Tokens::default() };
        let mut rng = stream(1, Purpose::Behaviour, 0);
        let mut wallet = Timed::new(&settings, 0, 4, &mut rng);
        (wallet.usable, wallet.fetched_at) = (vec![NO_ROW], u64::MAX);
        wallet.young.clear();
        // One is there; the next two have to be fetched first, and are too young.
        let rows: Vec<_> = (0..3).map(|at| wallet.spend(at * 1000, &mut rng)).collect();
        assert_eq!((rows, wallet.hurried), (vec![NO_ROW, 0, 0], 2));
        wallet.fetch(10_000, &mut rng);
        assert_eq!((wallet.spend(10_000 + 24 * HOUR, &mut rng), wallet.hurried), (1, 2));
    }
}
