//! The typed answer: what the sender learns once everything has been verified.

use crate::error::DirectoryError;
use crate::keys::{self, KeyMismatch};
use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::{Csi, MimiUri};
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verified;
use std::fmt;

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
#[derive(Clone)]
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
    /// The holder's key: whose word this is.
    pub holder: VerifyingKey,
    /// The mapping's serial, counted per key and tag.
    pub serial: u64,
    /// The mapping itself: the holder's statement, whole.
    pub statement: Vec<u8>,
}

/// One place the holder is reached at.
#[derive(Clone)]
pub struct Service {
    /// The service, or the account or device there.
    pub uri: MimiUri,
    /// SHA-256 thumbprint of the key the service should present for it.
    pub thumbprint: Option<[u8; 32]>,
    /// The service itself has confirmed that this account exists and agreed to be listed.
    pub confirmed: bool,
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

impl Service {
    /// Whether the key that the service presents, an encoded COSE_Key, is the one the holder named.
    /// [`crate::cose_key`] reads other forms of keys.
    ///
    /// # Errors
    ///
    /// When it is another one, no key at all, or the holder named none.
    pub fn verify_key(&self, cose_key: &[u8]) -> Result<(), KeyMismatch> {
        keys::check(cose_key, self.thumbprint.as_ref())
    }
}

impl FoundMapping {
    /// What was said at `asked_at`.
    pub(crate) fn new(verified: Verified, statement: Vec<u8>, asked_at: Timestamp) -> Self {
        let Verified { mapping, credential, status_at, confirmed } = verified;
        let services = mapping.reaches.into_iter().zip(confirmed);
        let services = services.map(|(reach, confirmed)| Service {
            uri: reach.uri,
            thumbprint: reach.thumbprint,
            confirmed,
        });
        Self {
            authority: credential.authority.to_string(),
            tag: mapping.tag,
            services: services.collect(),
            holder_since: credential.holder_since,
            confirmed_at: status_at,
            fresh_until: asked_at.plus(mapping.refresh_after).min(mapping.not_after),
            holder: credential.holder,
            serial: mapping.serial,
            statement,
        }
    }
}

/// Keys and serials link what they appear in, so they stay out of logs.
impl fmt::Debug for FoundMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundMapping").field("services", &self.services).finish_non_exhaustive()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}
