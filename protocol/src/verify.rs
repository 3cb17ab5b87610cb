//! The whole chain of a mapping: accepted authority → credential → status → mapping.
//!
//! The resolver walks it before it stores a mapping, the client before it believes one; both call
//! [`Verifier::verify`], so neither can be laxer than the other.

use crate::credential::{Credential, Status};
use crate::identifier::{Csi, Domain};
use crate::mapping::Mapping;
use crate::policy::{Authorities, Authority, AuthorityError};
use crate::statement::{StatementError, Unverified};
use crate::time::{CLOCK_TOLERANCE, Timestamp};

/// The oldest status that still counts, in seconds: 72 hours.
pub const MAX_STATUS_AGE: u64 = 72 * 3600;

/// What mappings are checked against.
pub struct Verifier<'a> {
    /// The discovery domain that serves the mapping.
    pub domain: &'a Domain,
    /// The authorities its policy names.
    pub authorities: &'a Authorities,
    /// The time now.
    pub now: Timestamp,
}

/// A mapping that stands, with what it stands on.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The recipient's statement.
    pub mapping: Mapping,
    /// The authority's statement about the recipient's key.
    pub credential: Credential,
    /// When the authority last said that the credential stands.
    pub status_at: Timestamp,
}

/// Why a mapping does not stand. No variant repeats an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The mapping cannot be read, or its signature is not the credential's key's.
    #[error("mapping: {0}")]
    Mapping(StatementError),
    /// The credential cannot be read, or its signature is not the authority's.
    #[error("credential: {0}")]
    Credential(StatementError),
    /// The status cannot be read, or its signature is not the authority's.
    #[error("status: {0}")]
    Status(StatementError),
    /// The authority may not speak for this identifier.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The credential is about another identifier than the mapping.
    #[error("the credential is for another identifier than the mapping")]
    CredentialForOther,
    /// The credential's time is over.
    #[error("the credential has expired")]
    CredentialExpired,
    /// `proved_at` lies in the future, or before `holder_since`.
    #[error("the credential's times contradict each other or lie in the future")]
    CredentialTimes,
    /// The status is about another credential.
    #[error("the status is for another credential")]
    StatusForOther,
    /// The status is older than 72 hours.
    #[error("the status is more than 72 hours old")]
    StatusStale,
    /// The status is from the future.
    #[error("the status lies in the future")]
    StatusEarly,
    /// The mapping was made for other discovery domains.
    #[error("the mapping is for another discovery domain")]
    Audience,
    /// The mapping's time has not come.
    #[error("the mapping is not valid yet")]
    NotYetValid,
    /// The mapping's time is over.
    #[error("the mapping has expired")]
    Expired,
    /// The mapping would outlive its credential, or end before it begins.
    #[error("the mapping's validity is empty or outlives its credential")]
    Validity,
    /// The mapping's times are not whole days.
    #[error("the mapping's times are not whole days")]
    NotWholeDays,
    /// The mapping is about another identifier than the one asked for.
    #[error("the mapping is for another identifier than the one asked")]
    OtherCsi,
}

impl Verifier<'_> {
    /// Checks a mapping with its status, whole. `asked`: the identifier it must be about.
    pub fn verify(
        &self,
        mapping: &[u8],
        status: &[u8],
        asked: Option<&Csi>,
    ) -> Result<Verified, VerifyError> {
        let mapping = Unverified::<Mapping>::read(mapping).map_err(VerifyError::Mapping)?;
        if asked.is_some_and(|asked| *asked != mapping.claims().csi) {
            return Err(VerifyError::OtherCsi);
        }
        let (credential, authority) = self.credential(mapping.claims())?;
        let status_at = self.status(status, &credential, authority)?;
        let mapping = mapping.verify(&credential.holder).map_err(VerifyError::Mapping)?;
        self.mapping(&mapping, &credential)?;
        Ok(Verified { mapping, credential, status_at })
    }

    fn credential(&self, mapping: &Mapping) -> Result<(Credential, &Authority), VerifyError> {
        let credential =
            Unverified::<Credential>::read(&mapping.credential).map_err(VerifyError::Credential)?;
        let claims = credential.claims();
        let authority = self.authorities.speaking(&claims.authority, &claims.csi)?;
        let credential = credential.verify(&authority.key).map_err(VerifyError::Credential)?;
        if credential.csi != mapping.csi {
            return Err(VerifyError::CredentialForOther);
        }
        if self.now >= credential.expires {
            return Err(VerifyError::CredentialExpired);
        }
        if credential.proved_at > self.now.plus(CLOCK_TOLERANCE)
            || credential.holder_since > credential.proved_at
        {
            return Err(VerifyError::CredentialTimes);
        }
        Ok((credential, authority))
    }

    fn status(
        &self,
        status: &[u8],
        credential: &Credential,
        authority: &Authority,
    ) -> Result<Timestamp, VerifyError> {
        let status = crate::statement::open::<Status>(status, &authority.key);
        let status = status.map_err(VerifyError::Status)?;
        if status.id != credential.id {
            return Err(VerifyError::StatusForOther);
        }
        if status.at > self.now.plus(CLOCK_TOLERANCE) {
            return Err(VerifyError::StatusEarly);
        }
        if status.at < self.now.minus(MAX_STATUS_AGE) {
            return Err(VerifyError::StatusStale);
        }
        Ok(status.at)
    }

    fn mapping(&self, mapping: &Mapping, credential: &Credential) -> Result<(), VerifyError> {
        if !mapping.audience.contains(self.domain) {
            return Err(VerifyError::Audience);
        }
        if !mapping.not_before.is_day() || !mapping.not_after.is_day() {
            return Err(VerifyError::NotWholeDays);
        }
        if mapping.not_after > credential.expires || mapping.not_after <= mapping.not_before {
            return Err(VerifyError::Validity);
        }
        if mapping.not_before > self.now.plus(CLOCK_TOLERANCE) {
            return Err(VerifyError::NotYetValid);
        }
        if self.now >= mapping.not_after {
            return Err(VerifyError::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
