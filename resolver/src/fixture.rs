//! What the tests of this crate are made of: two authorities, people who publish, and a resolver on a
//! folder of its own, with a clock that stands still.

use crate::directory::Directory;
use crate::import::{LineError, Observer, Source, Summary, import};
use crate::record::Signed;
use crate::store::{Label, Row, Sqlite, Store, StoreError, Table, Write, Written};
use crate::{Config, Resolver};
use bytes::Bytes;
use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Credential, CredentialId, Revocation, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::{Mapping, Reach, Tag};
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, Subject, VerifiableMapping};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::withdrawal::Withdrawal;
use discreet_serve::log::{LogBuffer, LogConfig, LogLevel};
use discreet_serve::secret::create_secret;
use discreet_serve::{Clock, Environment};
use http::{Request, Response};
use prometheus_client::registry::Registry;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// 2027-01-15, an hour after noon.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_018_000);
pub(crate) const DOMAIN: &str = "dp.example";
pub(crate) const ONE: &str = "one.authority.example";
pub(crate) const TWO: &str = "two.authority.example";
pub(crate) const NUMBER: &str = "+14155550123";

pub(crate) fn domain(name: &str) -> Domain {
    Domain::new(name).unwrap()
}

pub(crate) fn phone(number: &str) -> Csi {
    Csi::phone(number).unwrap()
}

pub(crate) fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

pub(crate) fn authority_key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&[if name == ONE { 101 } else { 102 }; 32])
}

/// Somebody with a key, attested by an authority. Public fields, to be bent.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) holder: SigningKey,
    pub(crate) credential: Credential,
    pub(crate) audience: Vec<Domain>,
    pub(crate) reaches: Vec<Reach>,
    pub(crate) not_after: Timestamp,
    pub(crate) hidden: bool,
}

/// The holder of [`NUMBER`] with key `key`, who proved it `proved` days before today.
pub(crate) fn person(authority: &str, key: u8, proved: u64) -> Person {
    let holder = SigningKey::from_bytes(&[key; 32]);
    let today = NOW.start_of_day();
    let proved_at = today.minus(proved * DAY);
    let credential = Credential {
        authority: domain(authority),
        csi: phone(NUMBER),
        holder: holder.verifying_key(),
        id: [key; 16],
        expires: today.plus(180 * DAY),
        proved_at,
        holder_since: proved_at,
    };
    let reaches = vec![reach("mimi://b.example/u/alice")];
    let not_after = today.plus(90 * DAY);
    Person { holder, credential, audience: vec![domain(DOMAIN)], reaches, not_after, hidden: false }
}

pub(crate) fn reach(uri: &str) -> Reach {
    Reach::to(MimiUri::new(uri).unwrap())
}

impl Person {
    pub(crate) fn at(mut self, number: &str) -> Self {
        self.credential.csi = phone(number);
        self
    }

    pub(crate) fn id(mut self, id: CredentialId) -> Self {
        self.credential.id = id;
        self
    }

    pub(crate) fn reaching(mut self, uris: &[&str]) -> Self {
        self.reaches = uris.iter().map(|uri| reach(uri)).collect();
        self
    }

    pub(crate) fn csi(&self) -> &Csi {
        &self.credential.csi
    }

    fn key(&self) -> SigningKey {
        authority_key(self.credential.authority.as_str())
    }

    pub(crate) fn signed_credential(&self) -> Vec<u8> {
        sign(&self.credential, &self.key())
    }

    pub(crate) fn claims(&self, name: &str, serial: u64) -> Mapping {
        Mapping {
            csi: self.csi().clone(),
            audience: self.audience.clone(),
            tag: tag(name),
            serial,
            not_before: NOW.start_of_day(),
            not_after: self.not_after,
            refresh_after: 3600,
            reaches: self.reaches.clone(),
            credential: self.signed_credential(),
            serve_as_not_found: self.hidden,
        }
    }

    pub(crate) fn mapping(&self, tag: &str, serial: u64) -> Vec<u8> {
        sign(&self.claims(tag, serial), &self.holder)
    }

    pub(crate) fn signed(&self, tag: &str, serial: u64) -> Signed {
        Signed::read(self.mapping(tag, serial)).unwrap()
    }

    pub(crate) fn status(&self, at: Timestamp) -> Vec<u8> {
        sign(&Status { id: self.credential.id, at }, &self.key())
    }

    pub(crate) fn revocation(&self, at: Timestamp) -> Vec<u8> {
        let expires = self.credential.expires;
        sign(&Revocation { id: self.credential.id, at, expires }, &self.key())
    }

    pub(crate) fn withdrawal_claims(&self, name: Option<&str>, serial: u64) -> Withdrawal {
        Withdrawal {
            csi: self.csi().clone(),
            audience: self.audience.clone(),
            tag: name.map(tag),
            serial,
            credential: self.signed_credential(),
        }
    }

    pub(crate) fn withdrawal(&self, tag: Option<&str>, serial: u64) -> Vec<u8> {
        sign(&self.withdrawal_claims(tag, serial), &self.holder)
    }

    /// The content of a request to publish, with a fresh status.
    pub(crate) fn content(&self, tag: &str, serial: u64) -> Vec<u8> {
        VerifiableMapping::new(self.mapping(tag, serial), self.status(NOW)).encode().unwrap()
    }

    pub(crate) fn line(&self, tag: &str, serial: u64) -> String {
        crate::export::line(self.mapping(tag, serial), self.status(NOW))
    }
}

/// A resolver in a folder of its own.
pub(crate) struct Site {
    pub(crate) resolver: Resolver,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) log: LogBuffer,
    pub(crate) folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with_pepper(7)
    }

    pub(crate) fn with_pepper(fill: u8) -> Self {
        Self::with(fill, "")
    }

    /// A resolver whose rules have something more.
    pub(crate) fn with_rules(more: &str) -> Self {
        Self::with(7, more)
    }

    fn with(fill: u8, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rules = format!("domain = \"{DOMAIN}\"\noperator = \"Example\"\nedition = 1\n");
        for name in [ONE, TWO] {
            let key = hex::encode(authority_key(name).verifying_key().to_bytes());
            rules.push_str(&format!(
                "[[authorities]]\nname = \"{name}\"\nkey = \"{key}\"\nnamespaces = [\"tel:+\"]\n"
            ));
        }
        rules.push_str(more);
        fs::write(folder.path().join("rules.toml"), rules).unwrap();
        create_secret(&folder.path().join("pepper.key"), &[fill; 32]).unwrap();
        drop(crate::create(&config(folder.path())).unwrap());
        Self::open(folder)
    }

    /// Opens the resolver in `folder`.
    pub(crate) fn open(folder: tempfile::TempDir) -> Self {
        let (clock, log, mut registry) =
            (Clock::manual(NOW.unix()), LogBuffer::default(), Registry::default());
        let level = LogConfig { level: LogLevel::Debug, ..LogConfig::default() };
        let environment = Environment::new(log.log(&level), clock.clone());
        let resolver = Resolver::open(&config(folder.path()), &environment, &mut registry).unwrap();
        Self { resolver, clock, registry, log, folder }
    }

    pub(crate) fn reopened(self) -> Self {
        let Self { resolver, folder, .. } = self;
        drop(resolver);
        Self::open(folder)
    }

    /// Opens the directory once more, over `wrap` of its store.
    pub(crate) fn rewire<S: Store>(&mut self, wrap: impl FnOnce(Sqlite) -> S) {
        let store = wrap(Sqlite::open(&self.path("directory.db")).unwrap());
        let pepper = crate::pepper(&config(self.folder.path())).unwrap();
        let journal = config(self.folder.path()).journal();
        let directory = Arc::new(Directory::open(store, pepper, &journal).unwrap());
        self.resolver.in_force.send_modify(|in_force| Arc::make_mut(in_force).directory = directory);
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.resolver.in_force().directory)
    }

    pub(crate) fn post(&self, resource: &str, content: Vec<u8>) -> Response<Bytes> {
        self.post_with(resource, content, &[])
    }

    /// A request with these `authorization` fields.
    pub(crate) fn post_with(&self, resource: &str, content: Vec<u8>, fields: &[String]) -> Response<Bytes> {
        post_to(&self.resolver, resource, content, fields)
    }

    /// Publishes, and says with which status and title that ended.
    pub(crate) fn publish(&self, content: Vec<u8>) -> (u16, String) {
        outcome(&self.post("mappings", content))
    }

    pub(crate) fn withdraw(&self, content: Vec<u8>) -> (u16, String) {
        outcome(&self.post("withdrawals", content))
    }

    pub(crate) fn look_up(&self, number: &str, tag: Option<&str>) -> IdentifierResponse {
        let tag = tag.map(|name| Tag::new(name).unwrap());
        let query = IdentifierRequest { subject: Subject::Exact(phone(number)), tag };
        let response = self.post("identifierQuery", query.encode().unwrap());
        assert_eq!(response.status(), 200);
        IdentifierResponse::decode(response.body()).unwrap()
    }

    /// The services of [`NUMBER`].
    pub(crate) fn services(&self, tag: Option<&str>) -> Vec<String> {
        self.look_up(NUMBER, tag).uris.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn import(&self, lines: &[String]) -> (Summary, Vec<LineError>) {
        self.import_from(Source::Anybody, lines)
    }

    pub(crate) fn import_own(&self, lines: &[String]) -> (Summary, Vec<LineError>) {
        self.import_from(Source::Own, lines)
    }

    fn import_from(&self, source: Source, lines: &[String]) -> (Summary, Vec<LineError>) {
        let (mut refused, text) = (Refused(Vec::new()), lines.join("\n"));
        let now = Timestamp::from_unix(self.clock.now());
        let rules = &self.resolver.rules();
        let summary = import(source, &self.directory(), rules, now, text.as_bytes(), &mut refused);
        (summary.unwrap(), refused.0)
    }

    pub(crate) fn export(&self) -> String {
        let mut out = Vec::new();
        let now = Timestamp::from_unix(self.clock.now());
        crate::export::export(&self.directory(), now, &mut out, |_| {}).unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// Posts with these `authorization` fields.
pub(crate) fn post_to(
    resolver: &Resolver,
    resource: &str,
    content: Vec<u8>,
    fields: &[String],
) -> Response<Bytes> {
    let uri = format!("https://{DOMAIN}/v1/{resource}/{DOMAIN}");
    let request = Request::builder().method("POST").uri(uri);
    let request = fields.iter().fold(request, |request, field| request.header("authorization", field));
    resolver.answer(request.body(Bytes::from(content)).unwrap())
}

/// Another resolver on the same files, as another process has them.
pub(crate) fn open_again(site: &Site) -> Resolver {
    let environment = Environment::new(site.log.log(&LogConfig::default()), site.clock.clone());
    Resolver::open(&config(site.folder.path()), &environment, &mut Registry::default()).unwrap()
}

pub(crate) fn config(folder: &Path) -> Config {
    Config {
        rules: folder.join("rules.toml"),
        directory: folder.join("directory.db"),
        pepper: folder.join("pepper.key"),
        journal: None,
        spent_tokens: None,
        serve: None,
    }
}

fn outcome(response: &Response<Bytes>) -> (u16, String) {
    if response.body().is_empty() {
        return (response.status().as_u16(), String::new());
    }
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["status"], response.status().as_u16());
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    (response.status().as_u16(), problem["title"].as_str().unwrap().to_owned())
}

struct Refused(Vec<LineError>);

impl Observer for Refused {
    fn progress(&mut self, _: u64, _: u64) {}

    fn refused(&mut self, _: u64, error: LineError) {
        self.0.push(error);
    }
}

/// A summary in one line: added, replaced, withdrawn, unchanged, refused.
pub(crate) fn counts(summary: Summary) -> [u64; 5] {
    [summary.added, summary.replaced, summary.withdrawn, summary.unchanged, summary.refused]
}

/// A store that notes which tables are read from, row by row.
pub(crate) struct Counting(pub(crate) Sqlite, pub(crate) Arc<Mutex<Vec<Table>>>);

impl Store for Counting {
    fn read(&self, table: Table, label: &Label) -> Result<Option<Row>, StoreError> {
        let row = self.0.read(table, label)?;
        assert!(row.is_some() || table == Table::Records, "a lookup's status is always there");
        self.1.lock().unwrap().push(table);
        Ok(row)
    }

    fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.0.write(batch)
    }

    fn scan(
        &self,
        table: Table,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<(Label, Row)>, StoreError> {
        self.1.lock().unwrap().push(table);
        self.0.scan(table, after, limit)
    }

    fn forget(&self) -> Result<bool, StoreError> {
        self.0.forget()
    }

    fn syncs(&self) -> u64 {
        self.0.syncs()
    }
}
