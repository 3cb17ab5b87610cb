//! A relay's unsealed answers as the client reads them: problem documents (RFC 9457), and whatever
//! else comes instead of a policy. The first byte chooses status and content type.
#![no_main]

use discreet_client::{Core, Error, MemoryStorage, Profile, RelayError, RelayResponse, Timestamp};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);
// The key is that of RFC 8032 §7.1, test 1.
const PROFILE: &str = r#"
domain = "dp.example"
directory_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
[[relays]]
url = "https://one.example/dp"
operator = "One Ltd"
[[relays]]
url = "https://two.example/dp"
operator = "Two Ltd"
"#;
const TYPES: [&str; 4] = [
    "application/problem+json",
    "application/cose; cose-type=\"cose-sign1\"",
    "message/ohttp-res",
    "text/html",
];

static PROFILE_READ: LazyLock<Profile> = LazyLock::new(|| Profile::from_toml(PROFILE).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, body)) = bytes.split_first() else { return };
    let core = Core::new(PROFILE_READ.clone(), Box::new(MemoryStorage::default()));
    let status = if choice & 4 == 0 { 400 + u16::from(choice >> 3) } else { 200 };
    let content_type = TYPES.get(usize::from(choice & 3)).map(|name| (*name).to_owned());
    let response = RelayResponse { status, content_type, body: body.to_vec() };
    let requests = core.policy_requests(NOW).unwrap();
    let fetched: Vec<_> = requests.into_iter().map(|request| (request, response.clone())).collect();
    match core.accept_policies(&fetched, NOW) {
        Ok(()) => assert!(core.policy(NOW).is_some()),
        Err(Error::Relay { error: RelayError::Status { title: Some(title), .. }, .. }) => {
            assert!(title.len() <= 120);
            assert!(title.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }
        Err(_) => assert!(core.policy(NOW).is_none()),
    }
});
