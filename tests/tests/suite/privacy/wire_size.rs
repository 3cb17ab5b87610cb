//! One wire size: whatever is asked, published or withdrawn, by whichever suite, and whatever comes of
//! it, every hop carries 4096 bytes up and 8192 down, in the same DATA frames.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::end_to_end::NOW;
use crate::recorder::Recorder;
use crate::recorder::assert_one_size;
use crate::wire::{Http, SUITES, binary, lookup_of, seal};
use discreet_client::{Outcome, Query};
use discreet_envelope::message;
use discreet_protocol::identifier::Csi;
use discreet_protocol::mapping::Tag;
use discreet_protocol::query::{IdentifierRequest, Subject, VerifiableMapping};
use discreet_protocol::statement::sign;
use discreet_protocol::withdrawal::Withdrawal;
use frames::{Half, Stream, Tap};
use http::{Response, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use tests::world::{DOMAIN, domain};
use tests::{Net, Person, World};

mod frames;

const LOOKUP: &str = "/v1/identifierQuery/dp.example";
const PUBLISH: &str = "/v1/mappings/dp.example";
const WITHDRAW: &str = "/v1/withdrawals/dp.example";

/// What a client may do with an identifier.
#[derive(Clone, Debug)]
enum Step {
    Lookup {
        tag: Option<String>,
    },
    Publish {
        serial: u64,
        tag: Option<String>,
        services: usize,
        hidden: bool,
    },
    Withdraw {
        serial: u64,
        tag: Option<String>,
    },
    /// Bytes of no meaning, as the content of an operation.
    Garbage {
        path: &'static str,
        content: Vec<u8>,
    },
    /// One of [`broken`].
    Broken {
        index: usize,
    },
}

/// What came of a step: which one, the inner status, and the code in a lookup's answer.
type Came = (&'static str, u16, Option<u8>);

/// Requests that open, and that no client of ours sends.
fn broken() -> [Vec<u8>; 7] {
    [
        b"not binary HTTP".to_vec(),
        Vec::new(),
        binary("POST", "https", "other.example", LOOKUP, &[], b""),
        binary("GET", "https", DOMAIN, LOOKUP, &[], b""),
        binary("POST", "https", DOMAIN, "/elsewhere", &[], b""),
        binary("POST", "https", DOMAIN, LOOKUP, &[("expect", "100-continue")], b""),
        // nick(2): not an exact identifier.
        lookup_of(b"\x05\x02\x03bob\x00".to_vec()),
    ]
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Lookup { .. } => "lookup",
            Self::Publish { .. } => "publish",
            Self::Withdraw { .. } => "withdraw",
            Self::Garbage { .. } => "garbage",
            Self::Broken { .. } => "broken",
        }
    }

    /// The binary message, about the identifier of `person`.
    fn message(&self, person: &Person) -> Vec<u8> {
        let post = |path: &str, content: &[u8]| binary("POST", "https", DOMAIN, path, &[], content);
        match self.clone() {
            Self::Lookup { tag } => {
                let subject = Subject::Exact(person.mapping.csi.clone());
                lookup_of(IdentifierRequest { subject, tag: tag.as_deref().map(tagged) }.encode().unwrap())
            }
            Self::Publish { serial, tag, services, hidden } => {
                post(PUBLISH, &publication(person, serial, tag.as_deref(), services, hidden))
            }
            Self::Withdraw { serial, tag } => post(WITHDRAW, &withdrawal(person, serial, tag.as_deref())),
            Self::Garbage { path, content } => post(path, &content),
            Self::Broken { index } => broken()[index].clone(),
        }
    }

    fn came(&self, inner: &Response<bytes::Bytes>) -> Came {
        let code = inner.body().first().copied().filter(|_| inner.status() == 200);
        (self.name(), inner.status().as_u16(), code)
    }
}

fn tagged(tag: &str) -> Tag {
    Tag::new(tag).unwrap()
}

fn publication(person: &Person, serial: u64, tag: Option<&str>, services: usize, hidden: bool) -> Vec<u8> {
    let uris: Vec<_> = (0..services).map(|n| format!("mimi://service-{n}.example/u/ann")).collect();
    let uris: Vec<_> = uris.iter().map(String::as_str).collect();
    let mut person = person.clone().reaches(&uris).tag(tag.unwrap_or("Default"));
    person.mapping.serial = serial;
    person.mapping.serve_as_not_found = hidden;
    VerifiableMapping::new(person.signed_mapping(), person.signed_status()).encode().unwrap()
}

fn withdrawal(person: &Person, serial: u64, tag: Option<&str>) -> Vec<u8> {
    let claims = Withdrawal {
        csi: person.mapping.csi.clone(),
        audience: vec![domain(DOMAIN)],
        tag: tag.map(tagged),
        serial,
        credential: sign(&person.credential, &person.authority),
    };
    sign(&claims, &person.holder)
}

fn any_csi() -> impl Strategy<Value = Csi> {
    prop_oneof![
        "\\+[1-9][0-9]{6,14}".prop_map(|text| Csi::phone(&text).unwrap()),
        "[a-zA-Z0-9+-]{1,64}@a\\.example".prop_map(|text| Csi::email(&text).unwrap()),
        "[a-z]{1,64}@[a-z]{1,60}\\.example".prop_map(|text| Csi::email(&text).unwrap()),
        "[a-z0-9._-]{1,64}".prop_map(|text| Csi::handle(&text).unwrap()),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let tag = || prop::option::of(prop_oneof![Just("Default".to_owned()), "[a-zA-Z0-9-]{1,32}"]);
    prop_oneof![
        3 => tag().prop_map(|tag| Step::Lookup { tag }),
        3 => (1..5u64, tag(), 0..6usize, any::<bool>())
            .prop_map(|(serial, tag, services, hidden)| Step::Publish { serial, tag, services, hidden }),
        2 => (1..6u64, tag()).prop_map(|(serial, tag)| Step::Withdraw { serial, tag }),
        1 => (prop::sample::select(vec![LOOKUP, PUBLISH, WITHDRAW]), vec(any::<u8>(), 0..400))
            .prop_map(|(path, content)| Step::Garbage { path, content }),
        1 => (0..broken().len()).prop_map(|index| Step::Broken { index }),
    ]
}

/// Sends the step through a relay; the inner answer.
async fn send(http: &Http, keys: &[u8], url: &str, suite: usize, message: Vec<u8>) -> Response<bytes::Bytes> {
    let (kem, aead) = SUITES[suite];
    let (sealed, opener) = seal(keys, kem, aead, message);
    let response = http.post(url, sealed).await;
    message::decode_response(&opener.decapsulate(response.body()).unwrap()).unwrap()
}

#[test]
fn c67_any_operation_suite_and_outcome_has_one_size_on_every_hop() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let recorder = Recorder::new();
    let net = Net::builder().front(recorder.front()).start(World::new(1, NOW));
    let net = runtime.block_on(net).unwrap();
    let http = Http::new(&net, Version::HTTP_2);
    let keys = runtime.block_on(http.keys());
    let came = RefCell::new(Vec::new());
    let one = (0..SUITES.len(), 0..net.relay_urls().len(), any_step());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let tried = TestRunner::new_with_rng(config, rng).run(
        &(any_csi(), 0..2usize, vec(one, 1..9)),
        |(csi, authority, steps)| {
            let person = net.world.person(&csi, authority);
            for (suite, relay, step) in steps {
                let url = &net.relay_urls()[relay];
                let inner = runtime.block_on(send(&http, &keys, url, suite, step.message(&person)));
                came.borrow_mut().push(step.came(&inner));
            }
            Ok(())
        },
    );
    tried.unwrap();
    let came = came.into_inner();
    assert_one_size(&recorder, came.len());
    // The seed is fixed: these have all been among them.
    let kinds: BTreeSet<_> = came.iter().copied().collect();
    println!("{} operations, {} kinds of outcome: {kinds:?}", came.len(), kinds.len());
    for expected in [
        ("lookup", 200, Some(0)), // success
        ("lookup", 200, Some(1)), // notFound
        ("publish", 204, None),
        ("publish", 409, None),
        ("publish", 422, None),
        ("withdraw", 204, None),
        ("withdraw", 422, None),
        ("garbage", 400, None),
        ("broken", 200, Some(4)), // unsupportedField
        ("broken", 400, None),
        ("broken", 403, None),
        ("broken", 404, None),
        ("broken", 405, None),
        ("broken", 417, None),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} is not in {kinds:?}");
    }
}

/// Every operation with every outcome, in an order in which they come about.
fn every_outcome() -> Vec<(Step, Came)> {
    let publish = |serial, services| Step::Publish { serial, tag: None, services, hidden: false };
    let lookup = |tag: Option<&str>| Step::Lookup { tag: tag.map(str::to_owned) };
    let withdraw = |serial| Step::Withdraw { serial, tag: None };
    let garbage = |path| Step::Garbage { path, content: vec![0xa5; 200] };
    let mut steps = vec![
        (lookup(None), ("lookup", 200, Some(1))),
        (publish(1, 1), ("publish", 204, None)),
        (lookup(None), ("lookup", 200, Some(0))),
        (lookup(Some(&"x".repeat(32))), ("lookup", 200, Some(0))),
        (publish(2, 8), ("publish", 204, None)),
        (lookup(None), ("lookup", 200, Some(0))),
        (publish(1, 1), ("publish", 409, None)),
        (Step::Publish { serial: 3, tag: None, services: 1, hidden: true }, ("publish", 204, None)),
        (lookup(None), ("lookup", 200, Some(1))),
        (withdraw(4), ("withdraw", 204, None)),
        (lookup(None), ("lookup", 200, Some(1))),
        (publish(3, 1), ("publish", 409, None)),
        (garbage(LOOKUP), ("garbage", 400, None)),
        (garbage(PUBLISH), ("garbage", 400, None)),
        (garbage(WITHDRAW), ("garbage", 400, None)),
    ];
    let statuses = [400, 400, 403, 405, 404, 417];
    steps.extend(
        statuses
            .into_iter()
            .enumerate()
            .map(|(index, status)| (Step::Broken { index }, ("broken", status, None))),
    );
    steps.push((Step::Broken { index: 6 }, ("broken", 200, Some(4))));
    steps
}

#[tokio::test]
async fn c67_data_frames_are_equal_whatever_comes_of_which_operation() {
    let tap = Tap::new();
    let net = Net::builder().front(tap.front()).start(World::new(1, NOW)).await.unwrap();
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let url = net.relay_urls()[0].clone();
    let stranger = net.world.person(&Csi::handle("nobody").unwrap(), 0);
    // Warm: the relay has used each of its connections to the gateway more than once.
    let warm = 12;
    for _ in 0..warm {
        send(&http, &keys, &url, 0, Step::Lookup { tag: None }.message(&stranger)).await;
    }
    let mut spent: [Vec<[usize; 2]>; 2] = Default::default();
    let mut operations = 0;
    for suite in 0..SUITES.len() {
        let person = net.world.person(&Csi::phone(&format!("+1415555012{suite}")).unwrap(), 0);
        for (step, expected) in every_outcome() {
            let before = ["relay", "gateway"].map(|role| tap.wire(role));
            let inner = send(&http, &keys, &url, suite, step.message(&person)).await;
            assert_eq!(step.came(&inner), expected, "{step:?}");
            for (at, role) in ["relay", "gateway"].into_iter().enumerate() {
                let [up, down] = tap.wire(role);
                spent[at].push([up - before[at][0], down - before[at][1]]);
            }
            operations += 1;
        }
    }
    // And as our own client sends them, on connections of its own.
    let client = net.client().build().unwrap();
    let person = net.world.person(&Csi::email("ann@a.example").unwrap(), 1);
    for serial in [2, 1] {
        let content = publication(&person, serial, None, 1, false);
        let taken = client.publish(VerifiableMapping::decode(&content).unwrap(), None).await.unwrap();
        assert_eq!(taken.outcome.is_ok(), serial == 2);
        let query = Query { csi: person.mapping.csi.clone(), tag: None };
        assert_eq!(client.lookup(query).await.unwrap().outcome(), Outcome::OneService);
        operations += 2;
    }
    for (role, spent) in ["relay", "gateway"].into_iter().zip(&spent) {
        let streams = tap.operations(role);
        let headers = |half: fn(&Stream) -> &Half| {
            spread(streams.iter().map(|stream| half(stream).headers.iter().sum()))
        };
        let report = format!(
            "{role}: {} operations on {} connections; HEADERS up {:?}, down {:?}; bytes with TLS up {:?}, down {:?}",
            streams.len(),
            tap.connections(role),
            headers(|stream| &stream.up),
            headers(|stream| &stream.down),
            spread(spent.iter().map(|bytes| bytes[0])),
            spread(spent.iter().map(|bytes| bytes[1])),
        );
        println!("{report}");
        assert_eq!(streams.len(), warm + operations, "{report}");
        let patterns: BTreeSet<_> =
            streams.iter().map(|stream| (stream.up.data.clone(), stream.down.data.clone())).collect();
        assert_eq!(patterns.len(), 1, "{report}: {patterns:?}");
        let (up, down) = patterns.first().unwrap();
        println!("{role}: DATA frames up {up:?}, down {down:?}");
        assert_eq!(up.iter().map(|(length, _)| length).sum::<usize>(), 4096, "{report}");
        assert_eq!(down.iter().map(|(length, _)| length).sum::<usize>(), 8192, "{report}");
    }
}

fn spread(values: impl Iterator<Item = usize> + Clone) -> RangeInclusive<usize> {
    values.clone().min().unwrap()..=values.max().unwrap()
}
