//! Somebody who knows nothing of mixes, but has watched runs where it knew the answers.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game, Posed};
use crate::unlinkability::view::{FirstHop, NEVER, SecondHop, Views};

/// Naive Bayes on what the wires show of a pair: how long up, how long down, and how many came in between.
/// Learns from another seed.
#[derive(Clone, Debug)]
pub struct Trained {
    /// For each feature and bucket, how often with right pairs and with wrong ones.
    seen: [[[f64; 2]; BUCKETS]; FEATURES],
    totals: [f64; 2],
}

/// Delay up, delay down, and rank.
const FEATURES: usize = 3;
/// Four buckets for each doubling.
const BUCKETS: usize = 128;
const PER_DOUBLING: f64 = 4.0;

impl Adversary for Trained {
    type View<'a> = (&'a [FirstHop], &'a [SecondHop]);
    const SEES: &'static str =
        "as both_hops; told nothing of the mix, but taught on labelled runs of other seeds";
    const GAME: Game = Game::RequestOfForwarded;

    fn look(views: &Views) -> Self::View<'_> {
        (&views.first_hop, &views.second_hop)
    }

    fn weigh(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let pairs = (0..challenge.candidates.len()).map(|rank| self.ratio(features(view, challenge, rank)));
        pairs.collect()
    }

    fn learn(&mut self, view: &Self::View<'_>, lessons: &[Posed]) {
        for Posed { challenge, right } in lessons {
            for (rank, right) in right.iter().enumerate() {
                let class = usize::from(*right);
                self.totals[class] += 1.0;
                for (feature, bucket) in features(view, challenge, rank).into_iter().enumerate() {
                    self.seen[feature][bucket][class] += 1.0;
                }
            }
        }
    }
}

impl Default for Trained {
    fn default() -> Self {
        Self { seen: [[[0.0; 2]; BUCKETS]; FEATURES], totals: [0.0; 2] }
    }
}

impl Trained {
    /// How much likelier these features are with a right pair than with a wrong one.
    fn ratio(&self, features: [usize; FEATURES]) -> f64 {
        let share = |feature: usize, bucket: usize, class: usize| {
            // Laplace: what was never seen is rare, not impossible.
            (self.seen[feature][bucket][class] + 0.5) / (self.totals[class] + 0.5 * BUCKETS as f64)
        };
        let ratios = features.into_iter().enumerate();
        ratios.map(|(feature, bucket)| share(feature, bucket, 1) / share(feature, bucket, 0)).product()
    }
}

fn features(
    (first, second): &(&[FirstHop], &[SecondHop]),
    challenge: &Challenge,
    rank: usize,
) -> [usize; FEATURES] {
    let left = &second[challenge.subject as usize];
    let came = &first[challenge.candidates[rank] as usize];
    let down = match (left.answered, came.answered) {
        (NEVER, _) | (_, NEVER) => None,
        (left, came) => came.checked_sub(left),
    };
    let down = down.map_or(BUCKETS - 1, |down| bucket(down).min(BUCKETS - 2));
    [bucket(left.at.saturating_sub(came.at)), down, bucket(rank as u64)]
}

fn bucket(value: u64) -> usize {
    (((value + 1) as f64).log2() * PER_DOUBLING) as usize % BUCKETS
}
