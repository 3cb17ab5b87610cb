//! The whole chain of a mapping: accepted authority → credential → status → mapping.
//!
//! The resolver walks it before it stores a mapping, the client before it believes one; both call
//! [`Verifier::verify`], so neither can be laxer than the other.

use crate::credential::{Credential, Standing};
use crate::identifier::{Csi, Domain};
use crate::mapping::Mapping;
use crate::policy::{Authorities, Authority, AuthorityError, Services};
use crate::statement::{StatementError, Unverified};
use crate::time::{CLOCK_TOLERANCE, Timestamp};
use crate::withdrawal::Withdrawal;
use std::fmt;

/// The oldest status that still counts, in seconds: 72 hours.
pub const MAX_STATUS_AGE: u64 = 72 * 3600;

/// What mappings are checked against.
pub struct Verifier<'a> {
    /// The discovery domain that serves the mapping.
    pub domain: &'a Domain,
    /// The authorities its policy names.
    pub authorities: &'a Authorities,
    /// The services its policy names.
    pub services: &'a Services,
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
    /// For each reach whether its service confirmed it. A mapping stands without.
    pub confirmed: Vec<bool>,
}

/// What has been checked of a mapping, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Mapping and credential have the form of their types, down to the last byte.
    Form,
    /// The mapping is about the identifier that was asked for.
    Asked,
    /// The policy lets the authority speak for the identifier.
    Authority,
    /// The authority signed the credential, for this identifier.
    Credential,
    /// The credential has not expired, and its times make sense.
    CredentialTimes,
    /// The authority said so, not longer ago than 72 hours.
    Status,
    /// The holder's key signed the mapping.
    Signature,
    /// The mapping is for this discovery domain.
    Audience,
    /// The mapping's days have begun and not ended.
    Validity,
}

/// One line for people.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "mapping and credential are well-formed",
            Self::Asked => "the mapping is about the identifier asked for",
            Self::Authority => "the policy lets the authority speak for this identifier",
            Self::Credential => "the authority signed the credential for this identifier",
            Self::CredentialTimes => "the credential has not expired",
            Self::Status => "the authority confirmed the credential within the last 72 hours",
            Self::Signature => "the holder's key signed the mapping",
            Self::Audience => "the mapping is for this discovery domain",
            Self::Validity => "the mapping applies today",
        })
    }
}

/// Why a mapping does not stand. No variant repeats an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The mapping cannot be read, or its signature is not the credential's key's.
    #[error("mapping: {0}")]
    Mapping(StatementError),
    /// The withdrawal cannot be read, or its signature is not the credential's key's.
    #[error("withdrawal: {0}")]
    Withdrawal(StatementError),
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
    /// The authority has revoked the credential.
    #[error("the credential has been revoked by its authority")]
    Revoked,
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
    ///
    /// # Errors
    ///
    /// The first reason why it does not stand.
    pub fn verify(
        &self,
        mapping: &[u8],
        status: &[u8],
        asked: Option<&Csi>,
    ) -> Result<Verified, VerifyError> {
        self.explain(mapping, status, asked, |_| {})
    }

    /// As [`Verifier::verify`], and tells `passed` each step that held.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn explain(
        &self,
        mapping: &[u8],
        status: &[u8],
        asked: Option<&Csi>,
        mut passed: impl FnMut(Step),
    ) -> Result<Verified, VerifyError> {
        let mapping = Unverified::<Mapping>::read(mapping).map_err(VerifyError::Mapping)?;
        let claims = mapping.claims();
        let credential =
            Unverified::<Credential>::read(&claims.credential).map_err(VerifyError::Credential)?;
        passed(Step::Form);
        if asked.is_some_and(|asked| *asked != claims.csi) {
            return Err(VerifyError::OtherCsi);
        }
        passed(Step::Asked);
        let (credential, authority) = self.credential(credential, &claims.csi, &mut passed)?;
        let status_at = self.status(status, &credential, authority)?;
        passed(Step::Status);
        let mapping = mapping.verify(&credential.holder).map_err(VerifyError::Mapping)?;
        passed(Step::Signature);
        if !mapping.audience.contains(self.domain) {
            return Err(VerifyError::Audience);
        }
        passed(Step::Audience);
        self.validity(&mapping, &credential)?;
        passed(Step::Validity);
        let confirm = |reach| self.services.confirm(reach, &credential.holder, self.now);
        let confirmed = mapping.reaches.iter().map(confirm).collect();
        Ok(Verified { mapping, credential, status_at, confirmed })
    }

    /// Checks a withdrawal, whole. No status is asked for: it must work while the authority is
    /// silent, and it takes nothing away but what the same key published.
    ///
    /// # Errors
    ///
    /// The first reason why it does not stand.
    pub fn withdrawal(&self, withdrawal: &[u8]) -> Result<(Withdrawal, Credential), VerifyError> {
        let withdrawal = Unverified::<Withdrawal>::read(withdrawal).map_err(VerifyError::Withdrawal)?;
        let claims = withdrawal.claims();
        let credential =
            Unverified::<Credential>::read(&claims.credential).map_err(VerifyError::Credential)?;
        let (credential, _) = self.credential(credential, &claims.csi, &mut |_| {})?;
        let withdrawal = withdrawal.verify(&credential.holder).map_err(VerifyError::Withdrawal)?;
        if !withdrawal.audience.contains(self.domain) {
            return Err(VerifyError::Audience);
        }
        Ok((withdrawal, credential))
    }

    fn credential(
        &self,
        credential: Unverified<Credential>,
        csi: &Csi,
        passed: &mut impl FnMut(Step),
    ) -> Result<(Credential, &Authority), VerifyError> {
        let claims = credential.claims();
        let authority = self.authorities.speaking(&claims.authority, &claims.csi)?;
        passed(Step::Authority);
        let credential = credential.verify(&authority.key).map_err(VerifyError::Credential)?;
        if credential.csi != *csi {
            return Err(VerifyError::CredentialForOther);
        }
        passed(Step::Credential);
        if self.now >= credential.expires {
            return Err(VerifyError::CredentialExpired);
        }
        if credential.proved_at > self.now.plus(CLOCK_TOLERANCE)
            || credential.holder_since > credential.proved_at
        {
            return Err(VerifyError::CredentialTimes);
        }
        passed(Step::CredentialTimes);
        Ok((credential, authority))
    }

    fn status(
        &self,
        status: &[u8],
        credential: &Credential,
        authority: &Authority,
    ) -> Result<Timestamp, VerifyError> {
        let standing = Standing::open(status, &authority.key).map_err(VerifyError::Status)?;
        if *standing.id() != credential.id {
            return Err(VerifyError::StatusForOther);
        }
        let Standing::Stands(status) = standing else {
            return Err(VerifyError::Revoked);
        };
        if status.at > self.now.plus(CLOCK_TOLERANCE) {
            return Err(VerifyError::StatusEarly);
        }
        if status.at < self.now.minus(MAX_STATUS_AGE) {
            return Err(VerifyError::StatusStale);
        }
        Ok(status.at)
    }

    fn validity(&self, mapping: &Mapping, credential: &Credential) -> Result<(), VerifyError> {
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
