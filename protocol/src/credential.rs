//! What an authority says about a key: that it belongs to the holder of a CSI ([`Credential`], a
//! CWT, RFC 8392), that this is still so ([`Status`]), or no longer ([`Revocation`]).

use crate::identifier::{Csi, Domain};
use crate::key;
use crate::statement::{Claims, Fields, StatementError, Unverified, cbor::map};
use crate::time::Timestamp;
use ciborium::Value;
use ed25519_dalek::VerifyingKey;
use std::fmt;

// RFC 8392 §4 and RFC 8747 §3.1; the last two are ours, from the private-use range.
const ISS: i64 = 1;
const SUB: i64 = 2;
const EXP: i64 = 4;
const IAT: i64 = 6;
const CTI: i64 = 7;
const CNF: i64 = 8;
const PROVED_AT: i64 = -65_537;
const HOLDER_SINCE: i64 = -65_538;

/// A credential's own number (`cti`), drawn at random by the authority.
pub type CredentialId = [u8; 16];

/// "This key belongs to the holder of this CSI", by an authority.
///
/// A person has one key per CSI, so that their phone number and e-mail address are not linked.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The authority, by the name the policy gives it (`iss`).
    pub authority: Domain,
    /// The identifier (`sub`).
    pub csi: Csi,
    /// The holder's key (`cnf`).
    pub holder: VerifyingKey,
    /// This credential's number (`cti`).
    pub id: CredentialId,
    /// From then on the credential is void (`exp`).
    pub expires: Timestamp,
    /// When the holder last proved control of the CSI. Renewal copies it.
    pub proved_at: Timestamp,
    /// Since when the CSI has had this holder, across key changes the holder countersigned.
    pub holder_since: Timestamp,
}

impl Claims for Credential {
    const CONTENT_TYPE: &'static str = "application/discreet-credential+cwt";

    fn to_cbor(&self) -> Value {
        map(vec![
            (ISS, self.authority.as_str().into()),
            (SUB, self.csi.uri().into()),
            (EXP, self.expires.unix().into()),
            (CTI, Value::Bytes(self.id.to_vec())),
            (CNF, key::cnf(&self.holder)),
            (PROVED_AT, self.proved_at.unix().into()),
            (HOLDER_SINCE, self.holder_since.unix().into()),
        ])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            authority: Domain::new(&fields.text(ISS)?).ok()?,
            csi: Csi::from_uri(&fields.text(SUB)?).ok()?,
            holder: key::read_cnf(fields.take(CNF)?)?,
            id: fields.array_of(CTI)?,
            expires: Timestamp::from_unix(fields.unsigned(EXP)?),
            proved_at: Timestamp::from_unix(fields.unsigned(PROVED_AT)?),
            holder_since: Timestamp::from_unix(fields.unsigned(HOLDER_SINCE)?),
        })
    }
}

/// "The credential with this number stands", by its authority, at a point in time.
///
/// Authorities sign these anew at least daily; resolvers staple them to answers. So a revocation
/// needs no query that would tell the authority who is being looked up.
#[derive(Clone, PartialEq, Eq)]
pub struct Status {
    /// The credential's number.
    pub id: CredentialId,
    /// When the authority said so.
    pub at: Timestamp,
}

impl Claims for Status {
    const CONTENT_TYPE: &'static str = "application/discreet-status+cwt";

    fn to_cbor(&self) -> Value {
        map(vec![(IAT, self.at.unix().into()), (CTI, Value::Bytes(self.id.to_vec()))])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let at = Timestamp::from_unix(fields.unsigned(IAT)?);
        Some(Self { id: fields.array_of(CTI)?, at })
    }
}

/// "The credential with this number is void", by its authority, for good.
#[derive(Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The credential's number.
    pub id: CredentialId,
    /// When the authority said so.
    pub at: Timestamp,
    /// When the credential would have expired: until then this must be remembered.
    pub expires: Timestamp,
}

impl Claims for Revocation {
    const CONTENT_TYPE: &'static str = "application/discreet-revocation+cwt";

    fn to_cbor(&self) -> Value {
        map(vec![
            (EXP, self.expires.unix().into()),
            (IAT, self.at.unix().into()),
            (CTI, Value::Bytes(self.id.to_vec())),
        ])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            id: fields.array_of(CTI)?,
            at: Timestamp::from_unix(fields.unsigned(IAT)?),
            expires: Timestamp::from_unix(fields.unsigned(EXP)?),
        })
    }
}

/// The latest word of an authority about one of its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stands.
    Stands(Status),
    /// It is void, for good.
    Revoked(Revocation),
}

impl Standing {
    /// Reads either statement and checks that `key` signed it.
    ///
    /// # Errors
    ///
    /// When the bytes are neither, or the signature is another key's.
    pub fn open(bytes: &[u8], key: &VerifyingKey) -> Result<Self, StatementError> {
        match Unverified::<Status>::read(bytes) {
            Ok(status) => status.verify(key).map(Self::Stands),
            Err(StatementError::WrongType) => {
                Unverified::<Revocation>::read(bytes)?.verify(key).map(Self::Revoked)
            }
            Err(error) => Err(error),
        }
    }

    /// The number of the credential it is about.
    pub fn id(&self) -> &CredentialId {
        match self {
            Self::Stands(status) => &status.id,
            Self::Revoked(revocation) => &revocation.id,
        }
    }
}

/// Keys and numbers of credentials link what they appear in, so they stay out of logs.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Status(…)")
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revocation(…)")
    }
}
