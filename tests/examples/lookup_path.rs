//! Lookups through the gateway's opener, the resolver and the sealing of the answer, in one thread and
//! without a network, so that callgrind can count their instructions: see `tests/instructions/run`.
//!
//! `lookup_path make FOLDER` writes a directory and sealed requests, and checks that each is answered with
//! the mapping it asks for. `lookup_path run FOLDER SUITE COUNT` answers the first of them.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, Suite};
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT, pad, request_room};
use discreet_envelope::{OHTTP_RESPONSE, message};
use discreet_gateway::Offline;
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path};
use discreet_protocol::time::Timestamp;
use discreet_serve::{Clock, Environment, Log};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use std::fs;
use std::path::Path;
use tests::{World, provider, world};

/// Noon, 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_348_800);
/// Mappings in the directory: enough for its tree to have more than one level.
const MAPPINGS: usize = 2000;
/// Sealed requests for each KEM, each for another number.
const REQUESTS: usize = 220;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder] => make(Path::new(folder)),
        ["run", folder, suite, count] => run(Path::new(folder), suite, count.parse()?),
        _ => anyhow::bail!("use: lookup_path make FOLDER, or lookup_path run FOLDER SUITE COUNT"),
    }
}

fn open(folder: &Path, lines: &[String]) -> Result<Offline> {
    let config = provider(folder, &World::new(1, NOW), lines)?;
    Ok(Offline::open(&config, &Environment::new(Log::off(), Clock::manual(NOW.unix())))?)
}

fn number(index: usize) -> String {
    format!("+1415{:07}", 5_550_000 + index)
}

fn make(folder: &Path) -> Result<()> {
    let world = World::new(1, NOW);
    let lines: Vec<_> = (0..MAPPINGS).map(|index| world.line(&number(index))).collect();
    let gateway = open(folder, &lines)?;
    for (name, kem) in [("x-wing", Kem::XWing), ("x25519", Kem::X25519)] {
        let mut stock = Vec::with_capacity(REQUESTS * REQUEST_CONTENT);
        for index in 0..REQUESTS {
            // Spread over the directory.
            let (request, response) = seal(&gateway, kem, &number(index * 7 % MAPPINGS))?;
            check(&gateway, &request, response)?;
            stock.extend(request);
        }
        fs::write(folder.join(name), stock)?;
    }
    Ok(())
}

/// A lookup of `number` as a client sends it, with the first AEAD offered.
fn seal(gateway: &Offline, kem: Kem, number: &str) -> Result<(Vec<u8>, ohttp::ClientResponse)> {
    let collection = KeyCollection::decode(&gateway.collection())?;
    let config = collection.configs().iter().find(|config| config.kem() == kem).context("no such key")?;
    let suite = Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm };
    let query = IdentifierRequest { subject: Subject::Exact(world::phone(number)), tag: None };
    let uri = format!("https://{}{}", world::DOMAIN, lookup_path(&world::domain(world::DOMAIN)));
    let content = query.encode().context("the query cannot be encoded")?;
    let request = message::encode_request(&Request::post(uri).body(Bytes::from(content))?)?;
    let client = ohttp::ClientRequest::from_encoded_config(&config.to_single(suite))?;
    Ok(client.encapsulate(&pad(request, request_room(kem))?)?)
}

fn check(gateway: &Offline, request: &[u8], response: ohttp::ClientResponse) -> Result<()> {
    let outer = gateway.exchange(request)?;
    let inner = message::decode_response(&response.decapsulate(outer.body())?)?;
    let answer = IdentifierResponse::decode(inner.body())?;
    ensure!(inner.status() == StatusCode::OK && answer.code == ResponseCode::Success, "{inner:?}");
    ensure!(answer.mappings.len() == 1, "one mapping");
    Ok(())
}

/// Answers the first `count` of the stock; they were all seen to be lookups that find something.
fn run(folder: &Path, suite: &str, count: usize) -> Result<()> {
    let stock = fs::read(folder.join(suite))?;
    ensure!(count * REQUEST_CONTENT <= stock.len(), "there are not so many requests");
    let gateway = open(folder, &[])?;
    for request in stock.chunks_exact(REQUEST_CONTENT).take(count) {
        let answer = gateway.exchange(request)?;
        let sealed = answer.headers().get(CONTENT_TYPE).is_some_and(|value| value == OHTTP_RESPONSE);
        ensure!(sealed && answer.body().len() == RESPONSE_CONTENT, "{answer:?}");
    }
    Ok(())
}
