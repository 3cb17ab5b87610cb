//! How long a token is left alone after it came, so that the issuer's clock and the directory's cannot be matched: a
//! pure function of random bits.
//!
//! No clock, no storage, no randomness of its own. The wallet and the laboratory run this code; DESIGN.md says why
//! it is drawn in two parts.

/// Within how many seconds the first token of a batch becomes usable; drawn once for all of it.
const BATCH: u64 = 6 * 3600;
/// Within how many seconds after that each token does; drawn for each.
const TOKEN: u64 = 18 * 3600;

/// The longest that a token is left alone, in seconds: a day.
pub const MOST: u64 = BATCH + TOKEN;

/// The seconds that all tokens of one batch wait, evenly drawn from 64 random bits.
pub const fn of_batch(bits: u64) -> u64 {
    bits % BATCH
}

/// The seconds that one token waits beside those of its batch, evenly drawn from 64 random bits.
pub const fn of_token(bits: u64) -> u64 {
    bits % TOKEN
}

/// The share of tokens that are usable so many seconds after they came, 0 to 1: what everybody can work out who knows
/// this code.
pub fn usable_after(seconds: f64) -> f64 {
    let (batch, token) = (BATCH as f64, TOKEN as f64);
    // The area of a rectangle of both draws below the line on which they add up to `seconds`.
    let half_square = |side: f64| side.max(0.0) * side.max(0.0) / 2.0;
    let below = half_square(seconds) - half_square(seconds - batch) - half_square(seconds - token)
        + half_square(seconds - batch - token);
    below / (batch * token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3600.0;

    /// 3 h: 3²/2 of 6 × 18 h². 12 h: half, by symmetry. 21 h: all but 3²/2.
    #[test]
    fn the_share_of_usable_tokens_is_that_worked_out_by_hand() {
        for (hours, share) in
            [(0.0, 0.0), (3.0, 4.5 / 108.0), (12.0, 0.5), (21.0, 1.0 - 4.5 / 108.0), (24.0, 1.0), (99.0, 1.0)]
        {
            assert!((usable_after(hours * HOUR) - share).abs() < 1e-9, "{hours}");
        }
    }

    #[test]
    fn what_is_drawn_follows_that_share() {
        // Evenly spread bits, by the golden ratio and the square root of two.
        let draws: Vec<_> = (1..=20_000u64)
            .map(|n| {
                let bits = |step: u64| n.wrapping_mul(step) >> 16;
                of_batch(bits(0x9e37_79b9_7f4a_7c15)) + of_token(bits(0x6a09_e667_f3bc_c909))
            })
            .collect();
        assert!(draws.iter().all(|seconds| *seconds < MOST));
        for hours in [3.0, 6.0, 12.0, 18.0, 21.0] {
            let drawn = draws.iter().filter(|seconds| (**seconds as f64) < hours * HOUR).count() as f64;
            assert!((drawn / 20_000.0 - usable_after(hours * HOUR)).abs() < 0.01, "{hours}");
        }
    }
}
