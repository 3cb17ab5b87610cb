//! A query, as it reaches the resolver. What is asked for can be asked for again in the one
//! canonical way, which reads the same.
#![no_main]

use discreet_protocol::identifier::Csi;
use discreet_protocol::query::{IdentifierRequest, Subject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = IdentifierRequest::decode(bytes) else { return };
    let Subject::Exact(csi) = &request.subject else { return };
    assert!(Csi::from_uri(&csi.uri()).is_ok_and(|again| again == *csi));
    let again = request.encode().unwrap();
    assert!(again.len() <= bytes.len(), "the canonical form is the shortest");
    assert!(IdentifierRequest::decode(&again).is_ok_and(|again| again == request));
});
