//! The form of an identity at rest: one JSON object, which is as secret as the key in it.

use super::{Authority, Identity, PendingEnrolment, Published, Record, Secret32, Tagged};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use discreet_protocol::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The only version so far.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    identifier: String,
    secret: Secret32,
    authority: Option<AuthorityForm>,
    credential: Option<String>,
    status: Option<String>,
    /// Only where there is one: so programs from before it read the others' files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<AuthorityForm>,
    pending: Option<PendingForm>,
    floor: u64,
    tags: BTreeMap<String, TagForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityForm {
    url: String,
    name: String,
    key: String,
    ca: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingForm {
    ticket: Secret32,
    code: String,
    say: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagForm {
    serial: u64,
    domains: BTreeMap<String, RecordForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordForm {
    published: Option<PublishedForm>,
    attempts: Vec<PublishedForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedForm {
    serial: u64,
    mapping: Option<String>,
    at: u64,
    relay: Option<String>,
}

impl Identity {
    /// The identity as it is kept, its secret key included. The buffer erases itself.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let form = Form::of(self);
        let mut length = Length(0);
        // Never: writing into memory has no failing case, and all keys of its maps are texts.
        let _ = serde_json::to_writer_pretty(&mut length, &form);
        // As long as needed from the start: a buffer that grows leaves copies of the key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.0 + 1));
        let _ = serde_json::to_writer_pretty(&mut *bytes, &form);
        bytes.push(b'\n');
        bytes
    }

    /// Reads what [`Identity::to_bytes`] wrote; `None` if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Form>(bytes).ok().filter(|form| form.version == VERSION)?.identity()
    }
}

/// Counts what is written.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Form {
    fn of(identity: &Identity) -> Self {
        let seed = Zeroizing::new(identity.key.to_bytes());
        let tags = identity.tags.iter();
        Self {
            version: VERSION,
            identifier: identity.csi.uri(),
            secret: Secret32::new(*seed),
            authority: identity.authority.as_ref().map(AuthorityForm::of),
            credential: identity.credential.as_deref().map(encode),
            status: identity.status.as_deref().map(encode),
            next: identity.next.as_ref().map(AuthorityForm::of),
            pending: identity.pending.as_ref().map(PendingForm::of),
            floor: identity.floor,
            tags: tags.map(|(tag, tagged)| (tag.as_str().to_owned(), TagForm::of(tagged))).collect(),
        }
    }

    fn identity(self) -> Option<Identity> {
        let tags = self.tags.into_iter().map(|(tag, form)| Some((Tag::new(&tag).ok()?, form.tagged()?)));
        Some(Identity {
            csi: Csi::from_uri(&self.identifier).ok()?,
            key: SigningKey::from_bytes(self.secret.as_bytes()),
            authority: both(self.authority.map(AuthorityForm::authority))?,
            credential: both(self.credential.as_deref().map(decode))?,
            status: both(self.status.as_deref().map(decode))?,
            next: both(self.next.map(AuthorityForm::authority))?,
            pending: self.pending.map(PendingForm::pending),
            floor: self.floor,
            tags: tags.collect::<Option<_>>()?,
        })
    }
}

impl AuthorityForm {
    fn of(authority: &Authority) -> Self {
        let Authority { url, name, key, ca } = authority;
        let key = hex::encode(key.to_bytes());
        Self { url: url.clone(), name: name.to_string(), key, ca: ca.clone() }
    }

    fn authority(self) -> Option<Authority> {
        let mut key = [0; 32];
        hex::decode_to_slice(&self.key, &mut key).ok()?;
        let key = VerifyingKey::from_bytes(&key).ok()?;
        Some(Authority { url: self.url, name: Domain::new(&self.name).ok()?, key, ca: self.ca })
    }
}

impl PendingForm {
    fn of(pending: &PendingEnrolment) -> Self {
        let PendingEnrolment { ticket, code, say } = pending.clone();
        Self { ticket, code, say }
    }

    fn pending(self) -> PendingEnrolment {
        PendingEnrolment { ticket: self.ticket, code: self.code, say: self.say }
    }
}

impl TagForm {
    fn of(tagged: &Tagged) -> Self {
        let domains = tagged.domains.iter();
        let domains = domains.map(|(domain, record)| (domain.to_string(), RecordForm::of(record)));
        Self { serial: tagged.serial, domains: domains.collect() }
    }

    fn tagged(self) -> Option<Tagged> {
        let domains = self.domains.into_iter();
        let domains = domains.map(|(name, form)| Some((Domain::new(&name).ok()?, form.record()?)));
        Some(Tagged { serial: self.serial, domains: domains.collect::<Option<_>>()? })
    }
}

impl RecordForm {
    fn of(record: &Record) -> Self {
        Self {
            published: record.published.as_ref().map(PublishedForm::of),
            attempts: record.attempts.iter().map(PublishedForm::of).collect(),
        }
    }

    fn record(self) -> Option<Record> {
        let attempts = self.attempts.into_iter().map(PublishedForm::published);
        Some(Record {
            published: both(self.published.map(PublishedForm::published))?,
            attempts: attempts.collect::<Option<_>>()?,
        })
    }
}

impl PublishedForm {
    fn of(published: &Published) -> Self {
        let Published { serial, mapping, at, relay } = published;
        let mapping = mapping.as_deref().map(encode);
        Self { serial: *serial, mapping, at: at.unix(), relay: relay.clone() }
    }

    fn published(self) -> Option<Published> {
        Some(Published {
            serial: self.serial,
            mapping: both(self.mapping.as_deref().map(decode))?,
            at: Timestamp::from_unix(self.at),
            relay: self.relay,
        })
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What is there must be readable; what is not there is fine.
fn both<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(readable) => Some(readable),
        None => Some(None),
    }
}
