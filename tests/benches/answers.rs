//! Whether a lookup's time tells its outcome: the resolver's answer for people who are found, who look absent, who
//! have withdrawn and whom nobody has heard of, by turns in one run, each compared with those found in the same round.
//! Other people who are found, compared likewise, show the noise.
//!
//! Run it with `cargo bench -p tests --bench answers`.

// A benchmark that cannot be set up ends: here panics are the message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use discreet_protocol::query::{
    IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path, withdraw_path,
};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use discreet_protocol::withdrawal::Withdrawal;
use discreet_resolver::Resolver;
use discreet_serve::{Clock, Environment, Log};
use http::{Request, StatusCode};
use prometheus_client::registry::Registry;
use std::time::Instant;
use tests::world::{DOMAIN, domain, phone};
use tests::{Person, World, provider};

/// Noon, 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_348_800);
/// People of each kind.
const PEOPLE: usize = 1000;
/// Rounds in which each kind has a turn.
const ROUNDS: usize = 1001;
/// Lookups of a turn.
const TURN: usize = 20;

/// What there is of somebody, and what a lookup says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Found,
    FoundToo,
    Hidden,
    Withdrawn,
    Unknown,
}

const KINDS: [Kind; 5] = [Kind::Found, Kind::FoundToo, Kind::Hidden, Kind::Withdrawn, Kind::Unknown];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1, NOW);
    let people = KINDS.map(|kind| (0..PEOPLE).map(|index| person(&world, kind, index)).collect::<Vec<_>>());
    let known = people[..4].iter().flatten();
    provider(folder.path(), &world, &known.map(Person::line).collect::<Vec<_>>()).unwrap();
    let mut config: discreet_resolver::Config =
        discreet_serve::config::load(&folder.path().join("resolver.toml")).unwrap();
    config.resolve(folder.path());
    let environment = Environment::new(Log::off(), Clock::manual(NOW.unix()));
    let open = || Resolver::open(&config, &environment, &mut Registry::default()).unwrap();
    let resolver = open();
    people[Kind::Withdrawn as usize].iter().for_each(|person| withdraw(&resolver, person));
    // What was just written lies in the log; with the last connection it comes to where all others are.
    drop(resolver);
    let resolver = open();

    let requests = people.map(|people| people.iter().map(lookup).collect::<Vec<_>>());
    for (kind, requests) in KINDS.into_iter().zip(&requests) {
        requests.iter().for_each(|request| check(&resolver, kind, request.clone()));
    }
    let mut times = KINDS.map(|_| Vec::with_capacity(ROUNDS));
    for round in 0..ROUNDS {
        // Everybody comes after everybody else equally often.
        for turn in 0..KINDS.len() {
            let kind = (round + turn) % KINDS.len();
            times[kind].push(turn_of(&resolver, &requests[kind], round));
        }
    }
    println!("| | median µs | more than found, median of rounds, µs | 95 % |\n|---|---:|---:|---:|");
    for (kind, own) in KINDS.into_iter().zip(&times) {
        let differences = own.iter().zip(&times[0]).map(|(own, found)| own - found).collect();
        let [low, middle, high] = interval(differences);
        println!("| {kind:?} | {:.2} | {middle:+.2} | {low:+.2} to {high:+.2} |", interval(own.clone())[1]);
    }
}

fn person(world: &World, kind: Kind, index: usize) -> Person {
    let number = 2_000_000 + kind as usize * PEOPLE + index;
    let mut person = world.person(&phone(&format!("+1415{number}")), 0);
    person.mapping.serve_as_not_found = kind == Kind::Hidden;
    person
}

fn withdraw(resolver: &Resolver, person: &Person) {
    let withdrawal = Withdrawal {
        csi: person.mapping.csi.clone(),
        audience: vec![domain(DOMAIN)],
        tag: None,
        serial: person.mapping.serial + 1,
        credential: sign(&person.credential, &person.authority),
    };
    let content = sign(&withdrawal, &person.holder);
    let request = post(&withdraw_path(&domain(DOMAIN)), content);
    assert_eq!(resolver.answer(request).status(), StatusCode::NO_CONTENT);
}

fn lookup(person: &Person) -> Request<Bytes> {
    let query = IdentifierRequest { subject: Subject::Exact(person.mapping.csi.clone()), tag: None };
    post(&lookup_path(&domain(DOMAIN)), query.encode().unwrap())
}

fn post(path: &str, content: Vec<u8>) -> Request<Bytes> {
    Request::post(format!("https://{DOMAIN}{path}")).body(Bytes::from(content)).unwrap()
}

fn check(resolver: &Resolver, kind: Kind, request: Request<Bytes>) {
    let answer = IdentifierResponse::decode(resolver.answer(request).body()).unwrap();
    let is_found = matches!(kind, Kind::Found | Kind::FoundToo);
    assert_eq!(answer.code == ResponseCode::Success, is_found);
}

/// Microseconds of one lookup among a turn's.
fn turn_of(resolver: &Resolver, requests: &[Request<Bytes>], round: usize) -> f64 {
    let asked: Vec<_> = (0..TURN).map(|number| requests[(round * TURN + number) % PEOPLE].clone()).collect();
    let start = Instant::now();
    for request in asked {
        std::hint::black_box(resolver.answer(request));
    }
    start.elapsed().as_secs_f64() * 1e6 / TURN as f64
}

/// The median and its interval of 95 % by order statistics.
fn interval(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let spread = (0.98 * (values.len() as f64).sqrt()).ceil() as usize;
    [half - spread, half, half + spread].map(|rank| values[rank])
}
