//! Whom to look up, and what must come back.

use super::network::SEED;
use crate::generate;
use anyhow::{Context, Result};
use discreet_client::{Csi, Outcome, Query};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of so many lookups is for a number that is in nobody's mapping.
const ABSENT: usize = 10;

/// Numbers that are asked for in turns.
pub(crate) struct People {
    present: Vec<Csi>,
    absent: Vec<Csi>,
    turn: AtomicUsize,
}

impl People {
    /// Those of `mappings` generated mappings, and others that have none.
    pub(crate) fn new(mappings: u64) -> Result<Self> {
        let count = usize::try_from(mappings)?;
        let mut present = generate::numbers(SEED, count + count.div_ceil(ABSENT));
        let absent = present.split_off(count.min(present.len()));
        Ok(Self { present, absent, turn: AtomicUsize::new(0) })
    }

    /// The next one, and the outcome it must have.
    pub(crate) fn next(&self) -> Result<(Query, Outcome)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let missing = turn.is_multiple_of(ABSENT);
        let (of, turn) = if missing { (&self.absent, turn / ABSENT) } else { (&self.present, turn) };
        let at = turn.checked_rem(of.len()).context("there is nobody to ask for")?;
        let csi = of.get(at).context("there is nobody to ask for")?.clone();
        Ok((Query { csi, tag: None }, if missing { Outcome::NoMapping } else { outcome(at) }))
    }
}

/// What `generate` gives the person of this index.
fn outcome(index: usize) -> Outcome {
    match index % 20 {
        19 => Outcome::NoService,
        4 | 9 | 14 => Outcome::SeveralServices,
        _ => Outcome::OneService,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn present_and_absent_numbers_take_turns() {
        let people = People::new(40).unwrap();
        let outcomes: Vec<_> = (0..40).map(|_| people.next().unwrap().1).collect();
        let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
        assert_eq!(count(Outcome::NoMapping), 4);
        assert!(count(Outcome::OneService) > 20 && count(Outcome::SeveralServices) > 3);
    }
}
