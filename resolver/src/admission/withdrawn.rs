//! What its holder has withdrawn, or the operator erased, does not come back.

use super::Refused;
use crate::record::{Signed, Tombstone};

/// The serial must not be lower than a tombstone of the same key says.
pub(super) fn check(tombstones: &[Tombstone], new: &Signed) -> Result<(), Refused> {
    let withdrawn = tombstones.iter().any(|tombstone| tombstone.voids(new));
    if withdrawn { Err(Refused::Withdrawn) } else { Ok(()) }
}
