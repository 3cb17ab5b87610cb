//! Why the authority does not do what it was asked, with the status of the answer. The sentences go
//! to whoever asked and repeat nothing of what they sent.

use super::rules::Refused;
use super::secrets::NoRandomness;
use crate::database::DatabaseError;
use http::StatusCode;
use std::fmt;

/// Why an authority does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No identifier in canonical form.
    Identifier,
    /// No account name.
    Account,
    /// No ticket.
    Ticket,
    /// No request for a credential.
    Statement,
    /// A request with both a ticket and a handover.
    TwoWays,
    /// The request is signed by another key than the one it names.
    Signature,
    /// The challenge is not ours, or too old.
    Challenge,
    /// The request is meant for another authority.
    OtherAuthority,
    /// There is no proof behind the ticket, and nobody waits for one.
    NoTicket,
    /// The answer to the prover is wrong.
    WrongAnswer,
    /// The last of the answers a person has was wrong.
    NoMoreAnswers,
    /// The way of proving takes no answers.
    NotThisWay,
    /// No enrolment has this code.
    NoCode,
    /// Nobody holds the identifier.
    NoHolder,
    /// One identifier is being enrolled too often at once.
    AlreadyWaiting,
    /// The way of proving cannot be gone now.
    Unavailable,
    /// A rule.
    Refused(#[from] Refused),
    /// The database.
    Database(#[from] DatabaseError),
    /// The system has no randomness.
    Randomness,
}

impl AuthorityError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Identifier | Self::Account | Self::Ticket | Self::Statement | Self::TwoWays => {
                StatusCode::BAD_REQUEST
            }
            Self::Signature | Self::Challenge | Self::WrongAnswer | Self::NoMoreAnswers => {
                StatusCode::FORBIDDEN
            }
            Self::NoCode | Self::NoHolder => StatusCode::NOT_FOUND,
            Self::OtherAuthority | Self::NoTicket | Self::NotThisWay | Self::Refused(_) => {
                StatusCode::CONFLICT
            }
            Self::AlreadyWaiting => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Database(DatabaseError::Full { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) | Self::Randomness => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, and what to do.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Identifier => {
                "the identifier is not in canonical form, like tel:+14155550123 or mailto:ann@a.example"
            }
            Self::Account => "an account has 1 to 128 bytes without control characters",
            Self::Ticket => "a ticket is 32 bytes in base64url without padding",
            Self::Statement => "the content is not a request for a credential",
            Self::TwoWays => "a request carries a ticket or a handover, not both",
            Self::Signature => "the request is not signed by the key it names",
            Self::Challenge => "the challenge is not this service's, or older than five minutes; get another",
            Self::OtherAuthority => "the request is meant for another authority",
            Self::NoTicket => {
                "the ticket is unknown, too old, or for another identifier; prove the identifier anew"
            }
            Self::WrongAnswer => "the answer is wrong",
            Self::NoMoreAnswers => "the answer is wrong, and was the last one; enrol anew",
            Self::NotThisWay => "no answer is expected here; follow what you were told at the enrolment",
            Self::NoCode => "no enrolment with this code waits for a confirmation",
            Self::NoHolder => "nobody holds this identifier here",
            Self::AlreadyWaiting => "this identifier is being enrolled too often; finish one or wait an hour",
            Self::Unavailable => "the identifier cannot be proved now; try again later",
            Self::Refused(reason) => reason.sentence(),
            Self::Database(DatabaseError::Full { .. }) => {
                "the authority cannot take anything in now; try again later"
            }
            Self::Database(_) | Self::Randomness => "internal error",
        }
    }
}

/// For the operator at the command line, who may know what is wrong with the database.
impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Randomness => f.write_str("the system gives no randomness"),
            _ => f.write_str(self.sentence()),
        }
    }
}

impl From<NoRandomness> for AuthorityError {
    fn from(_: NoRandomness) -> Self {
        Self::Randomness
    }
}
