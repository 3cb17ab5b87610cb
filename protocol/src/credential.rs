//! What an authority says about a key: that it belongs to the holder of a CSI ([`Credential`], a
//! CWT, RFC 8392), and that this is still so ([`Status`]).

use crate::identifier::{Csi, Domain};
use crate::statement::{Claims, Fields, cbor::map};
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

// RFC 9052 §7 and RFC 9053 §7.2: an Ed25519 public key as COSE_Key.
const CNF_COSE_KEY: i64 = 1;
const KTY: i64 = 1;
const KTY_OKP: u64 = 1;
const CRV: i64 = -1;
const CRV_ED25519: u64 = 6;
const X: i64 = -2;

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
        let key = map(vec![
            (KTY, KTY_OKP.into()),
            (CRV, CRV_ED25519.into()),
            (X, Value::Bytes(self.holder.to_bytes().to_vec())),
        ]);
        map(vec![
            (ISS, self.authority.as_str().into()),
            (SUB, self.csi.uri().into()),
            (EXP, self.expires.unix().into()),
            (CTI, Value::Bytes(self.id.to_vec())),
            (CNF, map(vec![(CNF_COSE_KEY, key)])),
            (PROVED_AT, self.proved_at.unix().into()),
            (HOLDER_SINCE, self.holder_since.unix().into()),
        ])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let mut cnf = Fields::of(fields.take(CNF)?)?;
        let mut key = Fields::of(cnf.take(CNF_COSE_KEY)?)?;
        let is_ed25519 = key.unsigned(KTY)? == KTY_OKP && key.unsigned(CRV)? == CRV_ED25519;
        let holder = VerifyingKey::from_bytes(&key.array_of(X)?).ok()?;
        if !is_ed25519 || !key.is_empty() || !cnf.is_empty() {
            return None;
        }
        Some(Self {
            authority: Domain::new(&fields.text(ISS)?).ok()?,
            csi: Csi::from_uri(&fields.text(SUB)?).ok()?,
            holder,
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
