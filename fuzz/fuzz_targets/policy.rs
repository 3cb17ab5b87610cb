//! A signed policy, its key collection and its namespaces, as the client reads them.
#![no_main]

use discreet_envelope::keys::KeyCollection;
use discreet_protocol::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(policy) = fuzz::statement::<Policy>(bytes) else { return };
    let _ = KeyCollection::decode(&policy.keys);
    for authority in policy.authorities.iter() {
        for namespace in &authority.namespaces {
            assert!(namespace.to_string().parse().is_ok_and(|again| *namespace == again));
        }
    }
});
