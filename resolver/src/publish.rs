//! What recipients send: mappings to be served, and withdrawals. Both are verified whole before the
//! directory is asked whether it takes them in.

use crate::InForce;
use crate::admission::Refused;
use crate::batch;
use crate::directory::DirectoryError;
use crate::metrics::Outcome;
use crate::record::{Signed, Standing};
use crate::store::StoreError;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::mapping::Mapping;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::{StatementError, Unverified};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::{MAX_STATUS_AGE, VerifyError};
use http::StatusCode;

/// The oldest status one publishes with, in seconds. Clients refuse what is over 72 hours old, and the
/// authority's next status may be nearly a day away: with an older one a mapping would be published, and
/// soon refused by those who look it up.
const MAX_SENT_STATUS_AGE: u64 = MAX_STATUS_AGE - DAY;

/// Why a mapping is not served, or a withdrawal without effect. No variant repeats what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Not the structure that carries a mapping.
    #[error("the content is not a mapping with its status")]
    Malformed,
    /// The chain does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The status is too old to publish with.
    #[error(
        "the credential's status is older than 48 hours; get a fresh one from the authority \
         (`discreet credential refresh`) and publish again"
    )]
    OldStatus,
    /// The directory holds something that takes precedence, or has no room for it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The directory cannot be written. The reason is the operator's to know.
    #[error("{}", unable(_0))]
    Directory(#[from] DirectoryError),
}

fn unable(error: &DirectoryError) -> &'static str {
    match status_of(error) {
        StatusCode::SERVICE_UNAVAILABLE => "the directory cannot take anything in now; try again later",
        _ => "the directory is damaged; nothing was taken in",
    }
}

fn status_of(error: &DirectoryError) -> StatusCode {
    match error {
        DirectoryError::Store(StoreError::Corrupt { .. } | StoreError::Format { .. })
        | DirectoryError::Seal(_)
        | DirectoryError::Content
        | DirectoryError::WrongPepper => StatusCode::INTERNAL_SERVER_ERROR,
        DirectoryError::Store(_) | DirectoryError::Journal(_) | DirectoryError::Contended => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

impl PublishError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Verify(VerifyError::Mapping(error) | VerifyError::Withdrawal(error))
                if *error != StatementError::Signature =>
            {
                StatusCode::BAD_REQUEST
            }
            Self::Verify(_) | Self::OldStatus => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(Refused::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Directory(error) => status_of(error),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self.status() {
            StatusCode::BAD_REQUEST => Outcome::Malformed,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => Outcome::Failed,
            _ => Outcome::Refused,
        }
    }
}

impl InForce {
    /// Takes in a [`VerifiableMapping`]. What is there already is taken in again.
    pub(crate) fn publish(&self, content: &[u8], now: Timestamp) -> Result<(), PublishError> {
        let sent = VerifiableMapping::decode(content).map_err(|_| PublishError::Malformed)?;
        let status = self.later_status(&sent)?;
        let verified = self.rules.verifier(now).verify(sent.mapping(), &status, None);
        let verified = verified.map_err(|error| match error {
            VerifyError::StatusStale => PublishError::OldStatus,
            other => PublishError::Verify(other),
        })?;
        if verified.status_at < now.minus(MAX_SENT_STATUS_AGE) {
            return Err(PublishError::OldStatus);
        }
        let new = Signed {
            statement: sent.mapping().to_vec(),
            mapping: verified.mapping,
            credential: verified.credential,
        };
        batch::attempt(&self.directory, |batch| batch.publish(&new, &status, verified.status_at, now))??;
        Ok(())
    }

    /// Puts a withdrawal statement into effect.
    pub(crate) fn withdraw(&self, content: &[u8], now: Timestamp) -> Result<(), PublishError> {
        let (withdrawal, credential) = self.rules.verifier(now).withdrawal(content)?;
        batch::attempt(&self.directory, |batch| match batch.few_tags(&withdrawal, &credential)? {
            Ok(()) => batch.withdraw(&withdrawal, &credential, content, now),
            Err(refused) => Ok(Err(refused)),
        })??;
        Ok(())
    }

    /// The status that was sent, or the one that is kept, if it is later or the other cannot be read:
    /// who publishes again need not ask the authority first. Neither is verified yet.
    ///
    /// Mapping and credential are read here, for the credential's number, and again by the verifier. It
    /// takes bytes on purpose, so that what it says holds of nothing that somebody else has read; and
    /// reading takes microseconds, where the signatures take a hundred.
    fn later_status(&self, sent: &VerifiableMapping) -> Result<Vec<u8>, PublishError> {
        let mapping = Unverified::<Mapping>::read(sent.mapping()).map_err(VerifyError::Mapping)?;
        let credential = Unverified::<Credential>::read(&mapping.claims().credential);
        let credential = credential.map_err(VerifyError::Credential)?.into_claims();
        let kept = self.directory.status(&credential.authority, &credential.id)?.value;
        let sent_at = Unverified::<Status>::read(sent.status()).ok().map(|status| status.claims().at);
        let is_later = |kept: &Standing| match (sent_at, kept.about()) {
            // Admission says that the credential was revoked.
            (Some(_), _) if kept.revoked => false,
            (Some(sent), Some((_, kept))) => kept > sent,
            (None, _) => true,
            (Some(_), None) => false,
        };
        Ok(kept.filter(is_later).map_or_else(|| sent.status().to_vec(), |kept| kept.statement))
    }
}

#[cfg(test)]
mod tests;
