//! A provider in this process, people with keys, and what a test needs around them.

use crate::leaks::Searched;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use discreet_protocol::credential::{Credential, Standing};
use discreet_protocol::enrolment::{Handover, KeyRequest, Ticket};
use discreet_protocol::feed::Page;
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::policy::MEDIA_TYPE;
use discreet_protocol::statement::{open, sign};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_provider::authority::prove::{Operator, Prove};
use discreet_provider::{Config, Provider, init};
use discreet_serve::log::LogLevel;
use discreet_serve::{Clock, Environment, LogConfig, Upstream, UpstreamConfig};
use http::{Request, Response};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const NUMBER: &str = "tel:+14155550123";

const CONFIG: &str = r#"
[listen.plaintext]
address = "127.0.0.1:0"
[admin.enabled]
address = "127.0.0.1:0"
[log]
level = "debug"
[authority]
name = "authority.example"
key = "authority.key"
database = "authority.db"
operator_token = "operator.token"
namespaces = ["tel:+1", "mailto:a.example"]
[service]
name = "b.example"
key = "service.key"
"#;

/// A folder with everything a provider needs.
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(files.path("provider.toml"), CONFIG).unwrap();
        init::init(&files.config()).unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.path("provider.toml")).unwrap()
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.path("operator.token")).unwrap().trim().to_owned()
    }

    pub(crate) fn authority_key(&self) -> VerifyingKey {
        let digits = std::fs::read_to_string(self.path("authority.key")).unwrap();
        let seed: [u8; 32] = hex::decode(digits.trim()).unwrap().try_into().unwrap();
        SigningKey::from_bytes(&seed).verifying_key()
    }
}

/// A running provider.
pub(crate) struct Setup {
    pub(crate) files: Files,
    pub(crate) provider: Provider,
    pub(crate) client: Upstream,
    pub(crate) clock: Clock,
    /// What the provider logged; searched when it is dropped.
    pub(crate) log: Searched,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::start(Files::new(), Arc::new(Operator)).await
    }

    pub(crate) async fn start(files: Files, prover: Arc<dyn Prove>) -> Self {
        let (clock, log) = (Clock::manual(NOW), Searched::default());
        let level = LogConfig { level: LogLevel::Debug, ..LogConfig::default() };
        let environment = Environment::new(log.log(&level), clock.clone());
        let provider = Provider::bind_with(files.config(), environment, prover).await.unwrap();
        let client = upstream(provider.addr());
        Self { files, provider, client, clock, log }
    }

    /// Stops the provider, and starts it on the same files.
    pub(crate) async fn restart(self) -> Self {
        let now = self.clock.now();
        self.provider.shutdown();
        self.provider.join().await.unwrap();
        let setup = Self::start(self.files, Arc::new(Operator)).await;
        setup.clock.set(now);
        setup
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.client.send(request, 1 << 20).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, content: &Value) -> Response<Bytes> {
        self.send(Request::post(path).body(content.to_string().into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path).body(Bytes::new()).unwrap()).await
    }

    /// As the operator.
    pub(crate) async fn operate(&self, path: &str, content: &Value) -> Response<Bytes> {
        let authorization = format!("Bearer {}", self.files.token());
        let request = Request::post(path).header("authorization", authorization);
        self.send(request.body(content.to_string().into()).unwrap()).await
    }

    pub(crate) async fn challenge(&self) -> Vec<u8> {
        let answer = self.send(Request::post("/v1/challenges").body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), 200);
        decode(&body(&answer)["challenge"])
    }

    /// The backend's word that somebody proved `csi` `offset` seconds from now.
    pub(crate) async fn ticket(&self, csi: &str, offset: i64) -> Ticket {
        let proved_at = self.clock.now().saturating_add_signed(offset);
        let proof = json!({"account": "ann", "identifier": csi, "proved_at": proved_at});
        let answer = self.operate("/v1/proofs", &proof).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        decode(&body(&answer)["ticket"]).try_into().unwrap()
    }

    /// A request for a credential with a fresh challenge.
    pub(crate) async fn request(&self, csi: &str, key: &SigningKey) -> KeyRequest {
        KeyRequest {
            csi: Csi::from_uri(csi).unwrap(),
            authority: name(),
            holder: key.verifying_key(),
            challenge: self.challenge().await,
            ticket: None,
            handover: None,
        }
    }

    pub(crate) async fn issue(&self, request: &KeyRequest, key: &SigningKey) -> Response<Bytes> {
        self.issue_bytes(sign(request, key)).await
    }

    pub(crate) async fn issue_bytes(&self, content: Vec<u8>) -> Response<Bytes> {
        let request = Request::post("/v1/credentials").header("content-type", MEDIA_TYPE);
        self.send(request.body(content.into()).unwrap()).await
    }

    pub(crate) async fn redeem(&self, csi: &str, key: &SigningKey, ticket: Ticket) -> Response<Bytes> {
        let request = KeyRequest { ticket: Some(ticket), ..self.request(csi, key).await };
        self.issue(&request, key).await
    }

    pub(crate) async fn renew(&self, csi: &str, key: &SigningKey) -> Response<Bytes> {
        self.issue(&self.request(csi, key).await, key).await
    }

    /// `from` says that `to` is its successor; `to` asks for a credential.
    pub(crate) async fn hand_over(&self, csi: &str, from: &SigningKey, to: &SigningKey) -> Response<Bytes> {
        let handover = Some(sign(&self.handover(csi, to), from));
        let request = KeyRequest { handover, ..self.request(csi, to).await };
        self.issue(&request, to).await
    }

    pub(crate) fn handover(&self, csi: &str, to: &SigningKey) -> Handover {
        let expires = Timestamp::from_unix(self.clock.now() + DAY);
        let csi = Csi::from_uri(csi).unwrap();
        Handover { csi, authority: name(), expires, successor: to.verifying_key() }
    }

    /// A credential by proof, now.
    pub(crate) async fn credential(&self, csi: &str, key: &SigningKey) -> Credential {
        let ticket = self.ticket(csi, 0).await;
        self.issued(&self.redeem(csi, key, ticket).await)
    }

    /// What an answer holds: a credential that stands.
    pub(crate) fn issued(&self, answer: &Response<Bytes>) -> Credential {
        assert_eq!(answer.status(), 200, "{answer:?}");
        let key = self.files.authority_key();
        let credential: Credential = open(&decode(&body(answer)["credential"]), &key).unwrap();
        let Standing::Stands(status) = Standing::open(&decode(&body(answer)["status"]), &key).unwrap() else {
            panic!("the status of a new credential is a revocation");
        };
        assert_eq!(status.id, credential.id);
        credential
    }

    /// The whole feed after `after`, and the next number.
    pub(crate) async fn feed(&self, mut after: u64) -> (Vec<Standing>, u64) {
        let mut all = Vec::new();
        loop {
            let answer = self.get(&format!("/v1/statuses?after={after}")).await;
            assert_eq!(answer.headers()["content-type"], "application/discreet-statuses+cbor");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let page = Page::decode(answer.body()).unwrap();
            let key = self.files.authority_key();
            all.extend(page.statements.iter().map(|statement| Standing::open(statement, &key).unwrap()));
            after = page.next;
            if !page.more {
                return (all, after);
            }
        }
    }

    /// Whether the credential stands, by its own resource.
    pub(crate) async fn stands(&self, credential: &Credential) -> bool {
        let answer = self.get(&format!("/v1/statuses/{}", hex::encode(credential.id))).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &MEDIA_TYPE.parse().unwrap())
        );
        matches!(Standing::open(answer.body(), &self.files.authority_key()).unwrap(), Standing::Stands(_))
    }

    pub(crate) async fn metrics(&self) -> String {
        let admin = upstream(self.provider.admin_addr().unwrap());
        let request = Request::get("/metrics").body(Bytes::new()).unwrap();
        String::from_utf8(admin.send(request, 1 << 20).await.unwrap().into_body().to_vec()).unwrap()
    }
}

pub(crate) fn upstream(address: std::net::SocketAddr) -> Upstream {
    Upstream::new(&UpstreamConfig::new(format!("http://{address}").parse().unwrap())).unwrap()
}

pub(crate) fn name() -> Domain {
    Domain::new("authority.example").unwrap()
}

pub(crate) fn person(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn body(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

pub(crate) fn decode(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

/// Status and title of a problem.
pub(crate) fn refusal(answer: &Response<Bytes>) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem = body(answer);
    assert_eq!(problem["status"], answer.status().as_u16());
    (answer.status().as_u16(), problem["title"].as_str().unwrap().to_owned())
}
