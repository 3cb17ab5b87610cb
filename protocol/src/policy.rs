//! What a discovery provider says to everyone alike: under which keys it is reached, and whose
//! attestations it accepts.
//!
//! The policy is signed by the provider's *directory key*. A client knows that key from its
//! profile, so neither a relay nor a gateway can slip in an OHTTP key of its own.

use crate::endorsement::Endorsement;
use crate::identifier::{Csi, Domain};
use crate::mapping::Reach;
use crate::statement::{Claims, Fields, cbor::map, open};
use crate::time::{CLOCK_TOLERANCE, Timestamp};
use crate::verify::Verifier;
use ciborium::Value;
use ed25519_dalek::VerifyingKey;

mod issuers;
mod namespace;

pub use issuers::{Epoch, Issuer, Issuers, IssuersError, MAX_ISSUERS, MAX_TOKEN_KEYS, MIN_KEY_LIFE, Prices};
pub use namespace::{Namespace, NamespaceError};

const DOMAIN: i64 = 1;
const SERIAL: i64 = 2;
const NOT_BEFORE: i64 = 3;
const NOT_AFTER: i64 = 4;
const OPERATOR: i64 = 5;
const KEYS: i64 = 6;
const AUTHORITIES: i64 = 7;
const SIZES: i64 = 8;
const SERVICES: i64 = 9;
const ISSUERS: i64 = 10;
const PRICES: i64 = 11;

/// The media type a signed policy is served under (RFC 9052 §2).
pub const MEDIA_TYPE: &str = "application/cose; cose-type=\"cose-sign1\"";

/// Most authorities a policy may name.
pub const MAX_AUTHORITIES: usize = 64;
/// Most namespaces one authority may have.
pub const MAX_NAMESPACES: usize = 64;
/// Most services a policy may name.
pub const MAX_SERVICES: usize = 64;
/// Most bytes of an operator's name.
const MAX_OPERATOR: usize = 128;

/// An authority a discovery provider accepts, and for which identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its name, as credentials carry it in `iss`.
    pub name: Domain,
    /// The key its credentials and statuses are signed with.
    pub key: VerifyingKey,
    /// What it may speak for.
    pub namespaces: Vec<Namespace>,
}

/// The authorities a discovery provider accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<Authority>);

/// Why an authority may not speak for an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The policy does not name it.
    #[error("the credential is by an authority that the policy does not name")]
    Unknown,
    /// The identifier lies in none of its namespaces, or a longer prefix is somebody else's.
    #[error("the authority speaks for an identifier outside its namespace")]
    OutsideNamespace,
}

impl Authorities {
    /// The given authorities; `None` if two share a name.
    pub fn new(list: Vec<Authority>) -> Option<Self> {
        let unique = list
            .iter()
            .enumerate()
            .all(|(at, authority)| list.iter().skip(at + 1).all(|other| other.name != authority.name));
        unique.then_some(Self(list))
    }

    /// The authorities, in the policy's order.
    pub fn iter(&self) -> impl Iterator<Item = &Authority> {
        self.0.iter()
    }

    /// The authority `name`, if it may speak for `csi`: one of its namespaces covers the
    /// identifier, and no authority has a longer one that does. Authorities that share the longest
    /// stand side by side.
    pub fn speaking(&self, name: &Domain, csi: &Csi) -> Result<&Authority, AuthorityError> {
        let authority = self.0.iter().find(|authority| authority.name == *name);
        let authority = authority.ok_or(AuthorityError::Unknown)?;
        let longest = self.0.iter().filter_map(|other| other.covers(csi)).max();
        match authority.covers(csi) {
            Some(length) if Some(length) == longest => Ok(authority),
            _ => Err(AuthorityError::OutsideNamespace),
        }
    }
}

/// A messaging service whose endorsements the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name, as MIMI URIs carry it.
    pub name: Domain,
    /// The key its endorsements are signed with.
    pub key: VerifyingKey,
}

/// The services whose endorsements can be checked; without one, a reach is the holder's word alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services(Vec<Service>);

impl Services {
    /// The given services; `None` if two share a name.
    pub fn new(list: Vec<Service>) -> Option<Self> {
        let mut rest = list.as_slice();
        while let [service, others @ ..] = rest {
            if others.iter().any(|other| other.name == service.name) {
                return None;
            }
            rest = others;
        }
        Some(Self(list))
    }

    /// The services, in the policy's order.
    pub fn iter(&self) -> impl Iterator<Item = &Service> {
        self.0.iter()
    }

    /// Whether `reach` carries its service's word, for the key `holder`, that stands at `now`.
    pub fn confirm(&self, reach: &Reach, holder: &VerifyingKey, now: Timestamp) -> bool {
        let service = self.0.iter().find(|service| service.name.as_str() == reach.uri.provider());
        let (Some(service), Some(bytes)) = (service, &reach.endorsement) else { return false };
        open::<Endorsement>(bytes, &service.key).is_ok_and(|said| {
            said.service == service.name
                && said.uri == reach.uri
                && said.holder == *holder
                && now < said.expires
        })
    }
}

impl Authority {
    /// The length of its longest namespace that covers `csi`.
    fn covers(&self, csi: &Csi) -> Option<usize> {
        self.namespaces.iter().filter_map(|namespace| namespace.covers(csi)).max()
    }
}

/// The rules of one discovery domain, as the provider publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The discovery domain.
    pub domain: Domain,
    /// Grows with every change; a client never goes back to a lower one.
    pub serial: u64,
    /// Valid from then on.
    pub not_before: Timestamp,
    /// Void from then on.
    pub not_after: Timestamp,
    /// Who operates gateway and resolver, for comparison with who operates the relays.
    pub operator: String,
    /// The OHTTP key collection: `application/ohttp-keys`, RFC 9458 §3.2.
    pub keys: Vec<u8>,
    /// Whose credentials count.
    pub authorities: Authorities,
    /// Bytes of HTTP content of every client operation, up and down.
    pub sizes: (u64, u64),
    /// Whose endorsements can be checked.
    pub services: Services,
    /// Whose tokens are taken.
    pub issuers: Issuers,
    /// What an operation costs.
    pub prices: Prices,
}

/// Why a policy does not apply now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidityError {
    /// Its time has not come.
    #[error("the policy is not valid yet; check this machine's clock")]
    NotYet,
    /// Its time is over.
    #[error("the policy has expired")]
    Expired,
}

impl Policy {
    /// What mappings served under this policy are checked with.
    pub fn verifier(&self, now: Timestamp) -> Verifier<'_> {
        let Self { domain, authorities, services, .. } = self;
        Verifier { domain, authorities, services, now }
    }

    /// Whether the policy applies at `now`.
    pub fn check_validity(&self, now: Timestamp) -> Result<(), ValidityError> {
        if now.plus(CLOCK_TOLERANCE) < self.not_before {
            return Err(ValidityError::NotYet);
        }
        if now >= self.not_after {
            return Err(ValidityError::Expired);
        }
        Ok(())
    }
}

impl Claims for Policy {
    const CONTENT_TYPE: &'static str = "application/discreet-policy+cbor";

    fn to_cbor(&self) -> Value {
        let mut entries = vec![
            (DOMAIN, self.domain.as_str().into()),
            (SERIAL, self.serial.into()),
            (NOT_BEFORE, self.not_before.unix().into()),
            (NOT_AFTER, self.not_after.unix().into()),
            (OPERATOR, self.operator.as_str().into()),
            (KEYS, Value::Bytes(self.keys.clone())),
            (AUTHORITIES, Value::Array(self.authorities.iter().map(Authority::to_cbor).collect())),
            (SIZES, Value::Array(vec![self.sizes.0.into(), self.sizes.1.into()])),
        ];
        let services: Vec<_> = self.services.iter().map(Service::to_cbor).collect();
        if !services.is_empty() {
            entries.push((SERVICES, Value::Array(services)));
        }
        if !self.issuers.is_empty() {
            entries.push((ISSUERS, self.issuers.to_cbor()));
        }
        if self.prices != Prices::default() {
            entries.push((PRICES, self.prices.to_cbor()));
        }
        map(entries)
    }

    fn from_cbor(fields: &mut Fields) -> Option<Self> {
        let authorities = fields.list(AUTHORITIES, MAX_AUTHORITIES)?.into_iter();
        let authorities = authorities.map(Authority::from_cbor).collect::<Option<_>>()?;
        let sizes = fields.list(SIZES, 2)?.into_iter();
        let sizes = sizes.map(|size| size.into_integer().ok()?.try_into().ok());
        let [up, down] = sizes.collect::<Option<Vec<u64>>>()?.try_into().ok()?;
        let services = fields.optional_list(SERVICES, MAX_SERVICES)?;
        let services = services.into_iter().map(Service::from_cbor).collect::<Option<_>>()?;
        let issuers = Issuers::from_cbor(fields.optional_list(ISSUERS, MAX_ISSUERS)?)?;
        let prices = fields.take(PRICES).map_or(Some(Prices::default()), Prices::from_cbor)?;
        Some(Self {
            services: Services::new(services)?,
            issuers,
            prices,
            domain: Domain::new(&fields.text(DOMAIN)?).ok()?,
            serial: fields.unsigned(SERIAL)?,
            not_before: Timestamp::from_unix(fields.unsigned(NOT_BEFORE)?),
            not_after: Timestamp::from_unix(fields.unsigned(NOT_AFTER)?),
            operator: fields.text(OPERATOR).filter(|name| is_operator(name))?,
            keys: fields.bytes(KEYS)?,
            authorities: Authorities::new(authorities)?,
            sizes: (up, down),
        })
    }
}

/// Whether `name` can name an operator: 1 to 128 bytes that do not drive a terminal.
pub fn is_operator(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_OPERATOR && !name.chars().any(char::is_control)
}

impl Service {
    fn to_cbor(&self) -> Value {
        Value::Array(vec![self.name.as_str().into(), Value::Bytes(self.key.to_bytes().to_vec())])
    }

    fn from_cbor(value: Value) -> Option<Self> {
        let [name, key] = value.into_array().ok()?.try_into().ok()?;
        Some(Self {
            name: Domain::new(name.as_text()?).ok()?,
            key: VerifyingKey::from_bytes(&key.into_bytes().ok()?.try_into().ok()?).ok()?,
        })
    }
}

impl Authority {
    fn to_cbor(&self) -> Value {
        let namespaces = self.namespaces.iter().map(|namespace| namespace.to_string().into());
        Value::Array(vec![
            self.name.as_str().into(),
            Value::Bytes(self.key.to_bytes().to_vec()),
            Value::Array(namespaces.collect()),
        ])
    }

    fn from_cbor(value: Value) -> Option<Self> {
        let [name, key, namespaces] = value.into_array().ok()?.try_into().ok()?;
        let namespaces = namespaces.into_array().ok()?;
        if namespaces.len() > MAX_NAMESPACES {
            return None;
        }
        let namespaces = namespaces.iter().map(|text| text.as_text()?.parse().ok());
        Some(Self {
            name: Domain::new(name.as_text()?).ok()?,
            key: VerifyingKey::from_bytes(&key.into_bytes().ok()?.try_into().ok()?).ok()?,
            namespaces: namespaces.collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests;
