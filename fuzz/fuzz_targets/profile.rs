//! A profile, as apps get it from a provider: text in, two relays that differ or an error.
#![no_main]

use discreet_client::{Core, MemoryStorage, Profile, ProfileError, Timestamp};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Profile::from_toml(text) {
        Ok(profile) => {
            assert!(!profile.directory_key().is_weak());
            let core = Core::new(profile, Box::new(MemoryStorage::default()));
            let requests = core.policy_requests(NOW).unwrap();
            assert!(requests.len() == 2 && requests[0].url != requests[1].url);
            for request in &requests {
                let url: http::Uri = request.url.parse().unwrap();
                assert!(url.scheme_str() == Some("https") || is_loopback(url.host().unwrap()));
            }
        }
        // A parser's message goes to the terminal: one line, in the file that it is about.
        Err(ProfileError::Content { line, message }) => {
            assert!(line <= 1 + text.bytes().filter(|byte| *byte == b'\n').count());
            assert!(!message.contains('\n'));
        }
        Err(_) => {}
    }
});

fn is_loopback(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
