//! `application/ohttp-keys` (RFC 9458 §3). What is kept of a collection can be written, and reads
//! the same again; the key that would be used does not panic the client's OHTTP implementation,
//! whatever point it claims to be.
#![no_main]

use discreet_envelope::keys::KeyCollection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(collection) = KeyCollection::decode(bytes) else { return };
    assert_eq!(KeyCollection::decode(&collection.encode()).unwrap(), collection);
    let Some((config, suite)) = collection.first_supported() else { return };
    let single = config.to_single(suite);
    if let Ok(client) = ohttp::ClientRequest::from_encoded_config(&single) {
        let _ = client.encapsulate(b"question");
    }
});
