//! What doubt a belief leaves. Serjantov and Danezis, "Towards an Information Theoretic Metric for Anonymity",
//! 2002, for entropy; Smith, "On the Foundations of Quantitative Information Flow", 2009, for min-entropy,
//! which is about the best guess and so never the larger of the two.

/// Weights as a belief that sums to one. Weights that sum to nothing, or to no number, are no opinion.
pub fn belief(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum.is_finite() && sum > 0.0 && weights.iter().all(|weight| *weight >= 0.0) {
        weights.iter().map(|weight| weight / sum).collect()
    } else {
        vec![1.0 / weights.len() as f64; weights.len()]
    }
}

/// Bits of doubt in a belief.
pub fn entropy(belief: &[f64]) -> f64 {
    let bits: f64 = belief.iter().filter(|share| **share > 0.0).map(|share| -share * share.log2()).sum();
    // Of certainty it is zero, which rounding may miss.
    bits.max(0.0)
}

/// The greatest share in a belief.
pub fn best(belief: &[f64]) -> f64 {
    belief.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_coins_and_dice() {
        assert!((entropy(&[0.25; 4]) - 2.0).abs() < 1e-12);
        assert!((entropy(&[0.5, 0.25, 0.25]) - 1.5).abs() < 1e-12);
        assert!(entropy(&[1.0, 0.0]).abs() < 1e-12);
        assert!((best(&[0.5, 0.25, 0.25]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn no_opinion_is_believed_evenly() {
        assert_eq!(belief(&[1.0, 3.0]), [0.25, 0.75]);
        for none in [[0.0, 0.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0], [-1.0, 2.0]] {
            assert_eq!(belief(&none), [0.5, 0.5]);
        }
    }
}
