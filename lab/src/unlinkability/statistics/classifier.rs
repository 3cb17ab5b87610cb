//! A classifier that learns from the first half of some samples, and how well it separates the second.

use super::roc::{Curve, Pair};
use serde::{Deserialize, Serialize};

/// The interval of 99 %: two-sided, of the normal distribution.
const WIDTH: f64 = 2.575_829;
/// So many standard deviations above one half are no chance: once in 4,000 runs.
const NO_CHANCE: f64 = 3.5;
/// Steps and step width of the descent, and how much large weights cost.
const STEPS: usize = 300;
const RATE: f64 = 0.5;
const RIDGE: f64 = 0.02;
/// Standardised values beyond this are cut: one late packet is no evidence.
const CLIP: f64 = 3.0;

/// Area under the curve, with its confidence interval of 99 % (Hanley and McNeil 1982).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Auc {
    /// The area; 0.5 is blind.
    pub auc: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// The standard deviation that the area has when nothing separates: of the rank-sum test.
    pub deviation_by_chance: f64,
}

impl Auc {
    /// Whether the scores separate, beyond chance.
    pub fn separates(&self) -> bool {
        self.auc - 0.5 > NO_CHANCE * self.deviation_by_chance
    }
}

/// How often a score of a positive is above one of a negative; ties count half. Scores are above zero.
fn auc(scores: &[(f64, bool)]) -> Auc {
    let count = |label| scores.iter().filter(|(_, other)| *other == label).count() as f64;
    let (n, m) = (count(true), count(false));
    if n * m == 0.0 {
        return Auc { auc: 0.5, low: 0.0, high: 1.0, deviation_by_chance: 0.5 };
    }
    let pairs = scores.iter().map(|&(score, right)| Pair { score, game: 0, right });
    let [auc, _] = Curve::new(pairs.collect()).measure(&[1], 0.0);
    let (one, two) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let square = auc * auc;
    let variance = auc * (1.0 - auc) + (n - 1.0) * (one - square) + (m - 1.0) * (two - square);
    let error = WIDTH * (variance / (n * m)).sqrt();
    let deviation_by_chance = ((n + m + 1.0) / (12.0 * n * m)).sqrt();
    Auc { auc, low: (auc - error).max(0.0), high: (auc + error).min(1.0), deviation_by_chance }
}

/// Logistic regression: learns from the first half of the samples, in the order given, and scores the second.
pub fn classify(samples: &[(Vec<f64>, bool)]) -> Auc {
    let (train, test) = samples.split_at(samples.len() / 2);
    let scale = Scale::of(train);
    let train: Vec<_> = train.iter().map(|(features, label)| (scale.apply(features), *label)).collect();
    let mut weights = vec![0.0; scale.0.len() + 1];
    for _ in 0..STEPS {
        let mut gradient = vec![0.0; weights.len()];
        for (features, label) in &train {
            let error = 1.0 / (1.0 + (-score(&weights, features)).exp()) - f64::from(u8::from(*label));
            for (sum, feature) in gradient.iter_mut().zip(features.iter().chain([&1.0])) {
                *sum += error * feature / train.len() as f64;
            }
        }
        for (weight, slope) in weights.iter_mut().zip(&gradient) {
            *weight -= RATE * (slope + RIDGE * *weight);
        }
    }
    // The odds, which are above zero.
    let odds = test.iter().map(|(features, label)| (score(&weights, &scale.apply(features)).exp(), *label));
    auc(&odds.collect::<Vec<_>>())
}

fn score(weights: &[f64], features: &[f64]) -> f64 {
    weights.iter().zip(features.iter().chain([&1.0])).map(|(weight, feature)| weight * feature).sum()
}

/// Index, mean and spread of each feature that varies.
struct Scale(Vec<(usize, f64, f64)>);

impl Scale {
    fn of(samples: &[(Vec<f64>, bool)]) -> Self {
        let count = samples.len().max(1) as f64;
        let width = samples.first().map_or(0, |(features, _)| features.len());
        let scales = (0..width).map(|index| {
            let column = || samples.iter().filter_map(move |(features, _)| features.get(index));
            let mean = column().sum::<f64>() / count;
            let spread = (column().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
            (index, mean, spread)
        });
        Self(scales.filter(|(_, _, spread)| *spread > 1e-12).collect())
    }

    fn apply(&self, features: &[f64]) -> Vec<f64> {
        let each = self.0.iter().map(|(index, mean, spread)| {
            let value = features.get(*index).copied().unwrap_or(*mean);
            ((value - mean) / spread).clamp(-CLIP, CLIP)
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha20Rng;
    use rand::{RngExt, SeedableRng};

    /// By hand: of the six pairs, four are won and one is a tie.
    #[test]
    fn the_area_is_the_share_of_pairs_won() {
        let scores = [(0.9, true), (0.5, true), (0.2, true), (0.5, false), (0.1, false)];
        assert!((auc(&scores).auc - 4.5 / 6.0).abs() < 1e-12);
        assert!((auc(&[(1.0, true), (0.5, false)]).auc - 1.0).abs() < 1e-12);
    }

    /// Written out from the paper: Q1 = A / (2 − A), Q2 = 2 A² / (1 + A).
    #[test]
    fn the_interval_is_that_of_hanley_and_mcneil() {
        let mut scores = Vec::new();
        for at in 0..50 {
            scores.push((1.0, at < 40));
            scores.push((0.5, false));
        }
        // 40 positives above, 60 negatives of which 10 tie with them.
        let found = auc(&scores);
        let expected = (50.0 + 10.0 * 0.5) / 60.0;
        assert!((found.auc - expected).abs() < 1e-12, "{found:?}");
        let (a, n, m) = (expected, 40.0_f64, 60.0_f64);
        let variance = (a * (1.0 - a)
            + (n - 1.0) * (a / (2.0 - a) - a * a)
            + (m - 1.0) * (2.0 * a * a / (1.0 + a) - a * a))
            / (n * m);
        assert!((found.low - (a - 2.575_829 * variance.sqrt())).abs() < 1e-9);
    }

    fn samples(leak: f64) -> Vec<(Vec<f64>, bool)> {
        let mut random = ChaCha20Rng::seed_from_u64(5);
        let each = (0..400).map(|_| {
            let label = random.random::<bool>();
            let noise = [0; 6].map(|_: u8| random.random::<f64>());
            let mut features = noise.to_vec();
            features.push(7.0);
            features[3] += leak * f64::from(u8::from(label));
            (features, label)
        });
        each.collect()
    }

    #[test]
    fn noise_is_not_learned_and_a_leak_is() {
        let none = classify(&samples(0.0));
        assert!(none.low < 0.5 && none.high > 0.5 && !none.separates(), "{none:?}");
        let leak = classify(&samples(0.5));
        assert!(leak.low > 0.6 && leak.separates(), "{leak:?}");
    }
}
