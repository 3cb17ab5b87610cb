//! What a messaging service may add to a reach: "this account exists, and agreed to be listed by the
//! holder of this key".

use crate::identifier::{Domain, MimiUri};
use crate::key;
use crate::statement::{Claims, Fields, cbor::map};
use crate::time::Timestamp;
use ciborium::Value;
use ed25519_dalek::VerifyingKey;
use std::fmt;

// RFC 8392 §4 and RFC 8747 §3.1.
const ISS: i64 = 1;
const SUB: i64 = 2;
const EXP: i64 = 4;
const CNF: i64 = 8;

/// A service's countersignature of a reach. Optional: a mapping stands without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// The service (`iss`), by the name the policy gives it: the provider of `uri`.
    pub service: Domain,
    /// The account or device there (`sub`).
    pub uri: MimiUri,
    /// From then on it counts no more (`exp`).
    pub expires: Timestamp,
    /// The key whose holder may list it (`cnf`).
    pub holder: VerifyingKey,
}

impl Claims for Endorsement {
    const CONTENT_TYPE: &'static str = "application/discreet-endorsement+cwt";

    fn to_cbor(&self) -> Value {
        map(vec![
            (ISS, self.service.as_str().into()),
            (SUB, self.uri.as_str().into()),
            (EXP, self.expires.unix().into()),
            (CNF, key::cnf(&self.holder)),
        ])
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            service: Domain::new(&fields.text(ISS)?).ok()?,
            uri: MimiUri::new(&fields.text(SUB)?).ok()?,
            expires: Timestamp::from_unix(fields.unsigned(EXP)?),
            holder: key::read_cnf(fields.take(CNF)?)?,
        })
    }
}

impl fmt::Debug for Endorsement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endorsement(…)")
    }
}
