//! Mappings under different authorities stand side by side: nobody displaces anybody else's.

use crate::record::Signed;

/// Whether a rule may weigh one against the other. Date, key and serial of a mapping count for nothing
/// under another authority than its own; only room is shared (`size`).
pub(super) fn same_authority(one: &Signed, other: &Signed) -> bool {
    one.credential.authority == other.credential.authority
}
