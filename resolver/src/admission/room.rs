//! Room for tombstones that must be kept: those of the journal, and those an operator imports.

use super::size;
use crate::record::{Holdings, Tombstone};

/// Makes the record fit into its row, whatever tombstones it holds: without their evidence; if that is
/// not enough, with one for each authority, under the key that proved the identifier last; and if even
/// that is not enough, without those that end first. The one for each authority says more than those
/// it stands for: mappings of other tags may go with it, and their holder may publish them again.
pub(crate) fn make_room(held: &mut Holdings) {
    if size::squeeze(held) {
        return;
    }
    collapse(held);
    while !held.fits() {
        let ends = held.tombstones.iter().enumerate().min_by_key(|(_, stone)| stone.until);
        let Some((first, _)) = ends else { return };
        held.tombstones.remove(first);
    }
}

fn collapse(held: &mut Holdings) {
    let mut kept: Vec<Tombstone> = Vec::new();
    for stone in held.tombstones.drain(..) {
        let Some(one) = kept.iter_mut().find(|one| one.authority == stone.authority) else {
            kept.push(Tombstone { tag: None, ..stone });
            continue;
        };
        let until = one.until.max(stone.until);
        if one.holder == stone.holder {
            one.serial = one.serial.max(stone.serial);
            one.proved_at = one.proved_at.max(stone.proved_at);
        } else if one.proved_at < stone.proved_at {
            *one = Tombstone { tag: None, ..stone };
        }
        one.until = until;
    }
    held.entries.retain(|entry| !kept.iter().any(|stone| stone.voids(entry)));
    held.tombstones = kept;
}
