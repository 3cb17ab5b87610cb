//! Points in time, as whole seconds since 1970-01-01T00:00:00Z. This crate never reads a clock.

/// Seconds in a day; the times of a recipient's statements are multiples of it, so that they do
/// not tell when a phone was switched on.
pub const DAY: u64 = 86_400;

/// How far a clock may run ahead of ours before what it signed counts as from the future.
pub const CLOCK_TOLERANCE: u64 = 300;

/// A point in time: whole seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// `seconds` later, or the last representable point.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `seconds` earlier, or the epoch.
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// The beginning of the day (UTC) this point lies in.
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0 % DAY)
    }

    /// Whether this is the beginning of a day (UTC).
    pub const fn is_day(self) -> bool {
        self.0.is_multiple_of(DAY)
    }
}
