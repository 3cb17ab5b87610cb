//! One person, one authority, one directory, for the tests of the recipient's side.

use crate::core::Core;
use crate::exchange::RelayResponse;
use crate::identity::{Authority, Identity};
use crate::profile::Profile;
use crate::storage::{MemoryStorage, Storage};
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, KeyConfig, Suite};
use discreet_protocol::credential::{Credential, Revocation, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::Reach;
use discreet_protocol::policy::{Authorities, Epoch, Issuer, Issuers, Policy, Prices, Service, Services};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::token::{Token, TokenInput, TokenKey, challenge_digest};
use discreet_protocol::{SigningKey, policy};

/// 2026-11-22, a quarter past nine.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_795_305_600 + 33_300);
pub(crate) const TODAY: Timestamp = Timestamp::from_unix(1_795_305_600);
pub(crate) const EXPIRES: Timestamp = Timestamp::from_unix(1_795_305_600 + 180 * DAY);

pub(crate) fn authority_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub(crate) fn service_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

pub(crate) fn directory_key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

pub(crate) fn domain() -> Domain {
    Domain::new("dp.example").unwrap()
}

pub(crate) fn csi() -> Csi {
    Csi::phone("+14155550123").unwrap()
}

pub(crate) fn authority() -> Authority {
    let name = Domain::new("authority.example").unwrap();
    Authority {
        url: "https://authority.example".into(),
        name,
        key: authority_key().verifying_key(),
        ca: None,
    }
}

pub(crate) fn credential(identity: &Identity, number: u8) -> Credential {
    Credential {
        authority: authority().name,
        csi: identity.csi().clone(),
        holder: identity.holder(),
        id: [number; 16],
        expires: EXPIRES,
        proved_at: TODAY,
        holder_since: TODAY,
    }
}

pub(crate) fn status(number: u8, at: Timestamp) -> Vec<u8> {
    sign(&Status { id: [number; 16], at }, &authority_key())
}

pub(crate) fn revocation(number: u8, at: Timestamp) -> Vec<u8> {
    sign(&Revocation { id: [number; 16], at, expires: EXPIRES }, &authority_key())
}

/// An identity whose key has been attested.
pub(crate) fn attested() -> Identity {
    let mut identity = Identity::generate(csi()).unwrap();
    identity.set_authority(authority()).unwrap();
    let credential = sign(&credential(&identity, 1), &authority_key());
    identity.accept(credential, status(1, NOW), NOW).unwrap();
    identity
}

pub(crate) fn policy(keys: Vec<u8>) -> Policy {
    let authority = authority();
    let namespaces = vec!["tel:+1415".parse().unwrap()];
    let authority = policy::Authority { name: authority.name, key: authority.key, namespaces };
    let service = Service { name: Domain::new("b.example").unwrap(), key: service_key().verifying_key() };
    Policy {
        domain: domain(),
        serial: 1,
        not_before: TODAY,
        not_after: TODAY.plus(7 * DAY),
        operator: "DP Ltd".to_owned(),
        keys,
        authorities: Authorities::new(vec![authority]).unwrap(),
        sizes: (4096, 8192),
        services: Services::new(vec![service]).unwrap(),
        issuers: Issuers::default(),
        prices: Prices::default(),
    }
}

/// A collection of one key. The points are none anybody has the secret of.
pub(crate) fn keys(kem: Kem) -> Vec<u8> {
    let suite = Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm };
    let length = match kem {
        Kem::X25519 => 32,
        // ML-KEM-768 and X25519; zeros are coefficients below q.
        Kem::XWing => 1184 + 32,
    };
    let mut public = vec![0; length];
    public[length - 32..].fill(9);
    let config = KeyConfig::new(1, kem, public, [suite]).unwrap();
    KeyCollection::new(vec![config]).unwrap().encode()
}

const ISSUER: &str = "[issuer]\nname = \"issuer.example\"\n";

pub(crate) fn profile() -> Profile {
    let key = hex::encode(directory_key().verifying_key().to_bytes());
    let relays: String = [("a", "A"), ("a2", "A"), ("b", "B")]
        .iter()
        .map(|(host, name)| {
            format!("[[relays]]\nurl = \"https://{host}.example/dp\"\noperator = \"{name} Ltd\"\n")
        })
        .collect();
    Profile::from_toml(&format!("domain = \"dp.example\"\ndirectory_key = \"{key}\"\n{relays}{ISSUER}"))
        .unwrap()
}

pub(crate) fn reach(uri: &str) -> Reach {
    Reach::to(MimiUri::new(uri).unwrap())
}

/// The vectors of RFC 9578, Appendix B.2. All have one key.
pub(crate) fn vectors() -> Vec<serde_json::Value> {
    serde_json::from_str(include_str!("../../tests/vectors/rfc9578-public-tokens.json")).unwrap()
}

/// The public key of the vectors; of those with another `number` nobody has the private half.
pub(crate) fn token_key(number: u8) -> TokenKey {
    let mut spki = hex::decode(vectors()[0]["pkS"].as_str().unwrap()).unwrap();
    // In the middle of the modulus.
    spki[200] ^= number;
    TokenKey::from_spki(&spki).unwrap()
}

pub(crate) fn issuer_name() -> Domain {
    Domain::new("issuer.example").unwrap()
}

/// A key whose tokens are taken between these days, counted from today.
pub(crate) fn epoch(number: u8, from: i64, until: i64) -> Epoch {
    let day = |days: i64| Timestamp::from_unix(TODAY.unix().strict_add_signed(days * DAY as i64));
    Epoch { key: token_key(number), from: day(from), until: day(until) }
}

/// The policy with tokens of these keys at these prices.
pub(crate) fn paid_policy(kem: Kem, prices: (u8, u8, u8), epochs: Vec<Epoch>) -> Policy {
    let (name, redemptions_per_day, not_found_per_day) = (issuer_name(), 1000, 1000);
    let issuer = Issuer { name, redemptions_per_day, not_found_per_day, keys: epochs };
    let prices = Prices::new(prices.0, prices.1, prices.2).unwrap();
    Policy { issuers: Issuers::new(vec![issuer]).unwrap(), prices, ..policy(keys(kem)) }
}

/// A token that only looks like one.
pub(crate) fn token(key: u8, number: u64) -> Token {
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let challenge_digest = challenge_digest(&issuer_name(), &domain());
    Token::new(&TokenInput { nonce, challenge_digest, key_id: *token_key(key).id() }, [7; 256])
}

/// A client that has agreed on a policy with one key of `kem`.
pub(crate) fn core(kem: Kem) -> Core {
    core_of(&policy(keys(kem)), MemoryStorage::default())
}

/// A client that has agreed on `policy`.
pub(crate) fn core_of(policy: &Policy, storage: impl Storage + 'static) -> Core {
    let core = Core::new(profile(), Box::new(storage));
    let signed = sign(policy, &directory_key());
    let content_type = Some(discreet_protocol::policy::MEDIA_TYPE.to_owned());
    let response = RelayResponse { status: 200, content_type, body: signed };
    let fetched = core.policy_requests(NOW).unwrap().into_iter().map(|request| (request, response.clone()));
    core.accept_policies(&fetched.collect::<Vec<_>>(), NOW).unwrap();
    core
}
