//! A lookup as the resolver answers it, from a directory of some thousand mappings in SQLite, without and with a
//! token; and what verifying the token's signature alone costs.

// A benchmark that cannot be set up ends: here panics are the message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA384};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path};
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{Token, TokenInput, TokenKey, challenge_digest};
use discreet_resolver::Resolver;
use discreet_serve::{Clock, Environment, Log};
use http::{Request, header::AUTHORIZATION};
use prometheus_client::registry::Registry;
use std::cell::Cell;
use std::path::Path;
use tempfile::TempDir;
use tests::{World, provider, world};

/// Noon, 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_348_800);
const MAPPINGS: usize = 5000;
const ISSUER: &str = "issuer.example";
/// The form of RFC 9578 §6.5, as its Appendix B.2 has it, up to the modulus.
const VECTORS: &str = include_str!("../vectors/rfc9578-public-tokens.json");

fn number(index: usize) -> String {
    format!("+1415{:07}", 5_550_000 + index)
}

/// In memory where the system has such a folder: what is measured is not the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

fn resolver(folder: &Path, rules: &str) -> Resolver {
    let world = World::new(1, NOW);
    let lines: Vec<_> = (0..MAPPINGS).map(|index| world.line(&number(index))).collect();
    provider(folder, &world, &lines).unwrap();
    std::fs::write(folder.join("rules.toml"), world.rules() + rules).unwrap();
    let mut config: discreet_resolver::Config =
        discreet_serve::config::load(&folder.join("resolver.toml")).unwrap();
    config.resolve(folder);
    let environment = Environment::new(Log::off(), Clock::manual(NOW.unix()));
    Resolver::open(&config, &environment, &mut Registry::default()).unwrap()
}

fn request(number: &str, token: Option<&Token>) -> Request<Bytes> {
    let query = IdentifierRequest { subject: Subject::Exact(world::phone(number)), tag: None };
    let uri = format!("https://{}{}", world::DOMAIN, lookup_path(&world::domain(world::DOMAIN)));
    let mut request = Request::post(uri);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token.to_field());
    }
    request.body(Bytes::from(query.encode().unwrap())).unwrap()
}

fn expect(resolver: &Resolver, request: Request<Bytes>, code: ResponseCode) {
    let answer = resolver.answer(request);
    assert_eq!(IdentifierResponse::decode(answer.body()).unwrap().code, code);
}

fn free(criterion: &mut Criterion) {
    let folder = folder();
    let resolver = resolver(folder.path(), "");
    for (name, first, code) in
        [("found", 0, ResponseCode::Success), ("not found", MAPPINGS, ResponseCode::NotFound)]
    {
        let requests: Vec<_> = (0..1000).map(|index| request(&number(first + index * 3), None)).collect();
        expect(&resolver, requests[0].clone(), code);
        let mut next = 0;
        criterion.bench_function(&format!("lookup, {name}"), |bencher| {
            bencher.iter(|| {
                next += 1;
                resolver.answer(requests[next % requests.len()].clone())
            });
        });
    }
}

fn paid(criterion: &mut Criterion) {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    let mut spki = hex::decode(vectors[0]["pkS"].as_str().unwrap()).unwrap();
    // `RSAPublicKey` (RFC 8017 §A.1.1): nine bytes, the modulus, five bytes.
    spki[81..81 + 256].copy_from_slice(&key.public_key().as_ref()[9..9 + 256]);
    let public = TokenKey::from_spki(&spki).unwrap();
    let rules = format!(
        "\n[prices]\nlookup = 1\n\n[[issuers]]\nname = \"{ISSUER}\"\nredemptions_per_day = 1000000000\n\
         not_found_per_day = 1000000000\n[[issuers.keys]]\nkey = \"{}\"\nfrom = 2026-11-21\nuntil = 2026-12-01\n",
        URL_SAFE_NO_PAD.encode(public.to_spki())
    );
    let made = Cell::new(0u64);
    let token = || {
        made.set(made.get() + 1);
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&made.get().to_be_bytes());
        let challenge_digest = challenge_digest(&world::domain(ISSUER), &world::domain(world::DOMAIN));
        let input = TokenInput { nonce, challenge_digest, key_id: *public.id() };
        let mut authenticator = [0; 256];
        key.sign(&RSA_PSS_SHA384, &SystemRandom::new(), &input.encode(), &mut authenticator).unwrap();
        Token::new(&input, authenticator)
    };

    let verifier = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, public.to_rsa_public_key()).unwrap();
    let one = token();
    criterion.bench_function("token, its signature alone", |bencher| {
        bencher.iter(|| verifier.verify_sig(&one.input().encode(), one.authenticator()).unwrap());
    });

    let folder = folder();
    let resolver = resolver(folder.path(), &rules);
    let ask = || request(&number(usize::try_from(made.get()).unwrap() % MAPPINGS), Some(&token()));
    expect(&resolver, ask(), ResponseCode::Success);
    let mut group = criterion.benchmark_group("paid");
    group.sample_size(20);
    group.bench_function("lookup, found, with a token", |bencher| {
        bencher.iter_batched(ask, |request| resolver.answer(request), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, free, paid);
criterion_main!(benches);
