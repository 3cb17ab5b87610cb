//! Everybody who signs: two authorities, a discovery provider, and people with mappings. Made from
//! a seed, so that a failing run can be repeated.

use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::{DEFAULT_REFRESH_AFTER, Mapping, Reach, Tag};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_resolver::export;

/// The names of the two authorities; both speak for all numbers and for `a.example`.
pub const AUTHORITIES: [&str; 2] = ["one.authority.example", "two.authority.example"];
/// The discovery domain.
pub const DOMAIN: &str = "dp.example";
/// Who runs it.
pub const OPERATOR: &str = "Example Discovery Ltd";

/// Authorities and provider, with their keys, at one moment.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    /// The keys of [`AUTHORITIES`].
    pub authorities: [SigningKey; 2],
    /// What the provider signs its policy with.
    pub directory_key: SigningKey,
    /// The moment statements are made at.
    pub now: Timestamp,
}

/// Somebody who publishes a mapping. Public fields, so that a test can bend any of them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Signs the credential and the status.
    pub authority: SigningKey,
    /// Signs the mapping.
    pub holder: SigningKey,
    /// What the authority says.
    pub credential: Credential,
    /// That it still does.
    pub status: Status,
    /// What the person says; the credential is put into it when it is signed.
    pub mapping: Mapping,
}

impl World {
    /// The world of `seed` at `now`.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        Self {
            seed,
            authorities: [0, 1].map(|index| key(seed, 1, index)),
            directory_key: key(seed, 2, 0),
            now,
        }
    }

    /// The rules file of the provider.
    pub fn rules(&self) -> String {
        let mut rules = format!("domain = \"{DOMAIN}\"\noperator = \"{OPERATOR}\"\nedition = 1\n");
        for (name, key) in AUTHORITIES.iter().zip(&self.authorities) {
            rules.push_str(&format!(
                "\n[[authorities]]\nname = \"{name}\"\nkey = \"{}\"\nnamespaces = [\"tel:+\", \"mailto:a.example\"]\n",
                hex::encode(key.verifying_key().to_bytes())
            ));
        }
        rules
    }

    /// A person with one service, attested by authority 0 or 1. The same `csi` gets the same keys.
    pub fn person(&self, csi: &Csi, authority: usize) -> Person {
        let index = csi.uri().bytes().fold(0u64, |sum, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
        let holder = key(self.seed, 3 + authority as u8, index);
        let mut id = [0; 16];
        id.copy_from_slice(&holder.verifying_key().to_bytes()[..16]);
        let today = self.now.start_of_day();
        let credential = Credential {
            authority: domain(AUTHORITIES[authority]),
            csi: csi.clone(),
            holder: holder.verifying_key(),
            id,
            expires: today.plus(180 * DAY),
            proved_at: today.minus(30 * DAY),
            holder_since: today.minus(30 * DAY),
        };
        let user = format!("mimi://b.example/u/{}", &hex::encode(id)[..12]);
        let mapping = Mapping {
            csi: csi.clone(),
            audience: vec![domain(DOMAIN)],
            tag: Tag::default_tag(),
            serial: 1 + index % (1 << 32),
            not_before: today,
            not_after: today.plus(90 * DAY),
            refresh_after: DEFAULT_REFRESH_AFTER,
            // No service stands behind it: any 32 bytes will do.
            reaches: vec![Reach {
                thumbprint: Some(holder.verifying_key().to_bytes()),
                ..Reach::to(uri(&user))
            }],
            credential: Vec::new(),
            serve_as_not_found: false,
        };
        Person {
            authority: self.authorities[authority].clone(),
            holder,
            credential,
            status: Status { id, at: self.now },
            mapping,
        }
    }

    /// The mapping of a person with the number `number`, as a line of the import format.
    pub fn line(&self, number: &str) -> String {
        self.person(&phone(number), 0).line()
    }
}

impl Person {
    /// Replaces the services, in order.
    pub fn reaches(mut self, uris: &[&str]) -> Self {
        self.mapping.reaches = uris.iter().map(|text| Reach::to(uri(text))).collect();
        self
    }

    /// Replaces the tag.
    pub fn tag(mut self, tag: &str) -> Self {
        self.mapping.tag = Tag::new(tag).expect("a tag");
        self
    }

    /// The mapping, signed, with the signed credential inside.
    pub fn signed_mapping(&self) -> Vec<u8> {
        let credential = sign(&self.credential, &self.authority);
        sign(&Mapping { credential, ..self.mapping.clone() }, &self.holder)
    }

    /// The status, signed.
    pub fn signed_status(&self) -> Vec<u8> {
        sign(&self.status, &self.authority)
    }

    /// Both, as a line of the import format.
    pub fn line(&self) -> String {
        export::line(self.signed_mapping(), self.signed_status())
    }
}

/// A canonical number.
///
/// # Panics
///
/// If it is none.
pub fn phone(number: &str) -> Csi {
    Csi::phone(number).expect("a canonical number")
}

/// A domain.
///
/// # Panics
///
/// If it is none.
pub fn domain(name: &str) -> Domain {
    Domain::new(name).expect("a domain")
}

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).expect("a MIMI URI")
}

/// A key of its own for each purpose and index.
fn key(seed: u64, purpose: u8, index: u64) -> SigningKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8] = purpose;
    bytes[9..17].copy_from_slice(&index.to_be_bytes());
    SigningKey::from_bytes(&bytes)
}
