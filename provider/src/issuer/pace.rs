//! When an answer leaves: at whole steps of time after its request came, whatever it is (RUSTSEC-2023-0071).
//!
//! How long a private key's use takes tells a little about the key. A signature takes a fraction of a step, so
//! nearly all answers, refusals too, take one step; under load they take two, or three, by the length of the queue.

use std::time::Duration;

/// A step: more than a signature and a commit take.
pub const STEP: Duration = Duration::from_millis(50);

/// How long after its request an answer leaves that is ready after `ready`: the first whole step then, and never
/// at once.
pub fn leaves_after(ready: Duration) -> Duration {
    let steps = ready.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    // Never cut short: requests end after seconds.
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_at_whole_steps() {
        let after = |micros| leaves_after(Duration::from_micros(micros)).as_millis();
        assert_eq!([0, 1, 2_000, 49_999, 50_000].map(after), [50; 5]);
        assert_eq!([50_001, 99_999, 100_000].map(after), [100; 3]);
        assert_eq!([100_001, 29_999_999].map(after), [150, 30_000]);
    }
}
