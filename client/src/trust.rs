//! What a client remembers, so that it can tell when it is shown something older: the highest
//! policy serial, the terms that two relays agreed on, and for each identifier and authority the latest holder
//! and serials.

use crate::answer::Notice;
use crate::error::{DirectoryError, Error, PolicyError};
use crate::storage::{Storage, StorageError};
use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::open;
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verified;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Refuses a policy with a lower serial than the highest seen under the same directory key, and remembers
/// the highest. A new key begins anew: who has stolen the old one may have signed the highest serial there
/// is, and must not so shut out the key that takes its place.
pub(crate) fn check_policy(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    policy: &Policy,
    relay: &str,
) -> Result<(), Error> {
    let key = provider(directory_key, &policy.domain);
    let seen: Option<u64> = load(storage, &key)?;
    match seen {
        Some(highest) if policy.serial < highest => {
            Err(Error::Policy { relay: relay.to_owned(), error: PolicyError::Rollback })
        }
        Some(highest) if policy.serial == highest => Ok(()),
        _ => Ok(save(storage, &key, &policy.serial)?),
    }
}

/// Which policy of a provider is kept, as it was signed.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// The latest that has passed: for answers that are used when no relay is asked.
    Latest,
    /// The latest whose terms two relays have handed out alike.
    Confirmed,
}

impl Kept {
    /// What its name ends with.
    fn suffix(self) -> &'static str {
        match self {
            Self::Latest => ".signed",
            Self::Confirmed => ".agreed",
        }
    }
}

/// Keeps a policy.
pub(crate) fn keep_policy(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    policy: &Policy,
    signed: &[u8],
    kept: Kept,
) -> Result<(), StorageError> {
    let key = provider(directory_key, &policy.domain) + kept.suffix();
    if storage.load(&key)?.as_deref() == Some(signed) { Ok(()) } else { storage.store(&key, signed) }
}

/// The policy that [`keep_policy`] kept; nothing if it is none that this key has signed.
pub(crate) fn kept_policy(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    domain: &Domain,
    kept: Kept,
) -> Result<Option<Policy>, StorageError> {
    let signed = storage.load(&(provider(directory_key, domain) + kept.suffix()))?;
    let policy = signed.and_then(|signed| open::<Policy>(&signed, directory_key).ok());
    Ok(policy.filter(|policy| policy.domain == *domain))
}

/// Since when relays have handed out other terms than the confirmed ones.
pub(crate) fn apart_since(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    domain: &Domain,
) -> Result<Option<Timestamp>, StorageError> {
    let since: Option<Option<u64>> = load(storage, &(provider(directory_key, domain) + APART))?;
    Ok(since.flatten().map(Timestamp::from_unix))
}

/// Remembers that; `None`: they do not.
pub(crate) fn keep_apart_since(
    storage: &dyn Storage,
    directory_key: &VerifyingKey,
    domain: &Domain,
    since: Option<Timestamp>,
) -> Result<(), StorageError> {
    if apart_since(storage, directory_key, domain)? == since {
        return Ok(());
    }
    let key = provider(directory_key, domain) + APART;
    save(storage, &key, &since.map(|since| since.unix()))
}

const APART: &str = ".apart";

/// Where it is remembered what one provider's policy was.
fn provider(directory_key: &VerifyingKey, domain: &Domain) -> String {
    let provider = Sha256::new()
        .chain_update(domain.as_str())
        .chain_update([0])
        .chain_update(directory_key.to_bytes())
        .finalize();
    format!("policy.{}", hex::encode(provider))
}

/// The latest that was seen of one identifier under one authority.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    holder: String,
    holder_since: u64,
    proved_at: u64,
    /// By tag, the latest mapping of this holder's key: when its credential was proved, its serial.
    serials: BTreeMap<String, (u64, u64)>,
}

/// A verified mapping held against what was seen before: nothing is remembered yet.
pub(crate) struct Judged {
    key: String,
    seen: Seen,
    pub(crate) notice: Option<Notice>,
}

/// Refuses a mapping older than one seen before, and notices when the holder changed.
pub(crate) fn judge(storage: &dyn Storage, domain: &Domain, verified: &Verified) -> Result<Judged, Error> {
    let (credential, mapping) = (&verified.credential, &verified.mapping);
    let key = key(domain, verified);
    let holder = hex::encode(credential.holder.to_bytes());
    let proved_at = credential.proved_at.unix();
    let holder_since = credential.holder_since.unix();
    let fresh = Seen { holder, holder_since, proved_at, serials: BTreeMap::new() };
    let (mut seen, notice) = match load::<Seen>(storage, &key)? {
        None => (fresh, None),
        // One key: each tag counts by itself. A mapping for one may well carry an older credential
        // than what was seen for another.
        Some(before) if before.holder == fresh.holder => {
            let proved_at = proved_at.max(before.proved_at);
            (Seen { proved_at, serials: before.serials, ..fresh }, None)
        }
        Some(before) => {
            if proved_at <= before.proved_at {
                return Err(DirectoryError::Rollback.into());
            }
            let authority = credential.authority.to_string();
            let same_person = holder_since == before.holder_since;
            let notice =
                if same_person { Notice::NewKey { authority } } else { Notice::NewHolder { authority } };
            (fresh, Some(notice))
        }
    };
    let this = (proved_at, mapping.serial);
    let latest = seen.serials.entry(mapping.tag.as_str().to_owned()).or_insert(this);
    if this.0 < latest.0 || this.1 < latest.1 {
        return Err(DirectoryError::Rollback.into());
    }
    *latest = this;
    Ok(Judged { key, seen, notice })
}

/// Remembers what was judged.
pub(crate) fn remember(storage: &dyn Storage, judged: &Judged) -> Result<(), Error> {
    Ok(save(storage, &judged.key, &judged.seen)?)
}

/// A short name that any storage can hold. It hides nothing from whoever can try out all numbers.
fn key(domain: &Domain, verified: &Verified) -> String {
    let authority = verified.credential.authority.as_str();
    let uri = verified.mapping.csi.uri();
    let digest = Sha256::new()
        .chain_update(domain.as_str())
        .chain_update([0])
        .chain_update(authority)
        .chain_update([0])
        .chain_update(uri)
        .finalize();
    format!("seen.{}", hex::encode(digest))
}

fn load<T: for<'a> Deserialize<'a>>(storage: &dyn Storage, key: &str) -> Result<Option<T>, StorageError> {
    let Some(bytes) = storage.load(key)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|_| StorageError::Damaged { key: key.to_owned() })
}

fn save<T: Serialize>(storage: &dyn Storage, key: &str, value: &T) -> Result<(), StorageError> {
    let damaged = |_| StorageError::Damaged { key: key.to_owned() };
    storage.store(key, &serde_json::to_vec(value).map_err(damaged)?)
}
