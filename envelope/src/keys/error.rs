//! The ways a key collection can be wrong.

use thiserror::Error;

/// A collection or configuration is refused, whole. RFC 9458 §3
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeysError {
    /// Longer than [`super::MAX_COLLECTION`].
    #[error("the key collection is too large")]
    TooLarge,
    /// More than [`super::MAX_CONFIGS`] configurations.
    #[error("there are too many key configurations")]
    TooManyConfigs,
    /// The collection ends inside a length or inside a configuration.
    #[error("the key collection is truncated")]
    Truncated,
    /// A configuration ends before its last part.
    #[error("a key configuration is too short")]
    ShortConfig,
    /// The length of the suites is zero or not a multiple of four.
    #[error("the suites of a key configuration have a bad length")]
    SuitesLength,
    /// Bytes follow the suites.
    #[error("bytes follow a key configuration")]
    TrailingBytes,
    /// A configuration of an unknown KEM that no key length makes right.
    #[error("a key configuration of unknown KEM is malformed")]
    MalformedUnknown,
    /// Two configurations share a key id.
    #[error("a key id occurs twice")]
    DuplicateKeyId,
    /// A public key given to us is not as long as its KEM's keys are.
    #[error("the public key has the wrong length")]
    PublicKeyLength,
    /// A configuration given to us has no suite, or more than the encoding can hold.
    #[error("the number of suites is out of range")]
    SuiteCount,
}
