//! Which mappings a record takes in, and which it lets go, once the chain of each has been verified:
//! the rules of design §6, one function each.
//!
//! | module | rule |
//! |---|---|
//! | `revoked` | what its authority has revoked is not taken in |
//! | `withdrawn` | nor is what its holder has withdrawn |
//! | `beside` | mappings under different authorities stand side by side |
//! | `holders` | under one authority the later proof counts; ties refuse |
//! | `serials` | of one key and tag the higher serial counts |
//! | `tags` | a tag needs a `Default` beside it |
//! | `size` | a record fits into its row, each answer into its frame, and nobody shuts others out |
//! | `withdrawal` | what a withdrawal takes away, and the tombstone it leaves |
//! | `expiry` | what is void by its date goes with the next write, but does not let earlier ones back |

use crate::record::{Holdings, Listed, Signed, Standing};
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;

mod beside;
mod expiry;
mod holders;
mod revoked;
mod room;
mod serials;
mod size;
mod tags;
mod withdrawal;
mod withdrawn;

use beside::same_authority;
pub(crate) use room::make_room;
pub use size::MAX_ANSWER;
pub(crate) use withdrawal::{bury, few_tags, forget};
pub use withdrawal::{erase, withdraw};

/// What became of a mapping or a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The mapping is new.
    Added,
    /// It took the place of an earlier one.
    Replaced,
    /// It was there already.
    Unchanged,
    /// What was published is withdrawn.
    Withdrawn,
    /// A withdrawal that took nothing away, and says little more than an earlier one of the same key.
    Noted,
}

/// Why something was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The same key has published a higher serial for this tag.
    #[error("the directory holds a later mapping of this holder (higher serial)")]
    Superseded,
    /// The mapping's credential was proved earlier than that of the one it would replace.
    #[error("the directory holds a mapping of this holder under a later proof of the identifier")]
    OlderCredential,
    /// The same key has published another mapping under the same serial.
    #[error("the directory holds another mapping of this holder with the same serial")]
    SameSerial,
    /// Another key has proved control of the identifier later, or at the same moment.
    #[error("another key has proved the identifier later than this one, or at the same time")]
    LaterHolder,
    /// The same key has withdrawn it.
    #[error("the holder has withdrawn this mapping; publish again with a higher serial")]
    Withdrawn,
    /// The authority has revoked the credential.
    #[error("the authority has revoked the credential; get a new one and publish again")]
    Revoked,
    /// A tag without `Default`.
    #[error("a mapping for another tag needs one for Default first")]
    NoDefault,
    /// `Default` withdrawn while other tags stand.
    #[error("the mapping for Default cannot go while others stand; withdraw those first, or all at once")]
    DefaultNeeded,
    /// A withdrawal of one tag that takes nothing away, and there are enough of them.
    #[error(
        "nothing stands under this tag, and no more withdrawals of single tags are kept; withdraw all tags instead"
    )]
    WithdrawAll,
    /// The record or an answer would exceed its size.
    #[error("the mappings of this identifier would not fit into one answer")]
    TooLarge,
}

/// Takes `new` into what is held, or says why not; then all is as before. `standing`: the latest word
/// kept about its credential.
pub fn admit(
    held: &mut Holdings,
    new: &Signed,
    standing: Option<&Standing>,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    revoked::check(standing)?;
    if held.entries.iter().any(|entry| entry.statement == new.statement) {
        return Ok(Admitted::Unchanged);
    }
    let mut changed = held.clone();
    // First, so that nothing depends on whether somebody has written since it expired.
    expiry::tidy(&mut changed, now);
    withdrawn::check(&changed.tombstones, new)?;
    holders::check(&changed, new)?;
    serials::check(&changed, new)?;
    let before = changed.entries.len();
    changed.entries.retain(|entry| !serials::gives_way(entry, new) && !holders::gives_way(entry, new));
    let replaced = changed.entries.len() < before;
    changed.entries.push(new.clone());
    holders::succeed(&mut changed, new);
    tags::check(&changed, new)?;
    size::check(&mut changed)?;
    *held = changed;
    Ok(if replaced { Admitted::Replaced } else { Admitted::Added })
}

/// What a sender gets who asks for `tag`, by authority: the mapping for that tag, and the one for
/// `Default`, to be taken if the first is void or not there.
pub fn choices<'a>(entries: impl Iterator<Item = Listed<'a>>, tag: &Tag) -> Vec<[Option<Listed<'a>>; 2]> {
    let default_tag = Tag::default_tag();
    let mut authorities: Vec<&str> = Vec::new();
    let mut choices: Vec<[Option<Listed<'a>>; 2]> = Vec::new();
    for entry in entries {
        let known = authorities.iter().position(|authority| *authority == entry.authority);
        let at = known.unwrap_or_else(|| {
            authorities.push(entry.authority);
            choices.push([None, None]);
            choices.len() - 1
        });
        if let Some([asked, default]) = choices.get_mut(at) {
            if entry.tag == tag.as_str() {
                *asked = Some(entry);
            } else if entry.tag == default_tag.as_str() {
                *default = Some(entry);
            }
        }
    }
    choices
}

#[cfg(test)]
mod tests;
