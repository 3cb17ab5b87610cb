//! `retire-tokens`: for a set of spent tokens that was lost.

use super::{Failure, failed, now};
use discreet_protocol::time::{CLOCK_TOLERANCE, DAY, Timestamp};
use discreet_resolver::{Config, retire_tokens};
use std::process::ExitCode;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    retire(config)?;
    Ok(ExitCode::SUCCESS)
}

/// Retires the issuers' keys that are in use, and says which come after them.
pub(super) fn retire(config: &Config) -> Result<(), Failure> {
    let now = now();
    retire_tokens(config, now).map_err(failed)?;
    eprintln!(
        "tokens under the issuers' keys of today are no longer taken; from now on a key must begin on {} (UTC) or later. \
         Have the issuers make such keys, and name them in the rules; `issuer keys rotate --at-once` makes one if it is \
         run on that day, and not before",
        first_day(now)
    );
    Ok(())
}

/// The first day on which a key can begin that is not retired at `now`.
fn first_day(now: Timestamp) -> time::Date {
    let day = now.plus(CLOCK_TOLERANCE).start_of_day().plus(DAY);
    let seconds = i64::try_from(day.unix()).unwrap_or(i64::MAX);
    // Never: the clock shows no year after 9999.
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds from `date -u -d 2026-11-24 +%s`.
    #[test]
    fn the_first_day_is_tomorrow_and_within_five_minutes_of_midnight_the_day_after() {
        let midnight = Timestamp::from_unix(1_795_478_400);
        for (before, day) in
            [(86_400, "2026-11-24"), (301, "2026-11-24"), (300, "2026-11-25"), (0, "2026-11-25")]
        {
            assert_eq!(first_day(midnight.minus(before)).to_string(), day, "{before}");
        }
    }
}
