//! What an operator does about the keys: `discreet-gateway keys`. A running gateway takes up a
//! replaced file within seconds; replicas get a copy of it.

use crate::init::{InitError, random};
use crate::keyfile::{self, KeyFileError};
use crate::keyring::{Keyring, RingError};
use crate::ratchet::RotateError;
use discreet_envelope::keys::Kem;
use discreet_protocol::time::Timestamp;
use std::path::Path;

/// Why the keys could not be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The keys' file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// What follows from it.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Now is not the time.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// New secrets.
    #[error(transparent)]
    Init(#[from] InitError),
}

/// What a key is used for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Clients seal to it.
    Current,
    /// Published; clients will seal to it in the next epoch.
    Next,
    /// Still opens what older copies of the policy lead to.
    Draining,
}

/// A key alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLine {
    /// The key id on the wire.
    pub id: u8,
    /// The KEM.
    pub kem: Kem,
    /// The epoch.
    pub epoch: u64,
    /// What it is used for.
    pub in_use: Use,
    /// When clients begin to seal to it.
    pub begins: Timestamp,
    /// When it is forgotten.
    pub ends: Timestamp,
}

/// The keys alive at `now`, in the order published.
///
/// # Errors
///
/// When the file cannot be used.
pub fn show(path: &Path, now: Timestamp) -> Result<Vec<KeyLine>, RotationError> {
    let ratchet = keyfile::read(path)?;
    let ring = Keyring::at(&ratchet, now)?;
    let line = |key: &std::sync::Arc<crate::keyring::Key>| KeyLine {
        id: key.config.id(),
        kem: key.config.kem(),
        epoch: key.epoch,
        in_use: match key.epoch.cmp(&ring.epoch()) {
            std::cmp::Ordering::Less => Use::Draining,
            std::cmp::Ordering::Equal => Use::Current,
            std::cmp::Ordering::Greater => Use::Next,
        },
        begins: ratchet.begin_of(key.epoch),
        ends: ratchet.begin_of(key.epoch + 2),
    };
    Ok(ring.keys().iter().map(line).collect())
}

/// Begins the next epoch now instead of later.
///
/// # Errors
///
/// When the file cannot be used, or the current epoch is younger than a day.
pub fn rotate(path: &Path, now: Timestamp) -> Result<(), RotationError> {
    let rotated = keyfile::read(path)?.rotated(now)?;
    Ok(keyfile::replace(path, &rotated)?)
}

/// Gives up all keys alive and begins with a new seed: what was sealed to the old ones is not opened
/// any more, from when the gateways have the new file.
///
/// # Errors
///
/// When the file cannot be used.
pub fn drop_all(path: &Path, now: Timestamp) -> Result<(), RotationError> {
    let dropped = keyfile::read(path)?.dropped(random()?, now);
    Ok(keyfile::replace(path, &dropped)?)
}
