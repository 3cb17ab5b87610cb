//! An issuer and a gateway that compare their clocks.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, AtIssuer, Public, Views};
use std::collections::HashMap;

/// A token cannot be recognised, but one that is spent right after it was issued need not be.
#[derive(Clone, Copy, Debug)]
pub struct IssuerAndGateway;

/// Milliseconds that make no difference.
const BLUR_MS: f64 = 1000.0;

impl Adversary for IssuerAndGateway {
    /// The gateway, and when each account was issued tokens, in the order of time.
    type View<'a> = (&'a [AtGateway], HashMap<u32, Vec<u64>>, &'a Public);
    const SEES: &'static str =
        "issuers and gateways: to which account tokens went when, and when tokens are spent";
    const GAME: Game = Game::AccountOfToken;

    fn look(views: &Views) -> Self::View<'_> {
        let mut issued: HashMap<u32, Vec<u64>> = HashMap::new();
        for AtIssuer { at, account, .. } in &views.issuer {
            issued.entry(*account).or_default().push(*at);
        }
        (&views.gateway, issued, &views.public)
    }

    fn weigh(&self, (rows, issued, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let spent = rows[challenge.subject as usize].at;
        let weigh = |account: &u32| {
            let times = issued.get(account).map_or(&[][..], Vec::as_slice);
            // Younger ones are left alone, as everybody knows.
            let before = times.partition_point(|at| at + public.token_age_ms <= spent);
            let last = before.checked_sub(1).and_then(|place| times.get(place));
            last.map_or(0.0, |at| 1.0 / ((spent - at - public.token_age_ms) as f64 + BLUR_MS))
        };
        challenge.candidates.iter().map(weigh).collect()
    }
}
