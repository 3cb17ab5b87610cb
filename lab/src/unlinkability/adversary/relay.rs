//! An honest but curious relay.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtRelay, Public, Views};

/// Sees who asks when. A contact that is asked again as soon as its answer is stale would show by the distance
/// of two requests; timers without a memory show nothing.
#[derive(Clone, Copy, Debug)]
pub struct RelayAlone;

/// What a distance shorter than an answer lasts is still worth: nobody needs to ask again then.
const TOO_EARLY: f64 = 0.05;
/// What a longer distance is worth: the person was not needed, or asked about in between.
const LATER: f64 = 0.2;

impl Adversary for RelayAlone {
    type View<'a> = (&'a [AtRelay], &'a Public);
    const SEES: &'static str = "relays: who asks when, sizes, how long the gateway takes";
    const GAME: Game = Game::SameContact;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.relay, &views.public)
    }

    fn weigh(&self, (rows, public): &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let now = rows[challenge.subject as usize].at;
        challenge.candidates.iter().map(|row| again(now - rows[*row as usize].at, public)).collect()
    }
}

/// How likely one contact is asked again after this time.
pub(super) fn again(gap: u64, public: &Public) -> f64 {
    let stale = public.refresh_after_ms;
    if gap < stale {
        return TOO_EARLY;
    }
    LATER + (1.0 - LATER) * (-((gap - stale) as f64) / (0.25 * stale as f64)).exp()
}
