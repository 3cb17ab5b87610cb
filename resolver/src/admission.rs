//! Which mappings a record takes in, and which it lets go, once the chain of each has been verified:
//! the rules of design §6, one function each.
//!
//! | module | rule |
//! |---|---|
//! | `revoked` | what its authority has revoked is not taken in |
//! | `withdrawn` | nor is what its holder has withdrawn |
//! | `holders` | under one authority the later proof counts; ties refuse; other authorities stand beside |
//! | `serials` | of one key and tag the higher serial counts |
//! | `tags` | a tag needs a `Default` beside it |
//! | `size` | a record fits into its row, and each answer into its frame |
//! | `withdrawal` | what a withdrawal takes away, and the tombstone it leaves |

use crate::record::{Entry, Holdings, Record, Signed, Standing};
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;

mod holders;
mod revoked;
mod serials;
mod size;
mod tags;
mod withdrawal;
mod withdrawn;

pub use size::MAX_ANSWER;
pub(crate) use withdrawal::bury;
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
    withdrawn::check(&held.tombstones, new)?;
    holders::check(held, new)?;
    serials::check(held, new)?;
    let mut changed = held.clone();
    drop_expired(&mut changed, now);
    let before = changed.entries.len();
    changed.entries.retain(|entry| !serials::gives_way(entry, new) && !holders::gives_way(entry, new));
    let replaced = changed.entries.len() < before;
    changed.entries.push(new.clone());
    tags::check(&changed, new)?;
    size::check(&mut changed)?;
    *held = changed;
    Ok(if replaced { Admitted::Replaced } else { Admitted::Added })
}

/// What a sender gets who asks for `tag`, by authority: the mapping for that tag, and the one for
/// `Default`, to be taken if the first is void or not there.
pub fn choices<'a>(record: &'a Record, tag: &Tag) -> Vec<[Option<&'a Entry>; 2]> {
    let mut authorities: Vec<&Domain> = Vec::new();
    let mut choices: Vec<[Option<&Entry>; 2]> = Vec::new();
    for entry in &record.entries {
        if !authorities.contains(&&entry.authority) {
            authorities.push(&entry.authority);
            choices.push([None, None]);
        }
        let at = authorities.iter().position(|authority| **authority == entry.authority);
        if let Some([asked, default]) = at.and_then(|at| choices.get_mut(at)) {
            if entry.tag == *tag {
                *asked = Some(entry);
            } else if entry.tag.is_default() {
                *default = Some(entry);
            }
        }
    }
    choices
}

/// Whoever writes a record tidies it up.
fn drop_expired(held: &mut Holdings, now: Timestamp) {
    held.entries.retain(|entry| now < entry.void_from());
    held.tombstones.retain(|tombstone| now < tombstone.until);
}

fn same_authority(one: &Signed, other: &Signed) -> bool {
    one.credential.authority == other.credential.authority
}

#[cfg(test)]
mod tests;
