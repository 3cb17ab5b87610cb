//! Numbers drawn from the system's randomness, and the waiting times made of them.

use crate::error::Error;
use std::time::Duration;

/// Within how many seconds a publication happens, unless it is wanted now.
const PUBLISH_WITHIN: u64 = 3600;

/// 64 random bits.
pub(crate) fn bits() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Error::Prepare("the system gives no randomness"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// A number below `bound`, evenly spread for the small bounds used here.
pub(crate) fn below(bound: usize) -> Result<usize, Error> {
    let drawn = bits()? % (bound.max(1) as u64);
    Ok(usize::try_from(drawn).unwrap_or(0))
}

/// One of `all`, evenly drawn; nothing of nothing.
pub(crate) fn pick<T>(all: impl Iterator<Item = T>) -> Result<Option<T>, Error> {
    let mut all: Vec<_> = all.collect();
    let at = below(all.len())?;
    Ok(if all.is_empty() { None } else { Some(all.swap_remove(at)) })
}

/// How long to wait before publishing: a random moment within the hour, so that the directory does
/// not learn when the user acted.
///
/// Without randomness it is the whole hour.
pub fn publish_delay() -> Duration {
    let most = PUBLISH_WITHIN * 1000;
    Duration::from_millis(bits().map_or(most, |bits| bits % most))
}

/// A moment within `period`, evenly drawn: so what is done in each period is done at a time of no meaning.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn moment_within(period: Duration) -> Result<Duration, Error> {
    // 53 bits, all that fit a double.
    Ok(period.mul_f64((bits()? >> 11) as f64 / 9_007_199_254_740_992.0))
}

/// How long to wait before the next look at one's own identifier: exponentially distributed around
/// `mean`, so that having waited tells nothing about how long is left. At most ten times the mean.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn watch_delay(mean: Duration) -> Result<Duration, Error> {
    Ok(mean.mul_f64(exponential(bits()?)))
}

/// The exponential distribution with mean 1, from evenly spread bits; at most 10.
fn exponential(bits: u64) -> f64 {
    // 53 bits, all that fit a double; never 0, whose logarithm is infinite.
    let even = ((bits >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
    (-even.ln()).min(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_happens_within_the_hour() {
        let delays: Vec<_> = (0..64).map(|_| publish_delay()).collect();
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(3600)));
        assert!(delays.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn moments_lie_anywhere_within_a_period() {
        let day = Duration::from_secs(86_400);
        let mut moments: Vec<_> = (0..256).map(|_| moment_within(day).unwrap()).collect();
        moments.sort_unstable();
        // 256 even draws leave a quarter empty once in 10^31.
        for quarter in 0..4 {
            assert!(
                moments.iter().any(|moment| (day * quarter / 4..day * (quarter + 1) / 4).contains(moment))
            );
        }
        assert!(moments[255] < day);
    }

    /// −ln of 1/2, 1/4 and 3/4.
    #[test]
    fn intervals_follow_the_exponential_distribution() {
        for (bits, expected) in
            [(1 << 63, std::f64::consts::LN_2), (1 << 62, 1.386_294_361), (3 << 62, 0.287_682_072)]
        {
            assert!((exponential(bits) - expected).abs() < 1e-9, "{bits}");
        }
    }

    #[test]
    fn intervals_are_finite_at_both_ends() {
        assert_eq!(exponential(0), 10.0);
        assert!((0.0..1e-9).contains(&exponential(u64::MAX)));
    }
}
