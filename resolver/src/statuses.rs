//! What authorities say about their credentials, as it comes from their feeds: statuses and
//! revocations, verified here and kept.

use crate::batch;
use crate::directory::{Directory, DirectoryError};
use discreet_protocol::VerifyingKey;
use discreet_protocol::credential::Standing;
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use rayon::prelude::*;

/// What became of the statements of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Statuses that took the place of earlier ones.
    pub renewed: u64,
    /// Revocations that were new.
    pub revoked: u64,
    /// Statuses of credentials that nobody published anything under, and what was known.
    pub ignored: u64,
    /// What is no statement of this authority, or lies in the future.
    pub refused: u64,
}

/// Verifies `statements` under the `key` of `authority`, on all cores, and keeps what is news, in one
/// durable write. A status is kept only if there is an earlier one; a revocation in any case.
///
/// # Errors
///
/// When the directory cannot be read or written; then nothing was kept.
pub fn apply(
    directory: &Directory,
    authority: &Domain,
    key: &VerifyingKey,
    now: Timestamp,
    statements: &[Vec<u8>],
) -> Result<Applied, DirectoryError> {
    let opened: Vec<_> =
        statements.par_iter().map(|bytes| (open(bytes, key, now), bytes.as_slice())).collect();
    batch::attempt(directory, |batch| {
        let mut applied = Applied::default();
        for (standing, bytes) in &opened {
            match standing {
                None => applied.refused += 1,
                Some(Standing::Stands(status)) => {
                    let renewed = batch.renew((authority.clone(), status.id), bytes, status.at)?;
                    *(if renewed { &mut applied.renewed } else { &mut applied.ignored }) += 1;
                }
                // A credential that has expired stands for nothing anyway.
                Some(Standing::Revoked(revocation)) if now >= revocation.expires => applied.ignored += 1,
                Some(Standing::Revoked(revocation)) => {
                    let revoked = batch.revoke(authority, revocation.id, bytes)?;
                    *(if revoked { &mut applied.revoked } else { &mut applied.ignored }) += 1;
                }
            }
        }
        Ok(applied)
    })
}

/// How far the feed of `authority` has been read; 0 at first.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn cursor(directory: &Directory, authority: &Domain) -> Result<u64, DirectoryError> {
    Ok(directory.cursor(authority)?.value)
}

/// Keeps how far the feed of `authority` has been read.
///
/// # Errors
///
/// When the directory cannot be written.
pub fn set_cursor(directory: &Directory, authority: &Domain, after: u64) -> Result<(), DirectoryError> {
    directory.set_cursor(authority, after)
}

fn open(bytes: &[u8], key: &VerifyingKey, now: Timestamp) -> Option<Standing> {
    let standing = Standing::open(bytes, key).ok()?;
    let at = match &standing {
        Standing::Stands(status) => status.at,
        Standing::Revoked(revocation) => revocation.at,
    };
    (at <= now.plus(CLOCK_TOLERANCE)).then_some(standing)
}

#[cfg(test)]
mod tests;
