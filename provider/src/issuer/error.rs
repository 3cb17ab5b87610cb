//! Why no token is signed: the status of the answer, its sentence, and what is counted.

use super::accounts::NotAdmitted;
use super::key::KeyUseError;
use super::keys::SignError;
use super::quota::Empty;
use crate::database::DatabaseError;
use crate::metrics::Issued;
use http::StatusCode;

/// Seconds after which to try again when too many ask at once.
const BUSY_SECS: u64 = 2;

/// Why no token is signed. The sentences are for whoever writes a client, and repeat nothing of a request.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Nobody's request.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// Of another media type (RFC 9578 §8.3.1).
    #[error("the content must be application/private-token-request")]
    MediaType,
    /// Of another token type or length.
    #[error("the content is no token request of type 0x0002: 259 bytes (RFC 9578 §6.1)")]
    Malformed,
    /// Nothing that a key of now signs.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The account has used up its quota.
    #[error("the account's quota is used up; Retry-After says when there is a token again")]
    OverQuota(#[from] Empty),
    /// Too many ask at once.
    #[error("too many tokens are asked for at once; try again")]
    Busy,
    /// The counters cannot be written.
    #[error("tokens cannot be counted now; try again later")]
    Database(#[from] DatabaseError),
    /// As [`IssueError::Database`], found by somebody else, who says why.
    #[error("tokens cannot be counted now; try again later")]
    Unwritten,
    /// The process is ending.
    #[error("the service is ending; try again")]
    Stopping,
}

impl IssueError {
    /// The status of the answer. What is wrong with a request is 422, whatever it is (RFC 9578 §6.2).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotAdmitted(NotAdmitted::Nothing | NotAdmitted::Unknown) => StatusCode::UNAUTHORIZED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Sign(SignError::Use(KeyUseError::Fault)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Malformed | Self::Sign(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::OverQuota(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotAdmitted(NotAdmitted::Unavailable)
            | Self::Busy
            | Self::Database(_)
            | Self::Unwritten
            | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What happened, and what to do.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::NotAdmitted(NotAdmitted::Nothing) => "this needs an account's token or certificate",
            Self::NotAdmitted(NotAdmitted::Unknown) => "the account is not known, or no longer",
            Self::NotAdmitted(NotAdmitted::Unavailable) => {
                "accounts cannot be looked up now; try again later"
            }
            Self::MediaType => "the content must be application/private-token-request",
            Self::Malformed => "the content is no token request of type 0x0002: 259 bytes (RFC 9578 §6.1)",
            Self::Sign(SignError::Key) => {
                "the request names a key that does not sign now; the issuer's directory says which does"
            }
            Self::Sign(SignError::Use(KeyUseError::OutOfRange)) => {
                "the blinded message is not below the key's modulus"
            }
            Self::Sign(SignError::Use(KeyUseError::Fault)) => "internal error",
            Self::OverQuota(_) => {
                "the account's quota is used up; Retry-After says when there is a token again"
            }
            Self::Busy => "too many tokens are asked for at once; try again",
            Self::Database(_) | Self::Unwritten => "tokens cannot be counted now; try again later",
            Self::Stopping => "the service is ending; try again",
        }
    }

    /// When to try again, in seconds (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::OverQuota(empty) => Some(empty.again_in),
            Self::Busy => Some(BUSY_SECS),
            _ => None,
        }
    }

    pub(crate) fn label(&self) -> Issued {
        match self {
            Self::NotAdmitted(NotAdmitted::Nothing | NotAdmitted::Unknown) => Issued::NotAdmitted,
            Self::MediaType | Self::Malformed | Self::Sign(SignError::Use(KeyUseError::OutOfRange)) => {
                Issued::Malformed
            }
            Self::Sign(SignError::Key) => Issued::OtherKey,
            Self::OverQuota(_) => Issued::OverQuota,
            Self::Busy => Issued::Busy,
            Self::NotAdmitted(NotAdmitted::Unavailable)
            | Self::Sign(SignError::Use(KeyUseError::Fault))
            | Self::Database(_)
            | Self::Unwritten
            | Self::Stopping => Issued::Failed,
        }
    }
}
