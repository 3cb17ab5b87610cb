//! Of one key and tag the higher serial counts, and never under an earlier proof.

use super::{Refused, same_authority};
use crate::record::{Holdings, Signed};
use std::cmp::Ordering;

/// The serial must be higher than that of the mapping in the same place.
pub(super) fn check(held: &Holdings, new: &Signed) -> Result<(), Refused> {
    let Some(held) = held.entries.iter().find(|entry| gives_way(entry, new)) else {
        return Ok(());
    };
    match new.mapping.serial.cmp(&held.mapping.serial) {
        Ordering::Less => Err(Refused::Superseded),
        Ordering::Equal => Err(Refused::SameSerial),
        Ordering::Greater if new.credential.proved_at < held.credential.proved_at => {
            Err(Refused::OlderCredential)
        }
        Ordering::Greater => Ok(()),
    }
}

/// Authority, key and tag are the same.
pub(super) fn gives_way(held: &Signed, new: &Signed) -> bool {
    same_authority(held, new)
        && held.credential.holder == new.credential.holder
        && held.mapping.tag == new.mapping.tag
}
