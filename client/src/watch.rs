//! Watching one's own identifier: is what the directory serves what was published?
//!
//! A pure function; `discreet watch` looks and waits around it. It sees what a sender would see, and
//! only that: a directory that answers the owner otherwise than others is not caught, which is why
//! the look goes through another relay than the one that published.

use crate::answer::{Answer, FoundMapping, Notice};
use crate::error::{DirectoryError, Error};
use crate::identity::{Identity, Published};
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;

/// What an answer about one's own identifier shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What was published, or nothing where nothing is to be seen.
    Fine,
    /// Somebody else's key is attested for the identifier.
    ForeignKey {
        /// By whom.
        authority: String,
    },
    /// An older mapping than the published one, or one that was withdrawn.
    Rollback,
    /// What was published is not served.
    Disappeared,
    /// Under this identity's key, but not what this identity signed last.
    Changed,
    /// Something is served that no sender would accept.
    Refused(DirectoryError),
    /// Nothing arrived that could be judged.
    Unknown,
}

impl Finding {
    /// Whether the owner must be told.
    pub fn is_alarm(&self) -> bool {
        !matches!(self, Self::Fine | Self::Unknown)
    }

    /// A short name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::ForeignKey { .. } => "foreign_key",
            Self::Rollback => "rollback",
            Self::Disappeared => "disappeared",
            Self::Changed => "changed",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What happened, and what to do.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fine => f.write_str("what is served is what was published"),
            Self::ForeignKey { authority } => write!(
                f,
                "{authority} attests a key that is not this identity's: senders may reach somebody else. \
                 Unless the key is your own new one, ask that authority to revoke it"
            ),
            Self::Rollback => f.write_str(
                "an older mapping is served than this identity published, or one it withdrew. \
                 Publish again, and ask the discovery provider",
            ),
            Self::Disappeared => f.write_str(
                "what this identity published is not served: senders do not find you. \
                 Publish again, and ask the discovery provider if that does not help",
            ),
            Self::Changed => f.write_str(
                "a mapping is served that was signed with this identity's key, but not by this copy of it. \
                 After restoring a backup, run `discreet show --profile`; otherwise the key is stolen: \
                 have it revoked",
            ),
            Self::Refused(reason) => write!(
                f,
                "what is served about this identity does not verify, so senders refuse it: {reason}"
            ),
            Self::Unknown => f.write_str("nothing arrived that could be judged"),
        }
    }
}

/// Judges the answer to a lookup of `identity`'s own identifier under `tag` in `domain`.
pub fn judge(
    identity: &Identity,
    tag: &Tag,
    domain: &Domain,
    answer: &Result<Answer, Error>,
    now: Timestamp,
) -> Finding {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Error::Directory(DirectoryError::Rollback)) => return Finding::Rollback,
        Err(Error::Directory(DirectoryError::Status(_) | DirectoryError::Unsupported)) => {
            return Finding::Unknown;
        }
        Err(Error::Directory(reason)) => return Finding::Refused(*reason),
        Err(_) => return Finding::Unknown,
    };
    if let Some(foreign) = answer.mappings.iter().find(|found| found.holder != identity.holder()) {
        return Finding::ForeignKey { authority: foreign.authority.clone() };
    }
    // Where the tag is not served, its place is taken by `Default`.
    let found = answer.mappings.iter().find(|found| found.tag == *tag);
    let candidates: Vec<_> = identity.published(tag, domain).into_iter().collect();
    let candidates = [candidates, identity.attempts(tag, domain).iter().collect()].concat();
    match found {
        Some(found) => present(&candidates, found, now),
        None => absent(&candidates, answer, now),
    }
}

/// Something is served under the own key.
fn present(candidates: &[&Published], found: &FoundMapping, now: Timestamp) -> Finding {
    let is_it = |one: &&&Published| one.mapping.as_deref() == Some(&found.statement) && one.is_visible(now);
    if candidates.iter().any(|one| is_it(&one)) {
        return Finding::Fine;
    }
    let latest = candidates.iter().map(|one| one.serial).max().unwrap_or(0);
    if found.serial < latest { Finding::Rollback } else { Finding::Changed }
}

/// Nothing is served under the own key for this tag.
fn absent(candidates: &[&Published], answer: &Answer, now: Timestamp) -> Finding {
    if candidates.is_empty() || candidates.iter().any(|one| !one.is_visible(now)) {
        return Finding::Fine;
    }
    let refused = answer.notices.iter().find_map(|notice| match notice {
        Notice::Refused { reason } => Some(*reason),
        _ => None,
    });
    match refused {
        Some(DirectoryError::Rollback) => Finding::Rollback,
        Some(reason) => Finding::Refused(reason),
        None => Finding::Disappeared,
    }
}

#[cfg(test)]
mod tests;
