//! An issuer and a gateway that compare their clocks.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::scenario::Refill;
use crate::unlinkability::view::{AtGateway, AtIssuer, Public, Views};
use discreet_client::ageing;
use std::collections::HashMap;

/// A token cannot be recognised, but one that is spent right after it was issued need not be.
#[derive(Clone, Copy, Debug)]
pub struct IssuerAndGateway;

/// Milliseconds that make no difference where tokens are fetched on demand.
const BLUR_MS: f64 = 1000.0;
/// Milliseconds from one value of [`Clocks::unspent`] to the next.
const STEP_MS: u64 = 300_000;

/// What both together know.
#[derive(Debug)]
pub struct Clocks<'a> {
    gateway: &'a [AtGateway],
    /// When each account was issued tokens, in the order of time.
    issued: HashMap<u32, Vec<u64>>,
    public: &'a Public,
    /// The share of a batch that may be used and probably has not been, by its age in steps.
    unspent: Vec<f64>,
}

impl Adversary for IssuerAndGateway {
    type View<'a> = Clocks<'a>;
    const SEES: &'static str =
        "issuers and gateways: to which account tokens went when, and when tokens are spent";
    const GAME: Game = Game::AccountOfToken;

    fn look(views: &Views) -> Self::View<'_> {
        let mut issued: HashMap<u32, Vec<u64>> = HashMap::new();
        for AtIssuer { at, account, .. } in &views.issuer {
            issued.entry(*account).or_default().push(*at);
        }
        let (gateway, public) = (&views.gateway[..], &views.public);
        Clocks { gateway, issued, public, unspent: unspent(gateway, public) }
    }

    fn weigh(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let spent = view.gateway[challenge.subject as usize].at;
        let weigh = |account: &u32| {
            let times = view.issued.get(account).map_or(&[][..], Vec::as_slice);
            match view.public.tokens.refill {
                Refill::Timer => view.by_age(times, spent),
                Refill::OnDemand => view.by_last(times, spent),
            }
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}

impl Clocks<'_> {
    /// Of how many tokens of an account it may be one.
    fn by_age(&self, times: &[u64], spent: u64) -> f64 {
        let before = times.iter().filter_map(|at| spent.checked_sub(*at));
        before.filter_map(|age| self.unspent.get((age / STEP_MS) as usize)).sum()
    }

    /// How long ago the account's last one came that is not too young, as everybody knows.
    fn by_last(&self, times: &[u64], spent: u64) -> f64 {
        let age = self.public.tokens.min_age_secs * 1000;
        let before = times.partition_point(|at| at + age <= spent);
        let last = before.checked_sub(1).and_then(|place| times.get(place));
        last.map_or(0.0, |at| 1.0 / ((spent - at - age) as f64 + BLUR_MS))
    }
}

/// A batch becomes usable as the product's ageing says, and is used up at the pace at which all are: both know how
/// many are spent, and that chance decides which.
fn unspent(gateway: &[AtGateway], public: &Public) -> Vec<f64> {
    let Some(end) = gateway.last().map(|row| row.at) else { return Vec::new() };
    let of_each = gateway.len() as f64 / f64::from(public.clients);
    let batch_lasts = f64::from(public.tokens.batch) * (end + 1) as f64 / of_each;
    let left = (-(STEP_MS as f64) / batch_lasts).exp();
    let usable = |step: u64| ageing::usable_after((step * STEP_MS / 1000) as f64);
    let mut now = 0.0;
    (0..=end / STEP_MS)
        .map(|step| {
            now = now * left + usable(step + 1) - usable(step);
            now
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlinkability::engine::public;
    use crate::unlinkability::scenario::Scenario;

    const HOUR: u64 = 3_600_000;

    /// With a batch that outlasts the run, what may be used is what has aged: 1/24 after 3 hours, half after 12.
    #[test]
    fn an_account_is_held_likely_by_the_share_of_its_tokens_that_has_aged() {
        let scenario: Scenario = toml::from_str("seed = 1\nclients = 1000\nhours = 24").unwrap();
        let row = AtGateway {
            at: 24 * HOUR,
            relay: 0,
            gateway: 0,
            identifier: 0,
            publish: false,
            issuer: 0,
            key: 0,
            up: 0,
            down: 0,
        };
        let (gateway, public) = ([row], public(&scenario));
        let view = Clocks {
            gateway: &gateway,
            issued: HashMap::new(),
            unspent: unspent(&gateway, &public),
            public: &public,
        };
        for (hours, share) in [(3, 4.5 / 108.0), (12, 0.5), (24, 1.0)] {
            let found = view.by_age(&[24 * HOUR - hours * HOUR], 24 * HOUR);
            assert!((found - share).abs() < 0.01, "{hours}: {found}");
        }
        // Two batches are more than one, and one that came later is none.
        assert!((view.by_age(&[0, 12 * HOUR, 25 * HOUR], 24 * HOUR) - 1.5).abs() < 0.01);
    }
}
