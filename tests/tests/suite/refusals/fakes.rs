//! Relays and a discovery provider whose every word is the test's.

use crate::end_to_end::{NOW, ask};
use bytes::Bytes;
use discreet_client::{Answer, Client, Error, Profile};
use discreet_envelope::{message, padding};
use discreet_gateway::ratchet::Ratchet;
use discreet_gateway::{Keyring, Opened};
use discreet_protocol::policy::{Authorities, Authority, Issuers, Policy, Prices, Services};
use discreet_protocol::query::{IdentifierResponse, ResponseCode, VerifiableMapping};
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::log::LogBuffer;
use discreet_serve::secret::Secret32;
use discreet_serve::{Admin, Clock, Handler, Inherited, Limits, Listen, LogConfig, Shell, ShellConfig};
use http::{Method, Request, Response};
use std::sync::{Arc, Mutex};
use tests::world::{AUTHORITIES, DOMAIN, domain};
use tests::{Person, World};

pub(crate) const NUMBER: &str = "+14155550123";
pub(crate) const POLICY_TYPE: &str = "application/cose; cose-type=\"cose-sign1\"";

/// A server on loopback that answers what the test wants and counts what it is asked.
pub(crate) struct Fake {
    shell: Shell,
    asked: Asked,
}

type Asked = Arc<Mutex<Vec<Method>>>;

struct Script<F>(F, Asked);

impl<F: Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static> Handler for Script<F> {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.1.lock().unwrap().push(request.method().clone());
        (self.0)(&request)
    }
}

impl Fake {
    pub(crate) async fn start(
        answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let asked = Asked::default();
        let config = ShellConfig {
            listen: &Listen::Plaintext { address: "127.0.0.1:0".parse().unwrap() },
            admin: &Admin::Disabled,
            limits: &Limits::default(),
            max_request_bytes: 65_536,
            log: &LogBuffer::default().log(&LogConfig::default()),
            registry: Default::default(),
            background: Vec::new(),
            reloads: Vec::new(),
            inherited: &Inherited::default(),
        };
        let script = Script(answer, Arc::clone(&asked));
        Self { shell: Shell::start(config, script).await.unwrap(), asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/dp", self.shell.addr())
    }

    /// How often it was asked by `method`.
    pub(crate) fn asked(&self, method: Method) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == method).count()
    }
}

/// A response as a relay gives it.
pub(crate) fn response(status: u16, content_type: &str, content: impl Into<Bytes>) -> Response<Bytes> {
    let response = Response::builder().status(status).header("content-type", content_type);
    response.body(content.into()).unwrap()
}

/// The discovery provider: signs policies and answers lookups as it is told.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) world: World,
    pub(crate) keyring: Arc<Keyring>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self { world: World::new(1, NOW), keyring: keyring(1) }
    }

    /// A policy to which nobody could object.
    pub(crate) fn policy(&self) -> Policy {
        let authorities = AUTHORITIES.iter().zip(&self.world.authorities).map(|(name, key)| Authority {
            name: domain(name),
            key: key.verifying_key(),
            namespaces: vec!["tel:+".parse().unwrap(), "mailto:a.example".parse().unwrap()],
        });
        Policy {
            domain: domain(DOMAIN),
            serial: 10,
            not_before: NOW.start_of_day(),
            not_after: NOW.start_of_day().plus(7 * DAY),
            operator: "Example Discovery Ltd".to_owned(),
            keys: self.keyring.collection().to_vec(),
            authorities: Authorities::new(authorities.collect()).unwrap(),
            sizes: (4096, 8192),
            services: Services::default(),
            issuers: Issuers::default(),
            prices: Prices::default(),
        }
    }

    /// A policy, signed and served.
    pub(crate) fn serve(&self, policy: &Policy) -> Response<Bytes> {
        response(200, POLICY_TYPE, sign(policy, &self.world.directory_key))
    }

    pub(crate) fn person(&self) -> Person {
        self.world.person(&tests::world::phone(NUMBER), 0)
    }

    /// Opens an encapsulated request and seals `content` as the inner answer.
    pub(crate) fn seal(&self, request: &Request<Bytes>, inner: &Response<Bytes>) -> Response<Bytes> {
        self.seal_message(request, message::encode_response(inner).unwrap())
    }

    /// As [`Provider::seal`], with any message at all.
    pub(crate) fn seal_message(&self, request: &Request<Bytes>, message: Vec<u8>) -> Response<Bytes> {
        let Opened { sealer, .. } = self.keyring.open(request.body()).unwrap();
        let padded = padding::pad(message, padding::response_room(sealer.aead())).unwrap();
        response(200, "message/ohttp-res", sealer.seal(padded).unwrap())
    }
}

pub(crate) fn keyring(seed: u8) -> Arc<Keyring> {
    let start = Timestamp::from_unix(0);
    Arc::new(Keyring::at(&Ratchet::new(Secret32::new([seed; 32]), 0, start, 7), start).unwrap())
}

/// The answer of an honest directory that holds `people`.
pub(crate) fn found(people: &[Person]) -> IdentifierResponse {
    let reaches = people.iter().flat_map(|person| &person.mapping.reaches);
    let mapping = |person: &Person| VerifiableMapping::new(person.signed_mapping(), person.signed_status());
    IdentifierResponse {
        code: ResponseCode::Success,
        uris: reaches.map(|reach| reach.uri.clone()).collect(),
        mappings: people.iter().map(mapping).collect(),
    }
}

/// Two relays of different operators, and a client that uses them.
pub(crate) struct Relays {
    pub(crate) relays: [Fake; 2],
    pub(crate) clock: Clock,
    pub(crate) client: Client,
}

impl Relays {
    /// `policy` answers GETs, given the relay's index; `lookup` answers POSTs.
    pub(crate) async fn start(
        policy: impl Fn(usize) -> Response<Bytes> + Clone + Send + Sync + 'static,
        lookup: impl Fn(&Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
    ) -> Self {
        let relay = |index: usize| {
            let (policy, lookup) = (policy.clone(), lookup.clone());
            Fake::start(move |request| match *request.method() {
                Method::GET => policy(index),
                _ => lookup(request),
            })
        };
        let relays = [relay(0).await, relay(1).await];
        let clock = Clock::manual(NOW.unix());
        let profile = profile(&relays.each_ref().map(Fake::url));
        let client = client(profile, &clock);
        Self { relays, clock, client }
    }

    /// Honest about the policy.
    pub(crate) async fn of(
        provider: &Provider,
        lookup: impl Fn(&Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
    ) -> Self {
        let served = provider.serve(&provider.policy());
        Self::start(move |_| served.clone(), lookup).await
    }

    /// With policies that must be refused before anything is asked.
    pub(crate) async fn refusing(
        policy: impl Fn(usize) -> Response<Bytes> + Clone + Send + Sync + 'static,
    ) -> Error {
        let relays = Self::start(policy, |_| response(500, "text/plain", "a lookup was sent")).await;
        let error = relays.look_up().await.unwrap_err();
        assert_eq!(relays.asked(Method::POST), 0, "no lookup may be sent");
        error
    }

    pub(crate) async fn look_up(&self) -> Result<Answer, Error> {
        self.client.lookup(ask(NUMBER)).await
    }

    pub(crate) fn asked(&self, method: Method) -> usize {
        self.relays.iter().map(|relay| relay.asked(method.clone())).sum()
    }
}

/// A profile of these relays, each of an operator of its own.
pub(crate) fn profile(urls: &[String]) -> Profile {
    Profile::from_toml(&profile_text(urls)).unwrap()
}

pub(crate) fn profile_text(urls: &[String]) -> String {
    let key = World::new(1, NOW).directory_key.verifying_key().to_bytes();
    let relay = |(url, operator): (&String, &str)| {
        format!("[[relays]]\nurl = \"{url}\"\noperator = \"{operator} Ltd\"\n")
    };
    let relays: String = urls.iter().zip(["One", "Two", "Three", "Four"]).map(relay).collect();
    format!("domain = \"dp.example\"\ndirectory_key = \"{}\"\n{relays}", hex::encode(key))
}

pub(crate) fn client(profile: Profile, clock: &Clock) -> Client {
    let clock = clock.clone();
    Client::builder(profile).clock(move || clock.now()).build().unwrap()
}
