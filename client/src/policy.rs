//! From the copies of the policy that two relays hand out to the one key a lookup is sealed with.

use crate::error::{Error, PolicyError};
use crate::profile::{Profile, Relay, same_operator};
use crate::storage::{Storage, StorageError};
use crate::trust::{self, Kept};
use discreet_envelope::keys::{Kem, KeyCollection};
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::open;
use discreet_protocol::time::Timestamp;

mod terms;

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

/// Verifies both copies and takes the rules of the later one, under terms that both relays have vouched for.
/// Lookups are sealed with the first key of these terms that this client supports, and only if it stands in
/// both copies, byte for byte.
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
    // has a say in the terms, and an older copy alone never passes.
    let ((latest, its_copy), (older, older_copy)) = if other.serial > one.serial {
        ((other, second), (one, first))
    } else {
        ((one, first), (other, second))
    };
    see(profile, storage, &latest, its_copy)?;
    let (keys, others) = (collection(its_copy, &latest)?, collection(older_copy, &older)?);
    let policy = terms::settle(storage, &profile.directory_key, (latest, its_copy.bytes), &older, now)?;
    let settled = collection(its_copy, &policy)?;
    let is_in_both = |key| keys.configs().contains(key) && others.configs().contains(key);
    if settled.first_supported().is_some_and(|(key, _)| !is_in_both(key)) {
        return Err(Error::RelaysDisagree);
    }
    session(policy, &settled, now)
}

/// The rules and the key of one copy, for questions about nobody: nobody has vouched for its terms.
#[cfg(feature = "transport")]
pub(crate) fn alone(
    profile: &Profile,
    copy: &Copy<'_>,
    storage: &dyn Storage,
    now: Timestamp,
) -> Result<Session, Error> {
    let policy = verify(profile, copy, now)?;
    see(profile, storage, &policy, copy)?;
    let keys = collection(copy, &policy)?;
    session(policy, &keys, now)
}

fn session(policy: Policy, keys: &KeyCollection, now: Timestamp) -> Result<Session, Error> {
    let (config, suite) = keys.first_supported().ok_or(Error::NoSupportedKey)?;
    Ok(Session {
        key: config.to_single(suite),
        kem: config.kem(),
        refresh_at: now.plus(SESSION_LIFETIME).min(policy.not_after),
        policy,
    })
}

/// Refuses it if a later one was seen, and remembers it.
fn see(profile: &Profile, storage: &dyn Storage, policy: &Policy, copy: &Copy<'_>) -> Result<(), Error> {
    trust::check_policy(storage, &profile.directory_key, policy, &copy.relay.host())?;
    Ok(trust::keep_policy(storage, &profile.directory_key, policy, copy.bytes, Kept::Latest)?)
}

/// The policy that was seen last, while it is valid: good for judging answers that are there already, not
/// for asking, since nobody says that its key is still everybody's.
pub(crate) fn recall(
    profile: &Profile,
    storage: &dyn Storage,
    now: Timestamp,
) -> Result<Option<Policy>, StorageError> {
    let kept = trust::kept_policy(storage, &profile.directory_key, &profile.domain, Kept::Latest)?;
    Ok(kept.filter(|policy| policy.check_validity(now).is_ok()))
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
