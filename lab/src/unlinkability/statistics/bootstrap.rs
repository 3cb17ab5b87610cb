//! Confidence intervals of 95 %: Wilson's for shares, order statistics for medians, percentiles of resampled games for
//! all else. Pairs of one game depend on each other, so whole games are drawn again, never pairs.

use super::super::randomness::{Purpose, stream};
use super::super::results::Estimate;
use rand::RngExt;
use rayon::prelude::*;

/// The normal quantile that leaves 2.5 % on either side.
const Z: f64 = 1.959_963_984_540_054;

/// What an interval leaves on either side.
const TAIL: f64 = 0.025;

/// Wilson's interval of a share: `right` of `games`, where a tie may count as a part.
pub fn wilson(right: f64, games: f64) -> Estimate {
    if games <= 0.0 {
        return Estimate { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (share, square) = (right / games, Z * Z);
    let centre = (share + square / (2.0 * games)) / (1.0 + square / games);
    let half = Z / (1.0 + square / games)
        * (share * (1.0 - share) / games + square / (4.0 * games * games)).max(0.0).sqrt();
    Estimate { value: share, low: (centre - half).clamp(0.0, share), high: (centre + half).clamp(share, 1.0) }
}

/// The figures that `measure` finds with every game counted once, and their intervals over resamples in which
/// each game is counted as often as it was drawn. Figures that are no number in a resample are left out of it.
pub fn intervals<const N: usize>(
    games: usize,
    resamples: usize,
    seed: u64,
    measure: impl Fn(&[u32]) -> [f64; N] + Sync,
) -> [Estimate; N] {
    let values = measure(&vec![1; games]);
    let resamples = if games == 0 { 0 } else { resamples as u64 };
    let drawn: Vec<[f64; N]> = (0..resamples)
        .into_par_iter()
        .map(|number| {
            let mut rng = stream(seed, Purpose::Bootstrap, number);
            let mut times = vec![0; games];
            for _ in 0..games {
                times[rng.random_range(0..games)] += 1;
            }
            measure(&times)
        })
        .collect();
    std::array::from_fn(|figure| {
        let mut sorted: Vec<f64> =
            drawn.iter().map(|figures| figures[figure]).filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(place).copied().unwrap_or(values[figure])
        };
        let value = values[figure];
        Estimate { value, low: at(0.025).min(value), high: at(0.975).max(value) }
    })
}

/// The middle one, and the interval in which the distribution's median lies, whatever the distribution: from the
/// `r`th smallest to the `r`th largest, as a fair coin shows fewer than `r` heads once in 40 times at most. Nothing of
/// nothing. With fewer than six values it is all there is, 0 to infinity.
pub fn median(mut values: Vec<f64>) -> Option<Estimate> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let value = *values.get(count / 2)?;
    let (mut rank, mut below) = (0, 0.0);
    // The logarithm of how often just `rank` of so many coins show heads; their powers of two are too small a number.
    let mut chance = -(count as f64) * std::f64::consts::LN_2;
    while below + chance.exp() <= TAIL {
        below += chance.exp();
        chance += ((count - rank) as f64 / (rank + 1) as f64).ln();
        rank += 1;
    }
    let low = rank.checked_sub(1).and_then(|place| values.get(place)).copied().unwrap_or(0.0);
    let high = if rank == 0 { f64::INFINITY } else { values.get(count - rank).copied().unwrap_or(value) };
    Some(Estimate { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 5e-4
    }

    #[test]
    fn wilson_is_that_of_the_textbook() {
        // Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (right, games, low, high) in [
            (81.0, 263.0, 0.2553, 0.3662),
            (15.0, 148.0, 0.0624, 0.1605),
            (0.0, 20.0, 0.0, 0.1611),
            (1.0, 29.0, 0.0061, 0.1718),
        ] {
            let found = wilson(right, games);
            assert!(close(found.low, low) && close(found.high, high), "{found:?}");
        }
    }

    /// Conover, Practical Nonparametric Statistics, table A3: of 6 values the first and the last, of 20 the 6th and the
    /// 15th; of 100 the 40th and the 61st.
    #[test]
    fn the_interval_of_a_median_is_that_of_the_sign_test() {
        for (count, value, low, high) in
            [(6, 4.0, 1.0, 6.0), (20, 11.0, 6.0, 15.0), (100, 51.0, 40.0, 61.0), (5, 3.0, 0.0, f64::INFINITY)]
        {
            let values = (1..=count).rev().map(f64::from).collect();
            assert_eq!(median(values), Some(Estimate { value, low, high }), "{count}");
        }
        assert_eq!(median(Vec::new()), None);
        assert!(median(vec![1.0; 100_000]).is_some());
    }

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_and_repeats() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 2)).collect();
        let mean = |times: &[u32]| {
            [values.iter().zip(times).map(|(value, times)| value * f64::from(*times)).sum::<f64>() / 400.0]
        };
        let [found] = intervals(400, 2000, 5, mean);
        // The standard error is 0.5 / 20.
        assert!((found.value - 0.5).abs() < 1e-12);
        assert!((found.low - 0.451).abs() < 0.006 && (found.high - 0.549).abs() < 0.006, "{found:?}");
        assert_eq!([found], intervals(400, 2000, 5, mean));
        assert_ne!([found], intervals(400, 50, 6, mean));
    }
}
