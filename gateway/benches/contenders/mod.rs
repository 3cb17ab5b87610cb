//! What the benchmarks of the opener compare: the bare agreement, ours, `hpke`'s own KEMs, crate `ohttp`.

// A benchmark that cannot be set up ends: here panics are the message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, Suite};
use discreet_envelope::padding::{request_room, response_room};
use discreet_gateway::Keyring;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::Secret32;
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem as HpkeKem, OpModeR, OpModeS, Serializable};
use std::hint::black_box;
use std::rc::Rc;

/// Requests in stock for each contender.
const STOCK: usize = 64;
/// Bytes of a small message, up and down.
const SMALL: usize = 256;
/// Midnight, 2026-11-21.
const START: u64 = 1_795_219_200;

/// One thing to measure.
pub(crate) struct Contender {
    /// Who does what, under which suite, with messages of which size.
    pub(crate) name: String,
    /// Does it once.
    pub(crate) run: Box<dyn FnMut()>,
}

/// All, the floor first.
pub(crate) fn all() -> Vec<Contender> {
    let mut all = vec![agreement()];
    let ring = Rc::new(ring());
    for kem in [Kem::X25519, Kem::XWing] {
        for aead in [Aead::Aes128Gcm, Aead::ChaCha20Poly1305] {
            for full in [false, true] {
                all.push(ours(&ring, kem, aead, full));
            }
        }
        all.push(ours_opens(&ring, kem));
        all.push(match kem {
            Kem::X25519 => hpke_opens::<X25519HkdfSha256>("X25519"),
            Kem::XWing => hpke_opens::<XWing>("X-Wing"),
        });
        all.push(ohttp(kem, false));
        all.push(ohttp(kem, true));
    }
    all
}

fn contender(name: String, run: impl FnMut() + 'static) -> Contender {
    Contender { name, run: Box::new(run) }
}

/// The floor: one X25519 agreement, with a key that is ready.
fn agreement() -> Contender {
    let ours = PrivateKey::generate(&X25519).unwrap();
    let theirs = PrivateKey::generate(&X25519).unwrap().compute_public_key().unwrap();
    contender("agreement alone".into(), move || {
        let peer = UnparsedPublicKey::new(&X25519, theirs.as_ref());
        agree(&ours, peer, (), |secret| Ok(black_box(secret[0]))).unwrap();
    })
}

fn ring() -> Keyring {
    let start = Timestamp::from_unix(START);
    Keyring::at(&Ratchet::new(Secret32::new([1; 32]), 0, start, 7), start).unwrap()
}

fn sizes(kem: Kem, aead: Aead, full: bool) -> (usize, usize, &'static str) {
    match full {
        true => (request_room(kem), response_room(aead), "full"),
        false => (SMALL, SMALL, "small"),
    }
}

fn labels(kem: Kem, aead: Aead) -> (&'static str, &'static str) {
    let kem = match kem {
        Kem::X25519 => "X25519",
        Kem::XWing => "X-Wing",
    };
    let aead = match aead {
        Aead::Aes128Gcm => "AES",
        Aead::ChaCha20Poly1305 => "ChaCha20",
    };
    (kem, aead)
}

/// Requests of `size` bytes, sealed by the crate that clients use, and one after the other without end.
fn stock(config: &[u8], size: usize) -> impl FnMut() -> Vec<u8> + 'static {
    let seal = || ohttp::ClientRequest::from_encoded_config(config).unwrap().encapsulate(&vec![0; size]);
    let requests: Vec<_> = (0..STOCK).map(|_| seal().unwrap().0).collect();
    let mut next = 0;
    move || {
        next += 1;
        requests[next % STOCK].clone()
    }
}

fn config_of(ring: &Keyring, kem: Kem, aead: Aead) -> Vec<u8> {
    let collection = KeyCollection::decode(ring.collection()).unwrap();
    let config = collection.configs().iter().find(|config| config.kem() == kem).unwrap();
    config.to_single(Suite { kdf: Kdf::HkdfSha256, aead })
}

fn ours(ring: &Rc<Keyring>, kem: Kem, aead: Aead, full: bool) -> Contender {
    let (up, down, size) = sizes(kem, aead, full);
    let mut request = stock(&config_of(ring, kem, aead), up);
    let ring = Rc::clone(ring);
    let (kem, aead) = labels(kem, aead);
    contender(format!("ours, open and answer, {kem}, {aead}, {size}"), move || {
        let opened = ring.open(&request()).unwrap();
        black_box(&opened.message);
        black_box(opened.sealer.seal(vec![0; down]).unwrap());
    })
}

fn ours_opens(ring: &Rc<Keyring>, kem: Kem) -> Contender {
    let mut request = stock(&config_of(ring, kem, Aead::Aes128Gcm), SMALL);
    let ring = Rc::clone(ring);
    let (kem, _) = labels(kem, Aead::Aes128Gcm);
    contender(format!("ours, open only, {kem}, AES, small"), move || {
        black_box(ring.open(&request()).unwrap().message);
    })
}

fn hpke_opens<K: HpkeKem + 'static>(kem: &str) -> Contender
where
    K::PrivateKey: 'static,
{
    let (private, public) = K::derive_keypair(&[1; 32]);
    let (enc, mut sender) =
        hpke::setup_sender::<AesGcm128, HkdfSha256, K>(&OpModeS::Base, &public, b"info").unwrap();
    let (enc, sealed) = (enc.to_bytes().to_vec(), sender.seal(&[0; SMALL], b"").unwrap());
    contender(format!("hpke, open only, {kem}, AES, small"), move || {
        let enc = K::EncappedKey::from_bytes(&enc).unwrap();
        let mode = OpModeR::Base;
        let mut context =
            hpke::setup_receiver::<AesGcm128, HkdfSha256, K>(&mode, &private, &enc, b"info").unwrap();
        black_box(context.open(&sealed, b"").unwrap());
        let mut exported = [0; 16];
        context.export(b"label", &mut exported).unwrap();
        black_box(exported);
    })
}

fn ohttp(kem: Kem, full: bool) -> Contender {
    let (up, down, size) = sizes(kem, Aead::Aes128Gcm, full);
    let theirs = match kem {
        Kem::X25519 => ohttp::hpke::Kem::X25519Sha256,
        Kem::XWing => ohttp::hpke::Kem::XWing,
    };
    let suite = ohttp::SymmetricSuite::new(ohttp::hpke::Kdf::HkdfSha256, ohttp::hpke::Aead::Aes128Gcm);
    let config = ohttp::KeyConfig::new(1, theirs, vec![suite]).unwrap();
    let mut request = stock(&config.encode().unwrap(), up);
    let server = ohttp::Server::new(config).unwrap();
    let (kem, aead) = labels(kem, Aead::Aes128Gcm);
    contender(format!("ohttp, open and answer, {kem}, {aead}, {size}"), move || {
        let (message, response) = server.decapsulate(&request()).unwrap();
        black_box(message);
        black_box(response.encapsulate(&vec![0; down]).unwrap());
    })
}
