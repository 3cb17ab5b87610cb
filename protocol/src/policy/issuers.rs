//! Whose tokens a discovery provider takes, and what an operation costs.
//!
//! All of it is the data owner's decision, the same for everybody, and signed: an issuer can neither add a
//! key for one user, nor a gateway ask one client for more than the others.

use crate::identifier::Domain;
use crate::time::Timestamp;
use crate::token::{KeyId, MAX_PRICE, TokenKey};
use ciborium::Value;

/// Most issuers a policy may name.
pub const MAX_ISSUERS: usize = 64;
/// Most keys one issuer may have at once; each takes some 360 bytes of the policy.
pub const MAX_TOKEN_KEYS: usize = 4;
/// The shortest life of an issuer's key in seconds, 7 days: the users who share it are an anonymity set.
pub const MIN_KEY_LIFE: u64 = 7 * crate::time::DAY;

/// An issuer of lookup tokens, and how far it is trusted with the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its name, as challenges carry it (RFC 9577 §2.1).
    pub name: Domain,
    /// Tokens of this issuer that are taken per day (UTC); over it: 429.
    pub redemptions_per_day: u64,
    /// Answers `notFound` that its users may get per day (UTC); over it: 429 for all they ask.
    pub not_found_per_day: u64,
    /// Its keys, all users the same.
    pub keys: Vec<Epoch>,
}

/// A key of an issuer, and when its tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The key.
    pub key: TokenKey,
    /// Tokens under it are taken from then on.
    pub from: Timestamp,
    /// And no longer than to here. At least [`MIN_KEY_LIFE`] later.
    pub until: Timestamp,
}

impl Epoch {
    /// Whether tokens under this key are taken at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// The issuers whose tokens count; without one, nothing can be paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers(Vec<Issuer>);

/// Why issuers cannot stand in one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// More than [`MAX_ISSUERS`].
    #[error("are too many; a policy names at most {MAX_ISSUERS}")]
    TooMany,
    /// Two have one name.
    #[error("has a name that stands twice")]
    SameName,
    /// An issuer has no key, or more than [`MAX_TOKEN_KEYS`].
    #[error("has no key, or more than {MAX_TOKEN_KEYS}")]
    Keys,
    /// A key's time is shorter than [`MIN_KEY_LIFE`].
    #[error("has a key that lives for less than 7 days")]
    ShortLife,
    /// Two keys, of one issuer or two, are the same.
    #[error("has a key that stands twice")]
    SameKey,
    /// Two keys of an issuer cannot be told apart in a token request, which names them by one byte.
    #[error("has two keys with the same truncated id; make another")]
    SameTruncatedId,
}

impl Issuers {
    /// The given issuers.
    ///
    /// # Errors
    ///
    /// When names or keys repeat, or keys are too many or live too short.
    pub fn new(list: Vec<Issuer>) -> Result<Self, IssuersError> {
        if list.len() > MAX_ISSUERS {
            return Err(IssuersError::TooMany);
        }
        list.iter().try_for_each(check)?;
        if repeats(list.iter().map(|issuer| &issuer.name)) {
            return Err(IssuersError::SameName);
        }
        if repeats(list.iter().flat_map(|issuer| &issuer.keys).map(|epoch| epoch.key.id())) {
            return Err(IssuersError::SameKey);
        }
        Ok(Self(list))
    }

    /// The issuers, in the policy's order.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The issuer `name`.
    pub fn named(&self, name: &Domain) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.name == *name)
    }

    /// Whose key is `id`, and the key with its time.
    pub fn of_key(&self, id: &KeyId) -> Option<(&Issuer, &Epoch)> {
        self.0.iter().find_map(|issuer| Some((issuer, issuer.keys.iter().find(|e| e.key.id() == id)?)))
    }

    pub(super) fn to_cbor(&self) -> Value {
        Value::Array(self.0.iter().map(Issuer::to_cbor).collect())
    }

    pub(super) fn from_cbor(list: Vec<Value>) -> Option<Self> {
        Self::new(list.into_iter().map(Issuer::from_cbor).collect::<Option<_>>()?).ok()
    }
}

fn check(issuer: &Issuer) -> Result<(), IssuersError> {
    if !(1..=MAX_TOKEN_KEYS).contains(&issuer.keys.len()) {
        return Err(IssuersError::Keys);
    }
    if issuer.keys.iter().any(|epoch| epoch.until < epoch.from.plus(MIN_KEY_LIFE)) {
        return Err(IssuersError::ShortLife);
    }
    if repeats(issuer.keys.iter().map(|epoch| epoch.key.truncated_id())) {
        return Err(IssuersError::SameTruncatedId);
    }
    Ok(())
}

fn repeats<T: Ord>(values: impl Iterator<Item = T>) -> bool {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.windows(2).any(|pair| matches!(pair, [one, next] if one == next))
}

impl Issuer {
    fn to_cbor(&self) -> Value {
        Value::Array(vec![
            self.name.as_str().into(),
            self.redemptions_per_day.into(),
            self.not_found_per_day.into(),
            Value::Array(self.keys.iter().map(Epoch::to_cbor).collect()),
        ])
    }

    fn from_cbor(value: Value) -> Option<Self> {
        let [name, redemptions, not_found, keys] = value.into_array().ok()?.try_into().ok()?;
        let keys = keys.into_array().ok().filter(|keys| keys.len() <= MAX_TOKEN_KEYS)?;
        Some(Self {
            name: Domain::new(name.as_text()?).ok()?,
            redemptions_per_day: redemptions.into_integer().ok()?.try_into().ok()?,
            not_found_per_day: not_found.into_integer().ok()?.try_into().ok()?,
            keys: keys.into_iter().map(Epoch::from_cbor).collect::<Option<_>>()?,
        })
    }
}

impl Epoch {
    fn to_cbor(&self) -> Value {
        let key = Value::Bytes(self.key.to_spki());
        Value::Array(vec![key, self.from.unix().into(), self.until.unix().into()])
    }

    fn from_cbor(value: Value) -> Option<Self> {
        let [key, from, until] = value.into_array().ok()?.try_into().ok()?;
        let time = |value: Value| Some(Timestamp::from_unix(value.into_integer().ok()?.try_into().ok()?));
        let key = TokenKey::from_spki(&key.into_bytes().ok()?).ok()?;
        Some(Self { key, from: time(from)?, until: time(until)? })
    }
}

/// How many tokens an operation costs; 0: it is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// A lookup, whatever its outcome.
    pub lookup: u8,
    /// Publishing a mapping.
    pub publish: u8,
    /// Withdrawing.
    pub withdraw: u8,
}

impl Prices {
    /// The given prices; `None` if one is over [`MAX_PRICE`].
    pub fn new(lookup: u8, publish: u8, withdraw: u8) -> Option<Self> {
        let affordable = [lookup, publish, withdraw].iter().all(|price| *price <= MAX_PRICE);
        affordable.then_some(Self { lookup, publish, withdraw })
    }

    pub(super) fn to_cbor(self) -> Value {
        Value::Array(vec![self.lookup.into(), self.publish.into(), self.withdraw.into()])
    }

    /// All free has one encoding: none.
    pub(super) fn from_cbor(value: Value) -> Option<Self> {
        let prices = value.into_array().ok()?.into_iter();
        let prices = prices.map(|price| price.into_integer().ok()?.try_into().ok());
        let [lookup, publish, withdraw] = prices.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
        Self::new(lookup, publish, withdraw).filter(|prices| *prices != Self::default())
    }
}

#[cfg(test)]
mod tests;
