//! The gateway's resources over real HTTPS, spoken to by a client of no particular manners.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use crate::end_to_end::NOW;
use crate::wire::{BOTH_VERSIONS, Http, binary, lookup, seal};
use bytes::Bytes;
use discreet_envelope::keys::{Aead, Kem};
use discreet_envelope::message;
use http::{Method, Request, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::{Net, World};

mod inside;

const KEYS: &str = "/.well-known/ohttp-gateway";
const POLICY: &str = "/.well-known/discreet";
const KEY_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

pub(crate) async fn start() -> Net {
    let world = World::new(1, NOW);
    let lines = vec![world.line("+14155550123")];
    Net::builder().relays(1).lines(lines).start(world).await.unwrap()
}

#[tokio::test]
async fn c08_everybody_gets_the_same_bytes() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    for path in [KEYS, POLICY] {
        let url = http.gateway(path);
        let first = http.get(&url).await;
        for (name, value) in [
            ("user-agent", "Mozilla/5.0"),
            ("accept-language", "de"),
            ("accept", "text/html"),
            ("cookie", "id=7"),
            ("x-forwarded-for", "192.0.2.1"),
            ("if-none-match", "\"x\""),
            ("range", "bytes=0-3"),
            ("accept-encoding", "gzip"),
        ] {
            let request = Request::get(&url).header(name, value).body(Bytes::new()).unwrap();
            let other = http.send(request).await;
            assert_eq!(other.status(), 200, "{name}");
            assert_eq!((first.headers(), first.body()), (other.headers(), other.body()), "{name}");
        }
    }
}

#[tokio::test]
async fn c11_rejects_truncated_requests() {
    let net = start().await;
    for version in BOTH_VERSIONS {
        let http = Http::new(&net, version);
        let keys = http.keys().await;
        // Header 7 bytes, then `enc`: 1120 bytes of X-Wing, 32 of X25519; then a tag of 16.
        for (kem, lengths) in [
            (Kem::XWing, [0, 1, 6, 7, 8, 1126, 1127, 1142].as_slice()),
            (Kem::X25519, [0, 6, 7, 38, 39, 54].as_slice()),
        ] {
            let (sealed, _) = seal(&keys, kem, Aead::Aes128Gcm, lookup("+14155550123", None));
            for &length in lengths {
                let answer = http.post_gateway(sealed[..length].to_vec()).await;
                assert_eq!(answer.status(), 400, "{kem:?} {length}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
            }
        }
    }
}

#[tokio::test]
async fn rejects_oversized_request() {
    let net = start().await;
    for version in BOTH_VERSIONS {
        let http = Http::new(&net, version);
        let keys = http.keys().await;
        let (mut sealed, _) = seal(&keys, Kem::XWing, Aead::Aes128Gcm, lookup("+14155550123", None));
        assert_eq!(http.post_gateway(sealed.clone()).await.status(), 200);
        sealed.push(0);
        assert_eq!(http.post_gateway(sealed).await.status(), 413);
    }
}

#[test]
fn c25_rejects_random_requests_with_4xx() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let net = runtime.block_on(start());
    let http = Http::new(&net, Version::HTTP_2);
    // Half of them begin like a request to one of our keys.
    let head = prop_oneof![
        Just(vec![]),
        Just(vec![1, 0x64, 0x7a, 0, 1, 0, 1]),
        Just(vec![1, 0x64, 0x7a, 0, 1, 0, 3]),
        Just(vec![2, 0, 0x20, 0, 1, 0, 1]),
    ];
    let content = (head, prop::collection::vec(any::<u8>(), 0..4089));
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&content, |(head, tail)| {
        let answer = runtime.block_on(http.post_gateway([head, tail].concat()));
        prop_assert_eq!(answer.status().as_u16(), 400);
        Ok(())
    });
    tried.unwrap();
}

#[tokio::test]
async fn c26_all_key_trouble_has_one_answer() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    let (sealed, _) = seal(&keys, Kem::XWing, Aead::Aes128Gcm, lookup("+14155550123", None));
    assert_eq!(sealed[..7], [1, 0x64, 0x7a, 0, 1, 0, 1]);
    let bend = |at: usize, byte: u8| {
        let mut bent = sealed.clone();
        assert_ne!(bent[at], byte);
        bent[at] = byte;
        bent
    };
    let flipped = |at: usize| bend(at, sealed[at] ^ 1);
    let mut bodies = Vec::new();
    for (what, bent) in [
        ("unknown key id", bend(0, 77)),
        ("the other key's id", bend(0, 2)),
        ("another KEM's id", [vec![1, 0, 0x20], sealed[3..].to_vec()].concat()),
        ("a KEM nobody has", bend(1, 0xff)),
        ("a refused KEM, 0x0030", [vec![1, 0, 0x30], sealed[3..].to_vec()].concat()),
        ("a KDF not offered", bend(4, 3)),
        ("an AEAD not offered", bend(6, 2)),
        ("another AEAD than sealed with", bend(6, 3)),
        ("flipped enc", flipped(7)),
        ("flipped ciphertext", flipped(1127)),
        ("flipped tag", flipped(4095)),
    ] {
        let answer = http.post_gateway(bent).await;
        assert_eq!(answer.status(), 400, "{what}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
        bodies.push(answer.into_body());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let problem: serde_json::Value = serde_json::from_slice(&bodies[0]).unwrap();
    assert_eq!(problem["type"], KEY_PROBLEM);
}

#[tokio::test]
async fn c12_c34_a_replay_is_refused_inside_under_a_fresh_nonce() {
    let net = start().await;
    let http = Http::new(&net, Version::HTTP_2);
    let keys = http.keys().await;
    // RFC 9458 §4.4: max(Nn, Nk) is 16 for AES-128-GCM and 32 for ChaCha20-Poly1305.
    for (aead, nonce) in [(Aead::Aes128Gcm, 16), (Aead::ChaCha20Poly1305, 32)] {
        let (sealed, opener) = seal(&keys, Kem::X25519, aead, lookup("+14155550123", None));
        let first = http.post_gateway(sealed.clone()).await;
        let second = http.post_gateway(sealed).await;
        assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
        assert_ne!(first.body()[..nonce], second.body()[..nonce]);
        let inner = message::decode_response(&opener.decapsulate(second.body()).unwrap()).unwrap();
        assert_eq!((inner.status().as_u16(), second.body().len()), (400, 8192));
    }
}

#[tokio::test]
async fn wrong_methods_types_and_paths_are_named() {
    let net = start().await;
    for version in BOTH_VERSIONS {
        let http = Http::new(&net, version);
        for (path, method, allow) in [
            (KEYS, Method::PUT, "GET, HEAD, POST"),
            (KEYS, Method::DELETE, "GET, HEAD, POST"),
            (POLICY, Method::POST, "GET, HEAD"),
        ] {
            let request = Request::builder().method(method).uri(http.gateway(path)).body(Bytes::new());
            let answer = http.send(request.unwrap()).await;
            assert_eq!(answer.status(), 405);
            assert_eq!(answer.headers()["allow"], allow);
        }
        for content_type in ["message/ohttp-res", "message/bhttp", "application/octet-stream", ""] {
            let request = Request::post(http.gateway(KEYS)).header("content-type", content_type);
            let answer = http.send(request.body(Bytes::from_static(b"x")).unwrap()).await;
            assert_eq!(answer.status(), 415, "{content_type}");
        }
        let encoded = Request::post(http.gateway(KEYS))
            .header("content-type", "message/ohttp-req")
            .header("content-encoding", "gzip");
        assert_eq!(http.send(encoded.body(Bytes::from_static(b"x")).unwrap()).await.status(), 415);
        let query = "/v1/identifierQuery/dp.example";
        for path in ["/", "/.well-known", "/.well-known/ohttp-gateway/", "//", "/metrics", query] {
            assert_eq!(http.get(&http.gateway(path)).await.status(), 404, "{path}");
        }
    }
}

#[test]
fn c09_the_client_seals_to_the_key_of_rfc9458_appendix_a() {
    let file = include_str!("../../../vectors/rfc9458-appendix-a.json");
    let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
    let bytes = |name: &str| hex::decode(vectors[name].as_str().unwrap()).unwrap();
    let config = bytes("key_config");
    let collection = [&u16::try_from(config.len()).unwrap().to_be_bytes()[..], &config].concat();
    let read = discreet_envelope::keys::KeyCollection::decode(&collection).unwrap();
    let (key, suite) = read.first_supported().unwrap();
    assert_eq!((key.id(), key.kem(), suite.aead), (1, Kem::X25519, Aead::Aes128Gcm));
    let client = ohttp::ClientRequest::from_encoded_config(&key.to_single(suite)).unwrap();
    let (sealed, _) = client.encapsulate(&bytes("request_bhttp")).unwrap();
    let published = bytes("encapsulated_request");
    assert_eq!(sealed[..7], published[..7]);
    assert_eq!(sealed.len(), published.len());
    assert_ne!(sealed[7..39], published[7..39], "enc is fresh");
}

#[test]
fn the_tests_own_messages_are_those_of_the_client() {
    // RFC 9292 §3.1; lengths in two bytes are as good as in one (§3: non-minimal integers).
    let ours = binary("GET", "https", "dp.example", "/x", &[("a", "b")], b"c");
    let read = discreet_envelope::message::decode_request(&ours).unwrap();
    assert_eq!(read.uri(), "https://dp.example/x");
    assert_eq!((read.headers()["a"].as_bytes(), read.body().as_ref()), (&b"b"[..], &b"c"[..]));
}
