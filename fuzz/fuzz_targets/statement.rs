//! Signed statements of every type (DESIGN.md, section 4). The first byte chooses the type.
#![no_main]

use discreet_protocol::credential::{Credential, Revocation, Status};
use discreet_protocol::endorsement::Endorsement;
use discreet_protocol::enrolment::{Handover, KeyRequest};
use discreet_protocol::mapping::Mapping;
use discreet_protocol::withdrawal::Withdrawal;
use fuzz::statement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => drop(statement::<Credential>(bytes)),
        1 => drop(statement::<Status>(bytes)),
        2 => drop(statement::<Revocation>(bytes)),
        // A mapping and a withdrawal carry a credential, which is read before it is verified.
        3 => drop(statement::<Mapping>(bytes).map(|mapping| statement::<Credential>(&mapping.credential))),
        4 => drop(statement::<Withdrawal>(bytes).map(|said| statement::<Credential>(&said.credential))),
        5 => drop(statement::<Endorsement>(bytes)),
        6 => drop(
            statement::<KeyRequest>(bytes)
                .and_then(|said| said.handover)
                .map(|old| statement::<Handover>(&old)),
        ),
        _ => drop(statement::<Handover>(bytes)),
    }
});
