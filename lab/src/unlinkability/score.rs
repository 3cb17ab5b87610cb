//! Turns played games into figures. It knows weights and which candidates were right, not what they stand for.

use super::results::{AdversaryResult, Estimate, Rounds};
use super::statistics::bootstrap::{intervals, median, wilson};
use super::statistics::entropy::{belief, best, entropy};
use super::statistics::roc::{Curve, Pair};

/// The false-positive rate at which true positives are told.
pub const FALSE_POSITIVES: f64 = 1e-3;

/// One game that was played.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// How likely the adversary holds each candidate; the sum does not matter.
    pub weights: Vec<f64>,
    /// Which candidates are right; may be none, if the right one is not among them.
    pub right: Vec<bool>,
    /// The number of rounds after which the best guess was right and stayed so.
    pub disclosed_after: Option<u64>,
}

/// Who played.
#[derive(Clone, Debug)]
pub struct Player {
    /// The adversary's name, and its variant.
    pub name: String,
    /// What it is given.
    pub sees: String,
    /// What it must tell.
    pub game: String,
    /// What a round is, where the game has rounds.
    pub rounds: Option<&'static str>,
    /// Lookups lost to what it did.
    pub lost: u64,
}

/// The figures of a player.
pub fn score(player: Player, played: &[Played], resamples: usize, seed: u64) -> AdversaryResult {
    let games: Vec<Game> = played.iter().map(Game::new).collect();
    let count = games.len() as f64;
    let mean = |of: fn(&Game) -> f64| games.iter().map(of).sum::<f64>() / count.max(1.0);
    let blind = mean(|game| game.blind);
    let success = wilson(games.iter().map(|game| game.success).sum(), count);
    let pairs = played.iter().zip(&games).enumerate().flat_map(|(number, (played, game))| {
        // By how much likelier than a blind guess: else a game of few candidates would seem surer than one of many.
        let count = game.belief.len() as f64;
        let pairs = game.belief.iter().zip(&played.right);
        pairs.map(move |(share, &right)| Pair { score: share * count, game: number as u32, right })
    });
    let curve = Curve::new(pairs.collect());
    let [auc, tpr, by_entropy, by_min_entropy] = intervals(games.len(), resamples, seed, |times| {
        let [auc, tpr] = curve.measure(times, FALSE_POSITIVES);
        let total: f64 = times.iter().map(|times| f64::from(*times)).sum();
        let mean = |of: fn(&Game) -> f64| {
            games.iter().zip(times).map(|(game, times)| of(game) * f64::from(*times)).sum::<f64>() / total
        };
        [auc, tpr, mean(|game| game.bits).exp2(), 1.0 / mean(|game| game.best)]
    });
    let rounds = player.rounds.map(|unit| Rounds { unit: unit.to_owned(), ..rounds(played) });
    AdversaryResult {
        name: player.name,
        sees: player.sees,
        game: player.game,
        challenges: games.len() as u64,
        candidates: mean(|game| game.belief.len() as f64),
        blind,
        advantage: success.less(blind),
        success,
        auc: auc.or_blind(0.5),
        tpr_at_fpr_1e3: tpr.or_blind(0.0),
        set_by_entropy: by_entropy.or_blind(1.0),
        set_by_min_entropy: by_min_entropy.or_blind(1.0),
        roc: curve.points(),
        rounds,
        lost: player.lost,
        note: played.is_empty().then(|| "this run has nothing to pose such a game from".to_owned()),
    }
}

/// What one game adds to the figures.
struct Game {
    belief: Vec<f64>,
    success: f64,
    blind: f64,
    bits: f64,
    best: f64,
}

impl Game {
    fn new(played: &Played) -> Self {
        let belief = belief(&played.weights);
        let best = best(&belief);
        // Of several equal guesses one is taken blindly.
        let tops = belief.iter().zip(&played.right).filter(|(share, _)| **share >= best * (1.0 - 1e-9));
        let (tops, hits) = tops
            .fold((0.0, 0.0), |(tops, hits), (_, right)| (tops + 1.0, hits + f64::from(u8::from(*right))));
        let right = played.right.iter().filter(|right| **right).count();
        let blind = right as f64 / (played.right.len().max(1)) as f64;
        Self { success: hits / f64::max(tops, 1.0), blind, bits: entropy(&belief), best, belief }
    }
}

/// Whether the only best guess is right.
pub fn is_disclosed(weights: &[f64], right: &[bool]) -> bool {
    let top = weights.iter().copied().fold(f64::MIN, f64::max);
    let mut tops = weights.iter().zip(right).filter(|(weight, _)| **weight >= top * (1.0 - 1e-9));
    matches!((tops.next(), tops.next()), (Some((_, true)), None))
}

fn rounds(played: &[Played]) -> Rounds {
    let disclosed = played.iter().filter(|game| game.disclosed_after.is_some()).count();
    // Who was not disclosed would have been later than any other.
    let all = played.iter().map(|game| game.disclosed_after.map_or(f64::INFINITY, |rounds| rounds as f64));
    let median = median(all.collect());
    let within = |of: fn(Estimate) -> f64| median.map(of).filter(|rounds| rounds.is_finite());
    Rounds {
        unit: String::new(),
        median: within(|it| it.value),
        median_low: within(|it| it.low),
        median_high: within(|it| it.high),
        disclosed: wilson(disclosed as f64, played.len() as f64),
    }
}

impl Estimate {
    /// The same for the figure less a constant.
    #[must_use]
    pub fn less(self, constant: f64) -> Self {
        Self { value: self.value - constant, low: self.low - constant, high: self.high - constant }
    }

    /// What knows nothing, in place of what is no number.
    fn or_blind(self, blind: f64) -> Self {
        if self.value.is_finite() { self } else { Self { value: blind, low: blind, high: blind } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlinkability::randomness::{Purpose, stream};
    use rand::{RngExt, seq::SliceRandom};

    fn player() -> Player {
        let text = String::new;
        Player { name: text(), sees: text(), game: text(), rounds: Some("round"), lost: 0 }
    }

    fn game(weights: &[f64], right: usize) -> Played {
        let marks = (0..weights.len()).map(|place| place == right).collect();
        Played { weights: weights.to_vec(), right: marks, disclosed_after: None }
    }

    #[test]
    fn who_knows_everything_is_always_right() {
        let played: Vec<_> =
            (0..200).map(|n| game(&[0.0, 1.0, 0.0, 0.0], if n < 200 { 1 } else { 0 })).collect();
        let found = score(player(), &played, 50, 1);
        assert!((found.success.value - 1.0).abs() < 1e-12 && (found.auc.value - 1.0).abs() < 1e-12);
        assert!((found.advantage.value - 0.75).abs() < 1e-12 && (found.blind - 0.25).abs() < 1e-12);
        assert!((found.set_by_entropy.value - 1.0).abs() < 1e-12);
        assert!((found.tpr_at_fpr_1e3.value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn no_opinion_has_no_advantage_and_the_whole_set() {
        let played: Vec<_> = (0..200).map(|n| game(&[1.0; 8], n % 8)).collect();
        let found = score(player(), &played, 50, 1);
        assert!((found.success.value - 0.125).abs() < 1e-12 && found.advantage.value.abs() < 1e-12);
        assert!((found.auc.value - 0.5).abs() < 1e-12);
        assert!((found.set_by_entropy.value - 8.0).abs() < 1e-9);
        assert!((found.set_by_min_entropy.value - 8.0).abs() < 1e-9);
    }

    #[test]
    fn games_of_different_size_make_no_opinion_no_better() {
        let played: Vec<_> = (0..200).map(|n| game(&vec![1.0; if n % 2 == 0 { 2 } else { 30 }], 0)).collect();
        let found = score(player(), &played, 50, 1);
        assert!((found.auc.value - 0.5).abs() < 1e-12, "{:?}", found.auc);
    }

    #[test]
    fn shuffled_labels_give_an_area_of_one_half() {
        let mut rng = stream(9, Purpose::Referee, 0);
        let played: Vec<_> = (0..1000)
            .map(|_| {
                let weights: Vec<f64> = (0..20).map(|_| rng.random::<f64>().powi(3)).collect();
                let mut right: Vec<bool> = weights.iter().map(|weight| *weight > 0.9).collect();
                right.shuffle(&mut rng);
                Played { weights, right, disclosed_after: None }
            })
            .collect();
        let found = score(player(), &played, 200, 1);
        assert!(found.auc.low < 0.5 && 0.5 < found.auc.high, "{:?}", found.auc);
        assert!((found.auc.value - 0.5).abs() < 0.02, "{:?}", found.auc);
        assert!(found.advantage.low < 0.0 && 0.0 < found.advantage.high, "{:?}", found.advantage);
    }

    #[test]
    fn rounds_have_a_median_only_if_half_were_disclosed() {
        let after = |rounds: &[Option<u64>]| {
            let played =
                rounds.iter().map(|after| Played { disclosed_after: *after, ..game(&[1.0, 2.0], 0) });
            score(player(), &played.collect::<Vec<_>>(), 50, 1).rounds.unwrap()
        };
        assert_eq!(after(&[Some(8), Some(2), Some(4)]).median, Some(4.0));
        assert_eq!(after(&[Some(8), None, None]).median, None);
        // Of eight the interval is from the first to the last, and the last was never disclosed.
        let wide = after(&[1, 2, 3, 4, 5, 6, 7].map(Some).into_iter().chain([None]).collect::<Vec<_>>());
        assert_eq!((wide.median_low, wide.median, wide.median_high), (Some(1.0), Some(5.0), None));
        assert!((after(&[Some(8), None, None]).disclosed.value - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_guess_that_is_shared_discloses_nothing() {
        assert!(is_disclosed(&[1.0, 2.0], &[false, true]));
        assert!(!is_disclosed(&[2.0, 2.0], &[false, true]));
        assert!(!is_disclosed(&[2.0, 1.0], &[false, true]));
    }
}
