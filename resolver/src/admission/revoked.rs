//! A revocation counts for good.

use super::Refused;
use crate::record::Standing;

/// What its authority has revoked is not taken in, whatever status comes with it.
pub(super) fn check(standing: Option<&Standing>) -> Result<(), Refused> {
    if standing.is_some_and(|standing| standing.revoked) { Err(Refused::Revoked) } else { Ok(()) }
}
