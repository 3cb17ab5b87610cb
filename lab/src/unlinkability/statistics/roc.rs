//! The ROC curve over all pairs of subject and candidate of all games. Equal scores are one step: a
//! diagonal, which is what an adversary without an opinion gets.

use rayon::prelude::*;

/// One pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// How much the adversary believes in it.
    pub score: f64,
    /// Which game it is of.
    pub game: u32,
    /// Whether they belong together.
    pub right: bool,
}

/// Pairs in the order of falling scores.
#[derive(Clone, Debug)]
pub struct Curve {
    pairs: Vec<Pair>,
}

/// Points that a drawn curve has at most, about.
const POINTS: f64 = 200.0;

impl Curve {
    /// Of these pairs.
    pub fn new(mut pairs: Vec<Pair>) -> Self {
        pairs.par_sort_by(|one, other| other.score.total_cmp(&one.score));
        Self { pairs }
    }

    /// Area under the curve, and the greatest true-positive rate at a false-positive rate of at most `fpr`,
    /// with the pairs of each game counted as often as `times` says. No number where all pairs are alike.
    pub fn measure(&self, times: &[u32], fpr: f64) -> [f64; 2] {
        let total = |right| {
            let of = self.pairs.iter().filter(|pair| pair.right == right);
            of.map(|pair| f64::from(times[pair.game as usize])).sum::<f64>()
        };
        let (positives, negatives) = (total(true), total(false));
        let (mut area, mut best, mut before) = (0.0, 0.0, (0.0, 0.0));
        self.steps(times, |right, wrong| {
            area += (wrong - before.1) * (right + before.0) / 2.0;
            if wrong <= fpr * negatives {
                best = right;
            }
            before = (right, wrong);
        });
        [area / (positives * negatives), best / positives]
    }

    /// Points from (0, 0) to (1, 1), false-positive rate first.
    pub fn points(&self) -> Vec<[f64; 2]> {
        let games = self.pairs.iter().map(|pair| pair.game as usize + 1).max().unwrap_or(0);
        let mut all = vec![[0.0, 0.0]];
        self.steps(&vec![1; games], |right, wrong| all.push([wrong, right]));
        let [negatives, positives] = all.last().copied().unwrap_or_default().map(|count: f64| count.max(1.0));
        let mut points: Vec<[f64; 2]> = Vec::new();
        // As dense on a logarithmic scale as on the plain one: small rates are what matters.
        let far = |[x, y]: [f64; 2], [to_x, to_y]: [f64; 2]| {
            (to_x - x).max(to_y - y) * POINTS >= 2.0 || (to_x > 0.0 && to_x >= x * 1.2)
        };
        for (place, [wrong, right]) in all.iter().enumerate() {
            let point = [wrong / negatives, right / positives];
            let last = points.last().copied().unwrap_or([-1.0, -1.0]);
            if place + 1 == all.len() || far(last, point) {
                points.push(point);
            }
        }
        points
    }

    /// Counts of right and wrong pairs down to each score.
    fn steps(&self, times: &[u32], mut step: impl FnMut(f64, f64)) {
        let (mut right, mut wrong) = (0.0, 0.0);
        let mut pairs = self.pairs.iter().peekable();
        while let Some(pair) = pairs.next() {
            let count = f64::from(times[pair.game as usize]);
            *(if pair.right { &mut right } else { &mut wrong }) += count;
            // Scores come out of exponentials; what differs in the last digits is equal.
            let same = |next: &&Pair| next.score >= pair.score * (1.0 - 1e-9);
            if !pairs.peek().is_some_and(same) {
                step(right, wrong);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(pairs: &[(f64, bool)]) -> Curve {
        let pairs = pairs.iter().map(|&(score, right)| Pair { score, game: 0, right });
        Curve::new(pairs.collect())
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_right_order() {
        // Right at 0.8 and 0.4, wrong at 0.7, 0.3 and 0.1: five of six in order.
        let found = curve(&[(0.8, true), (0.7, false), (0.4, true), (0.3, false), (0.1, false)]);
        let [auc, tpr] = found.measure(&[1], 1e-3);
        assert!((auc - 5.0 / 6.0).abs() < 1e-12 && (tpr - 0.5).abs() < 1e-12, "{auc} {tpr}");
        assert!((found.measure(&[1], 0.4)[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ties_count_half() {
        let [auc, tpr] = curve(&[(0.5, true), (0.5, false), (0.5, false)]).measure(&[1], 1e-3);
        assert!((auc - 0.5).abs() < 1e-12 && tpr.abs() < 1e-12);
        // One tie of a right one with one of two wrong ones: 1.5 of 2.
        let [auc, _] = curve(&[(0.5, true), (0.5, false), (0.2, false)]).measure(&[1], 1e-3);
        assert!((auc - 0.75).abs() < 1e-12);
    }

    #[test]
    fn games_count_as_often_as_they_are_drawn() {
        let pair = |score, game, right| Pair { score, game, right };
        let pairs = vec![pair(0.9, 0, true), pair(0.1, 0, false), pair(0.2, 1, true), pair(0.8, 1, false)];
        let found = Curve::new(pairs);
        let auc = |times: &[u32]| found.measure(times, 1e-3)[0];
        assert!((auc(&[1, 0]) - 1.0).abs() < 1e-12 && auc(&[0, 1]).abs() < 1e-12);
        // In order: 0.9 above both wrong ones, 0.2 above one of them: 3 of 4.
        assert!((auc(&[1, 1]) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_drawn_curve_ends_in_the_corners_and_is_short() {
        let pairs: Vec<_> = (0..100_000).map(|n| (f64::from(n), n % 7 == 0)).collect();
        let points = curve(&pairs).points();
        assert_eq!((points[0], points[points.len() - 1]), ([0.0, 0.0], [1.0, 1.0]));
        assert!(points.len() < 400, "{}", points.len());
    }
}
