//! A page of an authority's feed, as resolvers pull it.
#![no_main]

use discreet_protocol::SigningKey;
use discreet_protocol::credential::Standing;
use discreet_protocol::feed::{MAX_PAGE, MAX_PAGE_BYTES, Page};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[8; 32]));

fuzz_target!(|bytes: &[u8]| {
    let Some(page) = Page::decode(bytes) else { return };
    assert!(bytes.len() <= MAX_PAGE_BYTES && page.statements.len() <= MAX_PAGE);
    assert!(Page::decode(&page.encode()).is_some_and(|again| again == page));
    for statement in &page.statements {
        assert!(Standing::open(statement, &STRANGER.verifying_key()).is_err());
    }
});
