//! From the copies of the policy that two relays hand out to the one key a lookup is sealed with.

use crate::error::{Error, PolicyError};
use crate::profile::{Profile, Relay, same_operator};
use crate::storage::{Storage, StorageError};
use crate::trust;
use discreet_envelope::keys::{Kem, KeyCollection};
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::open;
use discreet_protocol::time::Timestamp;

/// How long a policy is used at most before it is fetched anew: one hour, in seconds.
const SESSION_LIFETIME: u64 = 3600;

/// A key the relays agree on, and the rules it came with.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) policy: Policy,
    /// One key configuration with one suite (RFC 9458 §3.1).
    pub(crate) key: Vec<u8>,
    pub(crate) kem: Kem,
    /// From then on the policy is to be fetched anew.
    pub(crate) refresh_at: Timestamp,
}

/// A policy as a relay handed it out.
pub(crate) struct Copy<'a> {
    pub(crate) relay: &'a Relay,
    pub(crate) bytes: &'a [u8],
}

/// Verifies both copies and takes the rules of the later one. Lookups are sealed with its first key
/// that the other copy has, too, byte for byte, and that this client supports: everybody with the
/// same two copies uses the same key, whichever relay was asked first.
///
/// An honest rotation leaves a key in common; a gateway that shows one client a key of its own
/// would have to show it to both relays.
pub(crate) fn agree(
    profile: &Profile,
    copies: &[Copy<'_>; 2],
    storage: &dyn Storage,
    now: Timestamp,
) -> Result<Session, Error> {
    let [first, second] = copies;
    let (one, other) = (verify(profile, first, now)?, verify(profile, second, now)?);
    // The same serial twice, saying different things, is equivocation.
    if one.serial == other.serial && first.bytes != second.bytes {
        return Err(Error::RelaysDisagree);
    }
    // The later copy counts: while the policy changes, one relay's may honestly lag behind. It still
    // has a say in the key, and an older copy alone never passes.
    let ((latest, its_copy), (older, older_copy)) = if other.serial > one.serial {
        ((&other, second), (&one, first))
    } else {
        ((&one, first), (&other, second))
    };
    trust::check_policy(storage, &profile.directory_key, latest, &its_copy.relay.host())?;
    trust::keep_policy(storage, &profile.directory_key, latest, its_copy.bytes)?;
    let (keys, others) = (collection(its_copy, latest)?, collection(older_copy, older)?);
    let common = |key: &&_| others.configs().contains(key);
    if !keys.configs().is_empty() && !keys.configs().iter().any(|key| common(&key)) {
        return Err(Error::RelaysDisagree);
    }
    let common: Vec<_> = keys.configs().iter().filter(common).cloned().collect();
    let common = KeyCollection::new(common).map_err(|_| Error::NoSupportedKey)?;
    let (config, suite) = common.first_supported().ok_or(Error::NoSupportedKey)?;
    let policy = latest.clone();
    Ok(Session {
        key: config.to_single(suite),
        kem: config.kem(),
        refresh_at: now.plus(SESSION_LIFETIME).min(policy.not_after),
        policy,
    })
}

/// The policy that was seen last, while it is valid: good for judging answers that are there already, not
/// for asking, since nobody says that its key is still everybody's.
pub(crate) fn recall(
    profile: &Profile,
    storage: &dyn Storage,
    now: Timestamp,
) -> Result<Option<Policy>, StorageError> {
    let kept = trust::kept_policy(storage, &profile.directory_key, &profile.domain)?;
    let policy = kept.and_then(|bytes| open::<Policy>(&bytes, &profile.directory_key).ok());
    let stands = |policy: &Policy| policy.domain == profile.domain && policy.check_validity(now).is_ok();
    Ok(policy.filter(stands))
}

/// Whether a copy is good by itself: whatever the other copies say.
#[cfg(feature = "transport")]
pub(crate) fn check(profile: &Profile, copy: &Copy<'_>, now: Timestamp) -> Result<(), Error> {
    let policy = verify(profile, copy, now)?;
    collection(copy, &policy).map(drop)
}

fn verify(profile: &Profile, copy: &Copy<'_>, now: Timestamp) -> Result<Policy, Error> {
    let relay = || copy.relay.host();
    let refuse = |error: PolicyError| Error::Policy { relay: relay(), error };
    let policy = open::<Policy>(copy.bytes, &profile.directory_key).map_err(|error| refuse(error.into()))?;
    if policy.domain != profile.domain {
        return Err(refuse(PolicyError::Domain));
    }
    policy.check_validity(now).map_err(|error| refuse(error.into()))?;
    if policy.sizes != (REQUEST_CONTENT as u64, RESPONSE_CONTENT as u64) {
        return Err(refuse(PolicyError::Sizes));
    }
    // Design §2: relay and discovery provider must not be the same people.
    if let Some(relay) = profile.relays.iter().find(|relay| same_operator(&relay.operator, &policy.operator))
    {
        return Err(Error::RelayOfProvider { relay: relay.host() });
    }
    Ok(policy)
}

fn collection(copy: &Copy<'_>, policy: &Policy) -> Result<KeyCollection, Error> {
    KeyCollection::decode(&policy.keys)
        .map_err(|error| Error::Policy { relay: copy.relay.host(), error: error.into() })
}

#[cfg(test)]
mod tests;
