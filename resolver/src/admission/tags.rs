//! `Default` is always among a holder's mappings, so that every sender gets an answer.

use super::{Refused, same_authority};
use crate::record::{Holdings, Signed};

/// `new` stands in `held` beside a mapping for `Default`, or is one.
pub(super) fn check(held: &Holdings, new: &Signed) -> Result<(), Refused> {
    let mut beside = held.entries.iter().filter(|entry| same_authority(entry, new));
    if beside.any(|entry| entry.mapping.tag.is_default()) { Ok(()) } else { Err(Refused::NoDefault) }
}
