//! Where chance comes from: one stream for each purpose and number, all from the scenario's seed. So each
//! piece of a run draws the same whatever the others draw, and whichever thread works on it.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What is drawn for. The number is part of the seed: never change one.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Who knows whom.
    Contacts = 1,
    /// When a client does what.
    Behaviour = 2,
    /// How long links take.
    Network = 3,
    /// What a request mix does.
    RequestMix = 4,
    /// What an answer mix does.
    AnswerMix = 5,
    /// What the referee asks.
    Referee = 6,
    /// Which challenges an interval's resample takes.
    Bootstrap = 7,
    /// What an adversary interferes with.
    Interference = 8,
}

/// The stream of a purpose and a number.
pub fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    let parts = [seed, purpose as u64, number];
    for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// An exponential waiting time of this mean.
pub fn exponential(rng: &mut impl rand::Rng, mean: f64) -> f64 {
    // 1 − u is never zero: u is below 1.
    -(1.0 - rng.random::<f64>()).ln() * mean
}

/// A standard normal variate (Box and Muller).
pub fn normal(rng: &mut impl rand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_each_part() {
        let first = |seed, purpose, number| stream(seed, purpose, number).random::<u64>();
        let base = first(1, Purpose::Contacts, 1);
        assert_eq!(base, first(1, Purpose::Contacts, 1));
        assert_ne!(base, first(2, Purpose::Contacts, 1));
        assert_ne!(base, first(1, Purpose::Behaviour, 1));
        assert_ne!(base, first(1, Purpose::Contacts, 2));
    }

    #[test]
    fn an_exponential_has_its_mean_and_a_normal_its_spread() {
        let mut rng = stream(3, Purpose::Behaviour, 0);
        let count = 100_000;
        let mean = (0..count).map(|_| exponential(&mut rng, 7.0)).sum::<f64>() / f64::from(count);
        assert!((mean - 7.0).abs() < 0.1, "{mean}");
        let square = (0..count).map(|_| normal(&mut rng).powi(2)).sum::<f64>() / f64::from(count);
        assert!((square - 1.0).abs() < 0.02, "{square}");
    }
}
