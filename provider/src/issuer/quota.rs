//! How many tokens an account may get: a bucket that refills continuously.
//!
//! Pure functions. A bucket holds `burst` tokens, for a new address book, and `per_day` flow in, a 24th of them at
//! each full hour. So in *any* span of N days an account gets at most `burst + N × per_day` tokens, and an hour's
//! share more: the window slides, and has no edge at which two days' worth could be had at once.
//!
//! Time is whole hours, so that what is kept does not tell when somebody asked any finer.

/// Tokens per day below which people could not keep their address book fresh.
pub const MIN_PER_DAY: u32 = 50;
/// The largest quota.
pub const MAX_QUOTA: u32 = 1_000_000;
/// Seconds of an hour.
const HOUR: u64 = 3600;
/// Parts of a token in which is counted: what flows in within an hour is `per_day` of them.
const PARTS: u64 = 24;

/// What an account may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    per_day: u32,
}

/// Why a quota makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Too few or too many tokens at once.
    #[error("issuer.quota.burst must be 1 to {MAX_QUOTA}")]
    Burst,
    /// Too few or too many tokens per day.
    #[error(
        "issuer.quota.per_day must be {MIN_PER_DAY} to {MAX_QUOTA}: with fewer, nobody keeps an address book fresh"
    )]
    PerDay,
}

/// What of an account is kept: how much is missing from its bucket, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Parts of tokens that are missing: 24ths.
    pub missing: u64,
    /// The hour in which that was so, counted from 1970.
    pub hour: u64,
}

/// The bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quota is used up")]
pub struct Empty {
    /// Seconds until there is a token again.
    pub again_in: u64,
}

impl Quota {
    /// A quota of `burst` tokens at once and `per_day` more each day.
    ///
    /// # Errors
    ///
    /// When it is out of bounds.
    pub fn new(burst: u32, per_day: u32) -> Result<Self, QuotaError> {
        if !(1..=MAX_QUOTA).contains(&burst) {
            return Err(QuotaError::Burst);
        }
        if !(MIN_PER_DAY..=MAX_QUOTA).contains(&per_day) {
            return Err(QuotaError::PerDay);
        }
        Ok(Self { burst, per_day })
    }

    /// Takes a token out of `bucket` (`None`: a full one) at `now`, in seconds since 1970. Returns the bucket as it
    /// is to be kept, and whether there was a token.
    pub fn take(&self, bucket: Option<Bucket>, now: u64) -> (Bucket, Result<(), Empty>) {
        let bucket = self.refilled(bucket.unwrap_or(Bucket { missing: 0, hour: hour(now) }), now);
        let missing = bucket.missing.saturating_add(PARTS);
        let over = missing.saturating_sub(u64::from(self.burst) * PARTS);
        if over == 0 {
            return (Bucket { missing, ..bucket }, Ok(()));
        }
        let hours = over.div_ceil(u64::from(self.per_day));
        let again = bucket.hour.saturating_add(hours).saturating_mul(HOUR);
        (bucket, Err(Empty { again_in: again.saturating_sub(now) }))
    }

    /// What flows in within an hour, in the parts of [`Bucket::missing`].
    pub fn per_hour(&self) -> u64 {
        self.per_day.into()
    }

    /// What `bucket` is at `now`. A clock that went back gives nothing: by an hour at most it is waited for, since
    /// clocks are corrected by a little; by more, the bucket goes on from the new time as it is.
    fn refilled(&self, bucket: Bucket, now: u64) -> Bucket {
        let hour = hour(now);
        match hour.checked_sub(bucket.hour) {
            Some(hours) => {
                let inflow = hours.saturating_mul(self.per_hour());
                Bucket { missing: bucket.missing.saturating_sub(inflow), hour }
            }
            None if bucket.hour - hour == 1 => bucket,
            None => Bucket { hour, ..bucket },
        }
    }
}

/// The hour in which `now` lies, both since 1970.
pub fn hour(now: u64) -> u64 {
    now / HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2027-01-15T08:00:00Z, a full hour.
    const NOW: u64 = 1_800_000_000;

    /// Takes all there is.
    fn drain(quota: &Quota, bucket: Option<Bucket>, now: u64) -> (u64, Option<Bucket>, u64) {
        let (mut taken, mut bucket) = (0, bucket);
        loop {
            let (next, token) = quota.take(bucket, now);
            bucket = Some(next);
            match token {
                Ok(()) => taken += 1,
                Err(Empty { again_in }) => return (taken, bucket, again_in),
            }
        }
    }

    #[test]
    fn a_new_account_gets_its_burst_and_then_150_a_day() {
        let quota = Quota::new(2000, 150).unwrap();
        let (taken, mut bucket, _) = drain(&quota, None, NOW);
        assert_eq!(taken, 2000);
        for day in 1..=5 {
            let (taken, left, _) = drain(&quota, bucket, NOW + day * 86_400);
            assert_eq!(taken, 150, "day {day}");
            bucket = left;
        }
    }

    #[test]
    fn no_edge_of_any_window_gives_twice() {
        let quota = Quota::new(10, 50).unwrap();
        // Just before and just after a full hour, a midnight, a week.
        for edge in [3600, 86_400, 7 * 86_400] {
            let before = NOW.next_multiple_of(edge) - 1;
            let (taken, bucket, again_in) = drain(&quota, None, before);
            assert_eq!((taken, again_in), (10, 1));
            let (taken, bucket, again_in) = drain(&quota, bucket, before + 1);
            // An hour's share of 50 is 2.08.
            assert_eq!((taken, again_in), (2, 3600));
            assert_eq!(drain(&quota, bucket, before + 3600).0, 0);
        }
    }

    #[test]
    fn any_day_has_at_most_the_burst_and_the_day() {
        let quota = Quota::new(100, 240).unwrap();
        let (mut bucket, mut per_hour) = (None, Vec::new());
        for hour in 0..200 {
            let (taken, left, _) = drain(&quota, bucket, NOW + hour * 3600 + 1799);
            (bucket, per_hour) = (left, [per_hour, vec![taken]].concat());
        }
        assert!(per_hour.windows(25).all(|day| day.iter().sum::<u64>() <= 100 + 240));
        assert_eq!(per_hour.iter().sum::<u64>(), 100 + 199 * 10);
    }

    #[test]
    fn who_waits_as_long_as_told_gets_one() {
        for (burst, per_day) in [(1, 50), (10, 50), (2000, 150), (7, 1_000_000)] {
            let quota = Quota::new(burst, per_day).unwrap();
            for now in [NOW, NOW + 1, NOW + 3599] {
                let (_, bucket, again_in) = drain(&quota, None, now);
                assert!(quota.take(bucket, now + again_in - 1).1.is_err());
                assert!(quota.take(bucket, now + again_in).1.is_ok());
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_locks_nobody_out() {
        let quota = Quota::new(10, 50).unwrap();
        let (_, bucket, _) = drain(&quota, None, NOW);
        for back in [1, 3600, 7200, 86_400, 365 * 86_400, NOW] {
            let (taken, bucket, again_in) = drain(&quota, bucket, NOW - back);
            assert_eq!((taken, again_in <= 2 * 3600), (0, true), "{back}: {again_in}");
            assert_eq!(drain(&quota, bucket, NOW - back + 2 * 3600).0, if back > 3600 { 4 } else { 2 });
        }
    }

    #[test]
    fn a_clock_that_trembles_at_a_full_hour_gives_one_hour_only() {
        let quota = Quota::new(10, 50).unwrap();
        let (_, mut bucket, _) = drain(&quota, None, NOW - 1);
        let mut gained = 0;
        for tremble in 0..100 {
            let (taken, left, _) = drain(&quota, bucket, NOW - tremble % 2);
            (gained, bucket) = (gained + taken, left);
        }
        assert_eq!(gained, 2);
    }

    #[test]
    fn a_clock_that_leaps_ahead_gives_one_burst_at_most() {
        let quota = Quota::new(10, 50).unwrap();
        let (_, bucket, _) = drain(&quota, None, NOW);
        let (taken, bucket, _) = drain(&quota, bucket, u64::MAX);
        assert_eq!(taken, 10);
        assert_eq!(drain(&quota, bucket, NOW).0, 0, "and nothing on the way back");
    }

    #[test]
    fn rejects_quotas_nobody_can_live_with() {
        assert!(Quota::new(2000, 150).is_ok() && Quota::new(1, 50).is_ok());
        for (burst, per_day, wrong) in [
            (0, 150, QuotaError::Burst),
            (1_000_001, 150, QuotaError::Burst),
            (2000, 49, QuotaError::PerDay),
            (2000, 1_000_001, QuotaError::PerDay),
        ] {
            assert_eq!(Quota::new(burst, per_day), Err(wrong));
        }
    }
}
