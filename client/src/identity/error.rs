//! Why an identity cannot be read, be attested, or sign. No text repeats an identifier, key or tag.

use crate::error::Error;
use discreet_protocol::statement::StatementError;
use discreet_protocol::verify::VerifyError;
use std::path::PathBuf;

/// Why an identity file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFileError {
    /// There is no such file.
    #[error("the identity file {} is missing; `discreet identity new` makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is there already and stays as it is.
    #[error("the file {} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the file.
    #[error("the identity file {} has mode {mode:03o}, so others may use it; run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another command has it.
    #[error("the identity file {} is in use by another command; wait until that is done", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is not what such a file holds.
    #[error("the identity file {} is damaged, or of a later version; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the identity file {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why what an authority says is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The identity has turned to no authority.
    #[error("the identity knows no authority yet; run `discreet credential get`")]
    NoAuthority,
    /// The identity has no credential.
    #[error("the identity has no credential yet; run `discreet credential get`")]
    NoCredential,
    /// The authority shows another key than before.
    #[error("the authority shows another key than before; ask its operator by other means")]
    AuthorityKey,
    /// The policy names another key for the authority.
    #[error("the policy names another key for this authority than the authority itself does")]
    PolicyKey,
    /// The policy does not name the authority.
    #[error("the policy does not name this authority: mappings it attests are not taken in there")]
    NotInPolicy,
    /// The credential is not the authority's.
    #[error("the credential is refused: {0}")]
    Credential(StatementError),
    /// The status is not the authority's.
    #[error("the status is refused: {0}")]
    Status(StatementError),
    /// It names another authority.
    #[error("the credential is refused: it names another authority")]
    OtherAuthority,
    /// It is about another key.
    #[error("the credential is refused: it is for another key than this identity's")]
    OtherKey,
    /// It is about another identifier.
    #[error("the identifier is another one than this identity's")]
    OtherIdentifier,
    /// Its time is over.
    #[error("the credential has expired; prove the identifier anew with `discreet credential get`")]
    Expired,
    /// Its authority has revoked it.
    #[error(
        "the credential has been revoked by its authority; prove the identifier anew with `credential get`"
    )]
    Revoked,
    /// It is about another credential.
    #[error("the status is refused: it is for another credential")]
    OtherStatus,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] IdentityFileError),
    /// There is no randomness.
    #[error(transparent)]
    Client(#[from] Error),
    /// There is no credential that counts.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// More services than a mapping may list.
    #[error("{count} services are more than a mapping may list: at most {most}")]
    TooManyReaches {
        /// How many were given.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// The same service is listed twice.
    #[error("service number {position} is listed twice")]
    Repeated {
        /// Counted from 1.
        position: usize,
    },
    /// A service's endorsement is not what the policy asks for.
    #[error(
        "the endorsement of service number {position} does not count: other service, account or key, or expired"
    )]
    Endorsement {
        /// Counted from 1.
        position: usize,
    },
    /// A tag without a `Default` beside it.
    #[error("publish a mapping without --tag first: senders who ask for no tag get that one")]
    NoDefault,
    /// `Default` is not to go alone.
    #[error("the mapping for Default cannot go alone: withdraw the other tags first, or all (without --tag)")]
    TagsLeft,
    /// Nothing is there to be withdrawn.
    #[error("this identity has published nothing there that could be withdrawn")]
    NothingPublished,
    /// The credential ends before a mapping could.
    #[error("the credential expires today; run `discreet credential renew` first")]
    ExpiresToday,
    /// The mapping would not stand.
    #[error("the mapping would be refused: {0}")]
    Verify(#[from] VerifyError),
}
