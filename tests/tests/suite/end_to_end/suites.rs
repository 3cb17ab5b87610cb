//! Every KEM and AEAD, through everything. Clients take X-Wing, the first; the rest must work, too.

use super::{NOW, NUMBER, ask};
use crate::wire::{Http, SUITES, lookup, seal};
use bytes::Bytes;
use discreet_client::{Core, Finished, MemoryStorage, Outcome, RelayResponse};
use discreet_envelope::keys::{Kem, KeyCollection};
use discreet_envelope::message;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::{IdentifierResponse, ResponseCode};
use discreet_protocol::statement::{open, sign};
use http::{Request, Response, Version};
use tests::{Net, World};

async fn start() -> Net {
    let world = World::new(1, NOW);
    let lines = vec![world.line(NUMBER)];
    Net::builder().lines(lines).start(world).await.unwrap()
}

fn received(response: Response<Bytes>) -> RelayResponse {
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    RelayResponse {
        status: response.status().as_u16(),
        content_type: Some(content_type),
        body: response.body().to_vec(),
    }
}

/// One lookup by the client's core, under a policy with the keys of `kem` only.
async fn first_bytes_of_lookup(kem: Kem) -> Vec<u8> {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let published = http.get(&http.gateway("/.well-known/discreet")).await;
    let mut policy: Policy = open(published.body(), &net.world.directory_key.verifying_key()).unwrap();
    let keys = KeyCollection::decode(&policy.keys).unwrap();
    let keys = keys.configs().iter().filter(|config| config.kem() == kem).cloned().collect();
    policy.keys = KeyCollection::new(keys).unwrap().encode();
    let policy = sign(&policy, &net.world.directory_key);
    let mut answer = Response::new(Bytes::from(policy));
    answer.headers_mut().insert("content-type", published.headers()["content-type"].clone());

    let core = Core::new(net.profile(), Box::new(MemoryStorage::default()));
    let requests = core.policy_requests(NOW).unwrap();
    let fetched: Vec<_> = requests.into_iter().map(|request| (request, received(answer.clone()))).collect();
    core.accept_policies(&fetched, NOW).unwrap();
    let prepared = core.prepare(ask(NUMBER), NOW).unwrap();
    assert_eq!(prepared.body.len(), 4096);
    let request = Request::post(&prepared.url).header("content-type", prepared.content_type);
    let response = http.send(request.body(Bytes::from(prepared.body.clone())).unwrap()).await;
    let finished = core.finish(prepared.pending, &received(response), NOW).unwrap();
    let Finished::Answer(answer) = finished else { panic!("a date is wanted") };
    assert_eq!(answer.outcome(), Outcome::OneService);
    prepared.body[..7].to_vec()
}

#[tokio::test]
async fn a_provider_with_x25519_only_is_asked_by_x25519() {
    // RFC 9180 §7: KEM 0x0020, KDF 0x0001, AEAD 0x0001.
    assert_eq!(first_bytes_of_lookup(Kem::X25519).await[1..], [0, 0x20, 0, 1, 0, 1]);
}

#[tokio::test]
async fn a_provider_with_x_wing_is_asked_by_x_wing() {
    assert_eq!(first_bytes_of_lookup(Kem::XWing).await[1..], [0x64, 0x7a, 0, 1, 0, 1]);
}

#[tokio::test]
async fn every_suite_gets_its_answer_through_a_relay() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    for (kem, aead) in SUITES {
        let (sealed, opener) = seal(&keys, kem, aead, lookup(NUMBER, None));
        let response = http.post(&net.relay_urls()[0], sealed).await;
        let opened = opener.decapsulate(response.body()).unwrap();
        let inner = message::decode_response(&opened).unwrap();
        let answer = IdentifierResponse::decode(inner.body()).unwrap();
        assert_eq!(answer.code, ResponseCode::Success, "{kem:?} {aead:?}");
        assert_eq!(answer.uris.len(), 1);
    }
}
