//! One person, one authority, one directory, for the tests of the recipient's side.

use crate::core::Core;
use crate::exchange::RelayResponse;
use crate::identity::{Authority, Identity};
use crate::profile::Profile;
use crate::storage::MemoryStorage;
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, KeyConfig, Suite};
use discreet_protocol::credential::{Credential, Revocation, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::Reach;
use discreet_protocol::policy::{Authorities, Issuers, Policy, Prices, Service, Services};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
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

pub(crate) fn profile() -> Profile {
    let key = hex::encode(directory_key().verifying_key().to_bytes());
    let relays: String = [("a", "A"), ("a2", "A"), ("b", "B")]
        .iter()
        .map(|(host, name)| {
            format!("[[relays]]\nurl = \"https://{host}.example/dp\"\noperator = \"{name} Ltd\"\n")
        })
        .collect();
    Profile::from_toml(&format!("domain = \"dp.example\"\ndirectory_key = \"{key}\"\n{relays}")).unwrap()
}

pub(crate) fn reach(uri: &str) -> Reach {
    Reach::to(MimiUri::new(uri).unwrap())
}

/// A client that has agreed on a policy with one key of `kem`.
pub(crate) fn core(kem: Kem) -> Core {
    let core = Core::new(profile(), Box::new(MemoryStorage::default()));
    let signed = sign(&policy(keys(kem)), &directory_key());
    let content_type = Some(policy::MEDIA_TYPE.to_owned());
    let response = RelayResponse { status: 200, content_type, body: signed };
    let fetched = core.policy_requests(NOW).unwrap().into_iter().map(|request| (request, response.clone()));
    core.accept_policies(&fetched.collect::<Vec<_>>(), NOW).unwrap();
    core
}
