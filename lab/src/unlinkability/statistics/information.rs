//! How many bits one thing tells of another: the plug-in estimate of mutual information from pairs, less its
//! first-order bias (Miller 1955), because few pairs seem to tell much.

use super::super::results::Estimate;
use super::bootstrap::intervals;
use std::collections::{BTreeMap, HashSet};

/// Pairs that an estimate is made from at most; it takes every so many'th of more.
const MOST: usize = 20_000;

/// What the first of each pair tells of the second, in bits.
pub fn mutual(pairs: &[(u32, u32)], resamples: usize, seed: u64) -> Estimate {
    if pairs.windows(2).all(|two| two[0].0 == two[1].0) {
        // One value of the first tells nothing, exactly.
        return Estimate { value: 0.0, low: 0.0, high: 0.0 };
    }
    let step = pairs.len().div_ceil(MOST).max(1);
    let pairs: Vec<_> = pairs.iter().step_by(step).copied().collect();
    let [bits] = intervals(pairs.len(), resamples, seed, |times| [corrected(&pairs, times)]);
    bits
}

/// How many different values there are.
pub fn distinct(values: impl Iterator<Item = u32>) -> u64 {
    values.collect::<HashSet<_>>().len() as u64
}

fn corrected(pairs: &[(u32, u32)], times: &[u32]) -> f64 {
    let (bits, cells, firsts, seconds, count) = plug_in(pairs, times);
    let bias = (cells - firsts - seconds + 1.0) / (2.0 * count * std::f64::consts::LN_2);
    (bits - bias).max(0.0)
}

/// The plug-in estimate; how many different pairs, firsts and seconds; how many pairs.
fn plug_in(pairs: &[(u32, u32)], times: &[u32]) -> (f64, f64, f64, f64, f64) {
    // Ordered maps: the sums are taken in the same order in every run.
    let (mut both, mut first, mut second) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (pair, times) in pairs.iter().zip(times).filter(|(_, times)| **times > 0) {
        let times = f64::from(*times);
        *both.entry(*pair).or_insert(0.0) += times;
        *first.entry(pair.0).or_insert(0.0) += times;
        *second.entry(pair.1).or_insert(0.0) += times;
    }
    let count: f64 = first.values().sum();
    let bits = both
        .iter()
        .map(|((one, two), times)| times / count * (times * count / (first[one] * second[two])).log2());
    (bits.sum(), both.len() as f64, first.len() as f64, second.len() as f64, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[(u32, u32, u32)]) -> f64 {
        let pairs: Vec<_> = cells.iter().map(|cell| (cell.0, cell.1)).collect();
        let times: Vec<_> = cells.iter().map(|cell| cell.2).collect();
        plug_in(&pairs, &times).0
    }

    #[test]
    fn bits_are_those_worked_out_by_hand() {
        // Two that are one: a bit. Two that do not care: none.
        assert!((of(&[(0, 0, 5), (1, 1, 5)]) - 1.0).abs() < 1e-12);
        assert!(of(&[(0, 0, 5), (0, 1, 5), (1, 0, 5), (1, 1, 5)]).abs() < 1e-12);
        // A symmetric channel that errs one time in ten: 1 − H(0.1) = 0.531004.
        assert!((of(&[(0, 0, 45), (0, 1, 5), (1, 0, 5), (1, 1, 45)]) - 0.531_004).abs() < 1e-6);
    }

    #[test]
    fn one_size_tells_nothing_and_a_planted_one_tells_who() {
        let one: Vec<_> = (0..1000).map(|who| (4096, who)).collect();
        assert_eq!(mutual(&one, 50, 1), Estimate { value: 0.0, low: 0.0, high: 0.0 });
        let planted: Vec<_> =
            (0..4000).map(|row| (if row % 4 == 0 { 5000 } else { 4096 }, row % 4)).collect();
        // H(1/4) = 0.811278 bits.
        let found = mutual(&planted, 50, 1);
        assert!((found.value - 0.811_278).abs() < 0.002, "{found:?}");
        assert!(found.low < found.value && found.value < found.high);
    }

    #[test]
    fn independent_sizes_are_not_taken_for_a_leak() {
        let pairs: Vec<_> =
            (0..5000u32).map(|row| (row % 3, row.wrapping_mul(2_654_435_761) >> 27)).collect();
        let found = mutual(&pairs, 50, 1);
        assert!(found.value < 0.004, "{found:?}");
    }
}
