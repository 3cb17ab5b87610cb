//! The typed answer: what the sender learns once everything has been verified.

use crate::error::DirectoryError;
use discreet_protocol::identifier::{Csi, MimiUri};
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verified;

/// How a lookup ended: the five outcomes of draft-interop-mimi-discovery-requirements-03, R5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody has published a mapping, or the holder wants to look absent.
    NoMapping,
    /// There is a mapping, and it lists no service.
    NoService,
    /// One service.
    OneService,
    /// Several services, in the recipient's order.
    SeveralServices,
    /// Several mappings, each attested by another authority; the sender chooses whom to believe.
    SeveralMappings,
}

/// A verified answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who was looked up.
    pub csi: Csi,
    /// The mappings, at most one per authority, each verified whole.
    pub mappings: Vec<FoundMapping>,
    /// What the user should be told.
    pub notices: Vec<Notice>,
}

/// A verified mapping.
#[derive(Clone, Debug)]
pub struct FoundMapping {
    /// Who attests that the mapping is the holder's.
    pub authority: String,
    /// The tag it is for: the one asked for, or `Default`.
    pub tag: Tag,
    /// Where the holder is reached, most preferred first.
    pub services: Vec<Service>,
    /// Since when the identifier has had this holder.
    pub holder_since: Timestamp,
    /// When the authority last said that this stands.
    pub confirmed_at: Timestamp,
    /// Until when an app may use this answer without asking again.
    pub fresh_until: Timestamp,
}

/// One place the holder is reached at.
#[derive(Clone, Debug)]
pub struct Service {
    /// The service, or the account or device there.
    pub uri: MimiUri,
    /// SHA-256 thumbprint of the key the service should present for it.
    pub thumbprint: Option<[u8; 32]>,
}

/// Something the user should be told beside the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The identifier belongs to somebody else now, or its holder lost all keys.
    NewHolder {
        /// By whose attestation.
        authority: String,
    },
    /// The directory also sent a mapping that does not verify; it was left out.
    Refused {
        /// Why.
        reason: DirectoryError,
    },
    /// The same holder has a new key, as after a change of phone: the authority says so, by keeping
    /// `holder_since`.
    NewKey {
        /// By whose attestation.
        authority: String,
    },
}

impl Answer {
    /// Which of the five outcomes this is.
    pub fn outcome(&self) -> Outcome {
        match self.mappings.as_slice() {
            [] => Outcome::NoMapping,
            [mapping] => match mapping.services.len() {
                0 => Outcome::NoService,
                1 => Outcome::OneService,
                _ => Outcome::SeveralServices,
            },
            _ => Outcome::SeveralMappings,
        }
    }
}

impl FoundMapping {
    pub(crate) fn new(verified: Verified, now: Timestamp) -> Self {
        let (mapping, credential) = (verified.mapping, verified.credential);
        let reaches = mapping.reaches.into_iter();
        Self {
            authority: credential.authority.to_string(),
            tag: mapping.tag,
            services: reaches.map(|reach| Service { uri: reach.uri, thumbprint: reach.thumbprint }).collect(),
            holder_since: credential.holder_since,
            confirmed_at: verified.status_at,
            fresh_until: now.plus(mapping.refresh_after).min(mapping.not_after),
        }
    }
}
