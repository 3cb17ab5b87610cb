//! The secret behind the gateway's OHTTP keys: a hash ratchet by epoch, in one file.
//!
//! Seed n + 1 is HKDF of seed n, so whoever has the file knows all later keys and none of the
//! earlier ones. At any moment three epochs are alive: the current one, the next, published one
//! epoch before its use, and the draining one, whose keys older copies of the policy still name.
//! Everything follows from the file and the clock: replicas with one file publish the same bytes.

use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::secret::Secret32;
use hkdf::Hkdf;
use sha2::Sha256;

/// The shortest epoch: draining keys live at least that long.
pub const MIN_EPOCH_DAYS: u32 = 1;
/// The longest epoch: a stolen seed opens what was sealed to it.
pub const MAX_EPOCH_DAYS: u32 = 90;
/// More epochs than a file is ever behind by: after that many it is taken for damaged.
const MAX_BEHIND: u64 = 100_000;

/// A seed, and from when it counts.
#[derive(Clone)]
pub struct Ratchet {
    pub(crate) seed: Secret32,
    /// The number of the seed's epoch; it never goes back.
    pub(crate) epoch: u64,
    /// When that epoch begins.
    pub(crate) begins: Timestamp,
    /// How long each epoch lasts, in days.
    pub(crate) epoch_days: u32,
}

/// Why keys cannot be rotated now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// The current keys have been in use for less than a day.
    #[error(
        "the current keys have been in use for less than 24 hours, and clients still need the ones before; \
         if a key is compromised, run `keys drop`"
    )]
    TooSoon,
    /// The clock is behind the file.
    #[error("this machine's clock is behind the keys' file; set the clock")]
    Clock,
    /// The file is too far behind.
    #[error("the keys' file is too old; run `keys drop` to begin anew")]
    TooOld,
}

impl Ratchet {
    /// A ratchet that begins now.
    pub fn new(seed: Secret32, epoch: u64, begins: Timestamp, epoch_days: u32) -> Self {
        Self { seed, epoch, begins, epoch_days }
    }

    /// The epoch that `now` lies in. Before the file's own epoch it is that one.
    pub(crate) fn current(&self, now: Timestamp) -> u64 {
        let since = now.unix().saturating_sub(self.begins.unix());
        self.epoch.saturating_add(since / self.length())
    }

    /// When `epoch` begins; for epochs not before the file's.
    pub(crate) fn begin_of(&self, epoch: u64) -> Timestamp {
        self.begins.plus(epoch.saturating_sub(self.epoch).saturating_mul(self.length()))
    }

    /// The epochs alive at `now`, in the order published: current, next, draining.
    pub(crate) fn alive(&self, now: Timestamp) -> Vec<u64> {
        let current = self.current(now);
        let mut alive = vec![current, current + 1];
        alive.extend(current.checked_sub(1).filter(|draining| *draining >= self.epoch));
        alive
    }

    /// The seed of `epoch`; `None` for an epoch before the file's, whose seed is gone, or absurdly
    /// far after it.
    pub(crate) fn seed_of(&self, epoch: u64) -> Option<Secret32> {
        let steps = epoch.checked_sub(self.epoch).filter(|steps| *steps <= MAX_BEHIND)?;
        Some((0..steps).fold(self.seed.clone(), |seed, _| next(&seed)))
    }

    /// The ratchet without the seeds that are drained at `now`; `None` if there are none.
    pub(crate) fn forward(&self, now: Timestamp) -> Option<Self> {
        let oldest = self.current(now).saturating_sub(1);
        if oldest <= self.epoch {
            return None;
        }
        Some(Self {
            seed: self.seed_of(oldest)?,
            epoch: oldest,
            begins: self.begin_of(oldest),
            epoch_days: self.epoch_days,
        })
    }

    /// The ratchet whose next epoch begins now instead of later. The present keys drain.
    ///
    /// # Errors
    ///
    /// When the current epoch is younger than a day: the one before must drain as long.
    pub fn rotated(&self, now: Timestamp) -> Result<Self, RotateError> {
        let current = self.current(now);
        if now < self.begin_of(current) {
            return Err(RotateError::Clock);
        }
        if now < self.begin_of(current).plus(DAY) {
            return Err(RotateError::TooSoon);
        }
        Ok(Self {
            seed: self.seed_of(current).ok_or(RotateError::TooOld)?,
            epoch: current,
            begins: now.minus(self.length()),
            epoch_days: self.epoch_days,
        })
    }

    /// A ratchet of another seed, whose keys share nothing with those alive now, ids included.
    pub fn dropped(&self, fresh: Secret32, now: Timestamp) -> Self {
        // The next epoch's keys are published and known to whoever knows the seed.
        Self { seed: fresh, epoch: self.current(now) + 3, begins: now, epoch_days: self.epoch_days }
    }

    /// How long each epoch lasts, in days.
    pub(crate) fn epoch_days(&self) -> u32 {
        self.epoch_days.max(1)
    }

    fn length(&self) -> u64 {
        u64::from(self.epoch_days()) * DAY
    }
}

fn next(seed: &Secret32) -> Secret32 {
    let mut out = zeroize::Zeroizing::new([0; 32]);
    // Never: 32 bytes are within HKDF's limit.
    let _ = Hkdf::<Sha256>::new(None, seed.as_bytes()).expand(b"discreet ohttp ratchet", out.as_mut_slice());
    Secret32::new(*out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix(1_795_305_600);

    fn ratchet() -> Ratchet {
        Ratchet::new(Secret32::new([7; 32]), 5, START, 2)
    }

    fn day(n: u64) -> Timestamp {
        START.plus(n * DAY)
    }

    #[test]
    fn a_new_ratchet_has_a_current_and_a_next_epoch() {
        assert_eq!(ratchet().alive(START), [5, 6]);
        assert_eq!(ratchet().alive(day(2).minus(1)), [5, 6]);
    }

    #[test]
    fn the_epoch_before_drains_for_one_epoch() {
        assert_eq!(ratchet().alive(day(2)), [6, 7, 5]);
        assert_eq!(ratchet().alive(day(4)), [7, 8, 6]);
    }

    #[test]
    fn a_clock_behind_the_file_stays_in_its_first_epoch() {
        assert_eq!(ratchet().alive(START.minus(DAY)), [5, 6]);
    }

    #[test]
    fn seeds_follow_from_one_another_by_hkdf() {
        // Computed with Python: hmac(hmac(b"\0"*32, b"\7"*32), b"discreet ohttp ratchet\1"), SHA-256.
        let expected = "709d933ede4e216de5c617bf80009faf";
        let second = hex::encode(ratchet().seed_of(6).unwrap().as_bytes());
        assert!(second.starts_with(expected), "{second}");
    }

    #[test]
    fn going_forward_keeps_the_seeds_alive_and_forgets_the_others() {
        assert!(ratchet().forward(day(3)).is_none());
        let forward = ratchet().forward(day(9)).unwrap();
        assert_eq!((forward.epoch, forward.begins), (8, day(6)));
        for epoch in [8, 9, 10] {
            let (kept, whole) = (forward.seed_of(epoch).unwrap(), ratchet().seed_of(epoch).unwrap());
            assert_eq!(kept.as_bytes(), whole.as_bytes());
        }
        assert!(forward.seed_of(7).is_none());
        assert_eq!(forward.alive(day(9)), ratchet().alive(day(9)));
    }

    #[test]
    fn rotating_early_turns_next_into_current() {
        let rotated = ratchet().rotated(day(1)).unwrap();
        assert_eq!(rotated.alive(day(1)), [6, 7, 5]);
        assert_eq!(rotated.begin_of(7), day(3));
        let (early, late) = (rotated.seed_of(6).unwrap(), ratchet().seed_of(6).unwrap());
        assert_eq!(early.as_bytes(), late.as_bytes());
    }

    #[test]
    fn rejects_rotating_twice_within_a_day() {
        assert!(matches!(ratchet().rotated(day(1).minus(1)), Err(RotateError::TooSoon)));
        let rotated = ratchet().rotated(day(1)).unwrap();
        assert!(matches!(rotated.rotated(day(2).minus(1)), Err(RotateError::TooSoon)));
        assert!(rotated.rotated(day(2)).is_ok());
    }

    #[test]
    fn dropping_leaves_no_epoch_alive_that_was() {
        let (before, now) = (ratchet(), day(3));
        let dropped = before.dropped(Secret32::new([8; 32]), now);
        let alive = dropped.alive(now);
        assert!(alive.iter().all(|epoch| !before.alive(now).contains(epoch)));
        assert_eq!(alive, [9, 10]);
    }
}
