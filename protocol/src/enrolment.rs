//! What a person says to an authority: "attest this key" ([`KeyRequest`]), and, from an old key to
//! the new one, "it is the same person" ([`Handover`]). Neither ever reaches a discovery provider.

use crate::identifier::{Csi, Domain};
use crate::key;
use crate::statement::{Claims, Fields, StatementError, Unverified, cbor::map};
use crate::time::Timestamp;
use ciborium::Value;
use ed25519_dalek::VerifyingKey;
use std::fmt;

// RFC 8392 §4, RFC 8747 §3.1, RFC 9711 §4.1; the last two are ours, from the private-use range.
const SUB: i64 = 2;
const AUD: i64 = 3;
const EXP: i64 = 4;
const CNF: i64 = 8;
const NONCE: i64 = 10;
const TICKET: i64 = -65_539;
const HANDOVER: i64 = -65_540;

/// Most bytes of an authority's challenge.
pub const MAX_CHALLENGE: usize = 64;
/// The secret that stands for one proof of a CSI, drawn by the authority.
pub type Ticket = [u8; 32];

/// "Attest this key for this CSI", signed by that key, so that nobody has a stranger's key attested.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The identifier (`sub`).
    pub csi: Csi,
    /// The authority asked (`aud`): to another one the request means nothing.
    pub authority: Domain,
    /// The key, which also signs (`cnf`).
    pub holder: VerifyingKey,
    /// The authority's fresh challenge (`nonce`).
    pub challenge: Vec<u8>,
    /// The proof that this key's user controls the CSI. Without it the request is a renewal or,
    /// with a handover, a change of key.
    pub ticket: Option<Ticket>,
    /// The old key's word for this one, a [`Handover`] statement.
    pub handover: Option<Vec<u8>>,
}

impl Claims for KeyRequest {
    const CONTENT_TYPE: &'static str = "application/discreet-key-request+cwt";

    fn to_cbor(&self) -> Value {
        let mut entries = vec![
            (SUB, self.csi.uri().into()),
            (AUD, self.authority.as_str().into()),
            (CNF, key::cnf(&self.holder)),
            (NONCE, Value::Bytes(self.challenge.clone())),
        ];
        entries.extend(self.ticket.map(|ticket| (TICKET, Value::Bytes(ticket.to_vec()))));
        entries.extend(self.handover.clone().map(|handover| (HANDOVER, Value::Bytes(handover))));
        map(entries)
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let ticket = match fields.take(TICKET) {
            Some(ticket) => Some(ticket.into_bytes().ok()?.try_into().ok()?),
            None => None,
        };
        let handover = match fields.take(HANDOVER) {
            Some(handover) => Some(handover.into_bytes().ok()?),
            None => None,
        };
        Some(Self {
            csi: Csi::from_uri(&fields.text(SUB)?).ok()?,
            authority: Domain::new(&fields.text(AUD)?).ok()?,
            holder: key::read_cnf(fields.take(CNF)?)?,
            challenge: fields.bytes(NONCE).filter(|nonce| nonce.len() <= MAX_CHALLENGE)?,
            ticket,
            handover,
        })
    }
}

impl KeyRequest {
    /// Reads a request and checks that the key it is about signed it.
    ///
    /// # Errors
    ///
    /// When the bytes are no such statement, or another key signed them.
    pub fn open(bytes: &[u8]) -> Result<Self, StatementError> {
        let request = Unverified::<Self>::read(bytes)?;
        let holder = request.claims().holder;
        request.verify(&holder)
    }
}

/// "My successor is this key", by the key that the authority has attested so far.
#[derive(Clone, PartialEq, Eq)]
pub struct Handover {
    /// The identifier (`sub`).
    pub csi: Csi,
    /// The authority it is meant for (`aud`).
    pub authority: Domain,
    /// From then on it is void (`exp`).
    pub expires: Timestamp,
    /// The new key (`cnf`).
    pub successor: VerifyingKey,
}

impl Claims for Handover {
    const CONTENT_TYPE: &'static str = "application/discreet-handover+cwt";

    fn to_cbor(&self) -> Value {
        map(vec![
            (SUB, self.csi.uri().into()),
            (AUD, self.authority.as_str().into()),
            (EXP, self.expires.unix().into()),
            (CNF, key::cnf(&self.successor)),
        ])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            csi: Csi::from_uri(&fields.text(SUB)?).ok()?,
            authority: Domain::new(&fields.text(AUD)?).ok()?,
            expires: Timestamp::from_unix(fields.unsigned(EXP)?),
            successor: key::read_cnf(fields.take(CNF)?)?,
        })
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRequest(…)")
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover(…)")
    }
}
