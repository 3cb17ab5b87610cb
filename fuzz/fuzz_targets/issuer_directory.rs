//! An issuer's directory as the client reads it (RFC 9578 §4). The first byte chooses status and content type.
//!
//! Whatever it says, tokens are requested from the issuer of the profile, under the key of the policy.
#![no_main]

use discreet_client::{Core, Error, IssuerResponse, MemoryStorage, Profile, RelayResponse, Timestamp};
use discreet_protocol::SigningKey;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Authorities, Epoch, Issuer, Issuers, MEDIA_TYPE, Policy, Prices, Services};
use discreet_protocol::statement::sign;
use discreet_protocol::time::DAY;
use discreet_protocol::token::{TokenKey, TokenRequest};
use fuzz::{RING, VECTOR};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);
const RELAYS: &str = r#"
[issuer]
name = "issuer.example"
[[relays]]
url = "https://one.example/dp"
operator = "One Ltd"
[[relays]]
url = "https://two.example/dp"
operator = "Two Ltd"
"#;
const TYPES: [&str; 2] = ["application/private-token-issuer-directory", "application/json"];

static KEY: LazyLock<TokenKey> =
    LazyLock::new(|| TokenKey::from_spki(&hex::decode(VECTOR["pkS"].as_str().unwrap()).unwrap()).unwrap());

/// A client that has a policy, which names the issuer and its key.
static CORE: LazyLock<Core> = LazyLock::new(|| {
    let directory_key = SigningKey::from_bytes(&[3; 32]);
    let hex = hex::encode(directory_key.verifying_key().to_bytes());
    let profile = format!("domain = \"dp.example\"\ndirectory_key = \"{hex}\"\n{RELAYS}");
    let core = Core::new(Profile::from_toml(&profile).unwrap(), Box::new(MemoryStorage::default()));
    let policy = RelayResponse {
        status: 200,
        content_type: Some(MEDIA_TYPE.to_owned()),
        body: sign(&policy(), &directory_key),
    };
    let requests = core.policy_requests(NOW).unwrap();
    let fetched: Vec<_> = requests.into_iter().map(|request| (request, policy.clone())).collect();
    core.accept_policies(&fetched, NOW).unwrap();
    core
});

fn policy() -> Policy {
    let keys = vec![Epoch { key: KEY.clone(), from: NOW.minus(DAY), until: NOW.plus(30 * DAY) }];
    let name = Domain::new("issuer.example").unwrap();
    let issuer = Issuer { name, redemptions_per_day: 1000, not_found_per_day: 1000, keys };
    Policy {
        domain: Domain::new("dp.example").unwrap(),
        serial: 1,
        not_before: NOW,
        not_after: NOW.plus(7 * DAY),
        operator: "DP Ltd".to_owned(),
        keys: RING.collection().to_vec(),
        authorities: Authorities::default(),
        sizes: (4096, 8192),
        services: Services::default(),
        issuers: Issuers::new(vec![issuer]).unwrap(),
        prices: Prices::default(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, body)) = bytes.split_first() else { return };
    let response = IssuerResponse {
        status: if choice & 2 == 0 { 200 } else { 400 + u16::from(choice >> 2) },
        content_type: Some(TYPES[usize::from(choice & 1)].to_owned()),
        retry_after: None,
        body: body.to_vec(),
    };
    match CORE.begin_batch(&response, NOW) {
        Ok(batch) => {
            assert!(choice & 3 == 0);
            assert!(batch.issuance().url().starts_with("https://issuer.example/"));
            let (content, _) = batch.issuance().request().unwrap();
            let request = TokenRequest::decode(&content).unwrap();
            assert_eq!(request.truncated_key_id, KEY.truncated_id());
        }
        Err(error) => assert!(matches!(error, Error::Tokens(_)), "{error}"),
    }
});
