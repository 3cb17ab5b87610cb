//! The issuer over real sockets: who gets a token, how many, and what everybody else hears.

use crate::leaks::Searched;
use crate::support::{refusal, upstream};
use blind_rsa_signatures::{BlindingResult, DefaultRng, Deterministic, PSS, PublicKey, Sha384};
use bytes::Bytes;
use discreet_protocol::identifier::Domain;
use discreet_protocol::token::{TOKEN_REQUEST_TYPE, TokenInput, TokenKey, TokenRequest, challenge_digest};
use discreet_provider::authority::prove::Operator;
use discreet_provider::issuer::accounts::{Account, Accounts, FreshToken, NotAdmitted};
use discreet_provider::{BindError, Config, Provider};
use discreet_serve::log::LogLevel;
use discreet_serve::{Clock, Environment, LogConfig, Upstream, Visitor};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;
/// A key that OpenSSL made.
const KEY: &[u8] = include_bytes!("../../src/issuer/keys/same-truncated-id-1.der");
const PLAINTEXT: &str = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n";
const ISSUER: &str = "[issuer]\nname = \"issuer.example\"\nkeys = \"issuer.keys\"\ndatabase = \"issuer.db\"\n\
                      quota = { burst = 10, per_day = 50 }\n";
const BEARERS: &str = "accounts.bearers = \"accounts.tokens\"\n";

/// The files of a provider that is an issuer and nothing else, with two accounts.
struct Site {
    folder: tempfile::TempDir,
    ann: String,
    ben: String,
}

impl Site {
    fn new(config: &str) -> Self {
        let [ann, ben] = ["ann", "ben"].map(|name| FreshToken::draw(name).unwrap());
        let site = Self { folder: tempfile::tempdir().unwrap(), ann: ann.token, ben: ben.token };
        fs::write(site.path("provider.toml"), config).unwrap();
        fs::create_dir(site.path("issuer.keys")).unwrap();
        // Of 2020 to 2099, for tests with the system's clock, too.
        site.write("issuer.keys/2020-01-01_2099-01-01.der", KEY);
        site.write("accounts.tokens", format!("{}\n{}\n", ann.line, ben.line).as_bytes());
        discreet_provider::init::init(&site.config()).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn config(&self) -> Config {
        Config::load(&self.path("provider.toml")).unwrap()
    }
}

/// An issuer at work.
struct Issuing {
    site: Site,
    provider: Provider,
    client: Upstream,
    clock: Clock,
    /// What it logged; searched when it is dropped.
    _log: Searched,
}

impl Issuing {
    async fn new() -> Self {
        let config = format!("{PLAINTEXT}[admin.enabled]\naddress = \"127.0.0.1:0\"\n{ISSUER}{BEARERS}");
        Self::start(Site::new(&config), None, NOW).await.unwrap()
    }

    async fn start(site: Site, own: Option<Arc<dyn Accounts>>, now: u64) -> Result<Self, BindError> {
        let (clock, log) = (Clock::manual(now), Searched::default());
        let level = LogConfig { level: LogLevel::Debug, ..LogConfig::default() };
        let environment = Environment::new(log.log(&level), clock.clone());
        let provider =
            Provider::bind_with_accounts(site.config(), environment, Arc::new(Operator), own).await?;
        let client = upstream(provider.addr());
        Ok(Self { site, provider, client, clock, _log: log })
    }

    async fn restart(self) -> Self {
        self.provider.shutdown();
        self.provider.join().await.unwrap();
        Self::start(self.site, None, self.clock.now()).await.unwrap()
    }

    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.client.send(request, 65_536).await.unwrap()
    }

    async fn key(&self) -> TokenKey {
        let request = Request::get("/.well-known/private-token-issuer-directory").body(Bytes::new()).unwrap();
        key_of(&self.send(request).await)
    }

    async fn ask(&self, bearer: &str) -> Response<Bytes> {
        let wanted = Wanted::new(&self.key().await);
        self.send(asking(bearer, wanted.request.encode())).await
    }

    /// How many of `count` requests, one after the other, get a token.
    async fn signed(&self, bearer: &str, count: usize) -> usize {
        let mut signed = 0;
        for _ in 0..count {
            signed += usize::from(self.ask(bearer).await.status() == 200);
        }
        signed
    }
}

fn key_of(directory: &Response<Bytes>) -> TokenKey {
    use base64::Engine;
    assert_eq!(directory.status(), 200, "{directory:?}");
    let json: Value = serde_json::from_slice(directory.body()).unwrap();
    let key = json["token-keys"][0]["token-key"].as_str().unwrap();
    TokenKey::from_spki(&base64::engine::general_purpose::URL_SAFE.decode(key).unwrap()).unwrap()
}

fn asking(bearer: &str, content: Vec<u8>) -> Request<Bytes> {
    let request = Request::post("/v1/tokens").header("authorization", format!("Bearer {bearer}"));
    request.header("content-type", TOKEN_REQUEST_TYPE).body(content.into()).unwrap()
}

/// A client's side, by the same library that RFC 9474's vectors hold.
struct Wanted {
    public: PublicKey<Sha384, PSS, Deterministic>,
    input: Vec<u8>,
    blinding: BlindingResult,
    request: TokenRequest,
}

impl Wanted {
    fn new(key: &TokenKey) -> Self {
        let name = |name| Domain::new(name).unwrap();
        let challenge_digest = challenge_digest(&name("issuer.example"), &name("dp.example"));
        let input = TokenInput { nonce: [7; 32], challenge_digest, key_id: *key.id() }.encode();
        let public = PublicKey::from_spki(&key.to_spki()).unwrap();
        let blinding =
            PublicKey::<Sha384, PSS, Deterministic>::blind(&public, &mut DefaultRng, &input).unwrap();
        let blinded = blinding.blind_message.0.clone().try_into().unwrap();
        let request = TokenRequest { truncated_key_id: key.truncated_id(), blinded: Box::new(blinded) };
        Self { public, input, blinding, request }
    }

    fn verifies(&self, signature: &[u8]) -> bool {
        let signature = blind_rsa_signatures::BlindSignature(signature.to_vec());
        self.public.finalize(&signature, &self.blinding, &self.input).is_ok()
    }
}

#[tokio::test]
async fn an_account_gets_a_token_that_verifies() {
    let issuing = Issuing::new().await;
    let wanted = Wanted::new(&issuing.key().await);
    let answer = issuing.send(asking(&issuing.site.ann, wanted.request.encode())).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["content-type"], "application/private-token-response");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.body().len() == 256 && wanted.verifies(answer.body()));
    let other = issuing.ask(&issuing.site.ben).await;
    assert!(!wanted.verifies(other.body()), "another request's signature is none of this one");
    let admin = upstream(issuing.provider.admin_addr().unwrap());
    let metrics = admin.send(Request::get("/metrics").body(Bytes::new()).unwrap(), 1 << 20).await.unwrap();
    let metrics = String::from_utf8(metrics.into_body().to_vec()).unwrap();
    assert!(metrics.contains("discreet_provider_issued_total{outcome=\"Signed\"} 2\n"), "{metrics}");
}

#[tokio::test]
async fn the_directory_is_the_same_for_everybody() {
    let issuing = Issuing::new().await;
    let path = "/.well-known/private-token-issuer-directory";
    let get = |bearer: &str| {
        let request = Request::get(path).header("authorization", format!("Bearer {bearer}"));
        request.header("accept", "*/*").body(Bytes::new()).unwrap()
    };
    let (one, other) = (issuing.send(get(&issuing.site.ann)).await, issuing.send(get("nobody")).await);
    assert_eq!((one.status().as_u16(), one.headers(), one.body()), (200, other.headers(), other.body()));
    assert_eq!(one.headers()["content-type"], "application/private-token-issuer-directory");
    assert_eq!(one.headers()["cache-control"], "public, max-age=3600");
    let posted = issuing.send(Request::post(path).body(Bytes::new()).unwrap()).await;
    assert_eq!((posted.status().as_u16(), posted.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    let got = issuing.send(Request::get("/v1/tokens").body(Bytes::new()).unwrap()).await;
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));
    // The other role is not enabled.
    assert_eq!(issuing.send(Request::get("/v1/authority").body(Bytes::new()).unwrap()).await.status(), 404);
}

#[tokio::test]
async fn rejects_requests_without_an_account() {
    let issuing = Issuing::new().await;
    let wanted = Wanted::new(&issuing.key().await).request.encode();
    let mut nameless = asking("", wanted.clone());
    nameless.headers_mut().remove("authorization");
    for request in [nameless, asking("stranger", wanted.clone()), asking("", wanted)] {
        let answer = issuing.send(request).await;
        assert_eq!(
            (refusal(&answer).0, answer.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer")
        );
    }
}

#[tokio::test]
async fn rejects_a_revoked_account_after_a_reload() {
    let issuing = Issuing::new().await;
    let accounts = fs::read_to_string(issuing.site.path("accounts.tokens")).unwrap();
    let without = accounts.lines().filter(|line| !line.ends_with(" ann")).map(|line| format!("{line}\n"));
    fs::write(issuing.site.path("accounts.tokens"), without.collect::<String>()).unwrap();
    assert_eq!(issuing.ask(&issuing.site.ann).await.status(), 200);
    issuing.provider.reload().unwrap();
    assert_eq!(refusal(&issuing.ask(&issuing.site.ann).await).0, 401);
    assert_eq!(issuing.ask(&issuing.site.ben).await.status(), 200);
}

/// RFC 9578 §6.2: whatever is wrong with a request is 422. None of it costs quota.
#[tokio::test]
async fn rejects_malformed_requests_and_takes_nothing_for_them() {
    let issuing = Issuing::new().await;
    let key = issuing.key().await;
    let good = Wanted::new(&key).request.encode();
    let changed = |at: usize, to: u8| {
        let mut content = good.clone();
        content[at] = to;
        content
    };
    let mut too_large = good.clone();
    too_large[3..].fill(0xff);
    let longer = [&good[..], &[0]].concat();
    let cases = [
        ("empty", Vec::new()),
        ("truncated", good[..258].to_vec()),
        ("longer", longer),
        ("another type", changed(1, 1)),
        ("an unknown key", changed(2, key.truncated_id() ^ 1)),
        ("not below the modulus", too_large),
    ];
    for (what, content) in cases {
        let answer = issuing.send(asking(&issuing.site.ann, content)).await;
        assert_eq!(refusal(&answer).0, 422, "{what}");
    }
    for media_type in ["application/json", "application/private-token-request2", ""] {
        let mut request = asking(&issuing.site.ann, good.clone());
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        assert_eq!(refusal(&issuing.send(request).await).0, 415, "{media_type}");
    }
    assert_eq!(issuing.signed(&issuing.site.ann, 11).await, 10, "the whole quota is there");
}

#[tokio::test]
async fn the_quota_holds_at_the_edge_of_any_window_and_across_a_restart() {
    let issuing = Issuing::new().await;
    issuing.clock.set(NOW - 1);
    assert_eq!(issuing.signed(&issuing.site.ann, 12).await, 10);
    let answer = issuing.ask(&issuing.site.ann).await;
    assert_eq!((refusal(&answer).0, answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    // A full hour, at which 50/24 tokens are there again, and no more.
    let issuing = issuing.restart().await;
    issuing.clock.set(NOW);
    assert_eq!(issuing.signed(&issuing.site.ann, 12).await, 2);
    assert_eq!(issuing.ask(&issuing.site.ann).await.headers()["retry-after"], "3600");
    assert_eq!(issuing.signed(&issuing.site.ben, 1).await, 1, "others are not concerned");
}

#[tokio::test]
async fn a_clock_that_goes_back_and_forth_gives_no_more_than_it_went_on() {
    let issuing = Issuing::new().await;
    assert_eq!(issuing.signed(&issuing.site.ann, 11).await, 10);
    for time in [NOW - 7200, NOW - 365 * 86_400, NOW - 3600 - 365 * 86_400] {
        issuing.clock.set(time);
        assert_eq!(issuing.signed(&issuing.site.ann, 1).await, 0, "{time}");
    }
    issuing.clock.set(NOW + 365 * 86_400);
    assert_eq!(issuing.signed(&issuing.site.ann, 11).await, 10, "one burst");
    issuing.clock.set(NOW);
    assert_eq!(issuing.signed(&issuing.site.ann, 1).await, 0);
    issuing.clock.set(NOW + 3600);
    assert_eq!(issuing.signed(&issuing.site.ann, 3).await, 2, "nobody is locked out");
}

#[tokio::test]
async fn of_64_parallel_requests_over_one_connection_exactly_the_quota_is_signed() {
    let issuing = Issuing::new().await;
    let key = issuing.key().await;
    let stream = tokio::net::TcpStream::connect(issuing.provider.addr()).await.unwrap();
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut asking_all = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (mut client, wanted) = (client.clone(), Wanted::new(&key));
        let mut request = asking(&issuing.site.ann, wanted.request.encode()).map(Full::new);
        *request.uri_mut() = "http://localhost/v1/tokens".parse().unwrap();
        asking_all.spawn(async move {
            let answer = client.send_request(request).await.unwrap();
            let status = answer.status().as_u16();
            let content = answer.into_body().collect().await.unwrap().to_bytes();
            (status, status == 200 && wanted.verifies(&content))
        });
    }
    let answers = asking_all.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == (200, true)).count(), 10, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == (429, false)).count(), 54, "{answers:?}");
    connection.abort();
}

/// A lower bound only: what is above depends on the machine.
#[tokio::test]
async fn no_answer_leaves_before_a_whole_step_of_time() {
    let issuing = Issuing::new().await;
    let good = Wanted::new(&issuing.key().await).request.encode();
    for (bearer, content, status) in [
        (&issuing.site.ann, good.clone(), 200),
        (&issuing.site.ann, Vec::new(), 422),
        (&"stranger".to_owned(), good, 401),
    ] {
        let began = Instant::now();
        assert_eq!(issuing.send(asking(bearer, content)).await.status(), status);
        assert!(began.elapsed().as_millis() >= 50, "{status} after {:?}", began.elapsed());
    }
}

/// Accounts of a provider's own: by a field of its front.
struct Own;

impl Accounts for Own {
    fn account(&self, headers: &HeaderMap, _: Option<&Visitor>) -> Result<Account, NotAdmitted> {
        match headers.get("x-user").map(http::HeaderValue::as_bytes) {
            None => Err(NotAdmitted::Nothing),
            Some(b"down") => Err(NotAdmitted::Unavailable),
            Some(user) => Ok(Account::new("own", user)),
        }
    }
}

#[tokio::test]
async fn a_provider_may_bring_accounts_of_its_own() {
    let without = Issuing::start(Site::new(&format!("{PLAINTEXT}{ISSUER}")), None, NOW).await;
    assert!(matches!(without.err(), Some(BindError::Issuer(_))));
    let site = Site::new(&format!("{PLAINTEXT}{ISSUER}"));
    let issuing = Issuing::start(site, Some(Arc::new(Own)), NOW).await.unwrap();
    for (user, status) in [(None, 401), (Some("down"), 503), (Some("ann"), 200)] {
        let mut request = asking(&issuing.site.ann, Wanted::new(&issuing.key().await).request.encode());
        if let Some(user) = user {
            request.headers_mut().insert("x-user", user.parse().unwrap());
        }
        assert_eq!(issuing.send(request).await.status(), status, "{user:?}");
    }
}

#[tokio::test]
async fn rejects_certificates_as_accounts_where_nobody_is_asked_for_one() {
    let site = Site::new(&format!("{PLAINTEXT}{ISSUER}accounts = \"certificates\"\n"));
    assert!(matches!(Issuing::start(site, None, NOW).await.err(), Some(BindError::NoCertificates)));
}

#[tokio::test]
async fn rejects_quotas_that_nobody_can_live_with() {
    let config = format!("{PLAINTEXT}{ISSUER}{BEARERS}").replace("per_day = 50", "per_day = 49");
    let refused = Issuing::start(Site::new(&config), None, NOW).await.err().unwrap();
    assert!(refused.to_string().contains("issuer.quota.per_day must be 50 to 1000000"), "{refused}");
}

mod process;
mod visitors;
