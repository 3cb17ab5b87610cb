//! Watching one's own identifier: is what the directory serves what was published?
//!
//! A pure function; `discreet watch` looks and waits around it. It sees what a sender would see, and
//! only that: a directory that answers the owner otherwise than others is not caught, which is why
//! the look goes through another relay than the one that published.

use crate::answer::{Answer, FoundMapping, Notice};
use crate::error::{DirectoryError, Error, RelayError};
use crate::identity::{Identity, Published};
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use std::collections::BTreeMap;

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
    /// Nothing has, [`MAX_UNANSWERED`] times in a row, though the policy did.
    Unanswered,
}

/// Looks at one tag in a row that may go unanswered before that is an alarm.
pub const MAX_UNANSWERED: u32 = 5;

/// Counts looks that went unanswered. A directory that answers nobody about one identifier hides it as
/// well as one that serves nothing for it; one look may fail for any reason, many are no accident.
#[derive(Clone, Debug, Default)]
pub struct Unanswered(BTreeMap<Tag, u32>);

impl Unanswered {
    /// The finding of a look at `tag`, or the alarm if too many before were unknown, too. `error` is why
    /// nothing arrived: if no relay could be reached, or it was the policy that did not arrive, that
    /// is no sign of the directory and does not count.
    pub fn count(&mut self, tag: &Tag, finding: Finding, error: Option<&Error>) -> Finding {
        if finding != Finding::Unknown {
            self.0.remove(tag);
            return finding;
        }
        if !error.is_some_and(is_the_directorys) {
            return finding;
        }
        let count = self.0.entry(tag.clone()).or_default();
        *count += 1;
        if *count < MAX_UNANSWERED { Finding::Unknown } else { Finding::Unanswered }
    }
}

/// Whether a directory could have caused it: everything behind a relay that was reached.
fn is_the_directorys(error: &Error) -> bool {
    match error {
        Error::Relay { error, .. } => !matches!(error, RelayError::Unreachable | RelayError::Untrusted),
        Error::Gateway(_) | Error::Directory(_) => true,
        _ => false,
    }
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
            Self::Unanswered => "unanswered",
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
            Self::Unanswered => write!(
                f,
                "{MAX_UNANSWERED} looks in a row went unanswered, though the provider's policy arrived: \
                 senders may not find you. Look somebody else up; if that works, ask the discovery provider"
            ),
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
