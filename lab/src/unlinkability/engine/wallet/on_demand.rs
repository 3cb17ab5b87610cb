//! A stock of tokens that is refilled because of use, and whose tokens wait for an hour or so that everybody knows:
//! what the product does not do. It is here to show what that would tell.

use super::super::super::scenario::Tokens;
use super::super::super::view::{AtIssuer, NO_ROW};
use rand::{Rng, RngExt};

/// See the module.
pub(in super::super) struct OnDemand<'a> {
    settings: &'a Tokens,
    issuer: u16,
    account: u32,
    batches: Vec<Batch>,
    /// When the next batch comes, if one was ordered.
    ordered: Option<u64>,
    issued: Vec<AtIssuer>,
}

struct Batch {
    at: u64,
    row: u32,
    left: u32,
}

impl<'a> OnDemand<'a> {
    /// Starts somewhere between two batches.
    pub(in super::super) fn new(settings: &'a Tokens, issuer: u16, account: u32, rng: &mut impl Rng) -> Self {
        let left = rng.random_range(0..=settings.batch);
        let batches = vec![Batch { at: 0, row: NO_ROW, left }];
        Self { settings, issuer, account, batches, ordered: None, issued: Vec::new() }
    }

    /// Takes a token and says which issuance it came with.
    pub(in super::super) fn spend(&mut self, now: u64, rng: &mut impl Rng) -> u32 {
        if let Some(at) = self.ordered.take_if(|at| *at <= now) {
            self.fetch(at);
        }
        self.batches.retain(|batch| batch.left > 0);
        if self.batches.is_empty() {
            self.fetch(now);
        }
        // Of those old enough each token is as likely; else one of the oldest batch goes.
        let old = |batch: &&Batch| batch.row == NO_ROW || now - batch.at >= self.settings.min_age_secs * 1000;
        let total: u32 = self.batches.iter().filter(old).map(|batch| batch.left).sum();
        let mut drawn = if total == 0 { 0 } else { rng.random_range(0..total) };
        let mut chosen = 0;
        for (place, batch) in self.batches.iter().enumerate().filter(|(_, batch)| old(batch)) {
            chosen = place;
            if drawn < batch.left {
                break;
            }
            drawn -= batch.left;
        }
        let batch = &mut self.batches[chosen];
        let row = batch.row;
        batch.left -= 1;
        let left: u32 = self.batches.iter().map(|batch| batch.left).sum();
        if left < self.settings.low_water && self.ordered.is_none() {
            self.ordered = Some(now + rng.random_range(0..=self.settings.fetch_spread_secs * 1000));
        }
        row
    }

    /// What was issued up to `end`.
    pub(in super::super) fn close(mut self, end: u64) -> Vec<AtIssuer> {
        if let Some(at) = self.ordered.take_if(|at| *at < end) {
            self.fetch(at);
        }
        self.issued
    }

    fn fetch(&mut self, at: u64) {
        let tokens = self.settings.batch;
        self.batches.push(Batch { at, row: self.issued.len() as u32, left: tokens });
        self.issued.push(AtIssuer { at, issuer: self.issuer, account: self.account, tokens });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::randomness::{Purpose, stream};
    use super::*;

    #[test]
    fn one_token_at_a_time_is_issued_when_it_is_spent() {
        let settings =
            Tokens { batch: 1, low_water: 0, fetch_spread_secs: 0, min_age_secs: 0, ..Tokens::default() };
        let mut rng = stream(1, Purpose::Behaviour, 0);
        let mut wallet = OnDemand::new(&settings, 0, 4, &mut rng);
        wallet.batches.clear();
        assert_eq!([100, 250, 251].map(|at| wallet.spend(at, &mut rng)), [0, 1, 2]);
        let times: Vec<_> = wallet.close(1000).iter().map(|row| row.at).collect();
        assert_eq!(times, [100, 250, 251]);
    }

    #[test]
    fn young_tokens_wait_while_there_are_old_ones() {
        let settings =
            Tokens { batch: 10, low_water: 10, fetch_spread_secs: 0, min_age_secs: 100, ..Tokens::default() };
        let mut rng = stream(1, Purpose::Behaviour, 0);
        let mut wallet = OnDemand::new(&settings, 0, 4, &mut rng);
        wallet.batches = vec![Batch { at: 0, row: NO_ROW, left: 3 }];
        let rows: Vec<_> = (0..4).map(|step| wallet.spend(step * 1000, &mut rng)).collect();
        assert_eq!(rows, [NO_ROW, NO_ROW, NO_ROW, 0], "the fourth has no choice");
    }
}
