//! Gateways: ours, which looks each number up in its directory and takes a token for it if it is to; and crate
//! `ohttp-gateway`, which passes each request on to an nginx with one file. Its own process counts, not the nginx.

use super::Bench;
use super::contest::{Contestant, Loaded, Row, run};
use super::cpu::Program;
use super::load::{Link, Stock, Target};
use super::peers::Peer;
use super::stock::{Directory, Lookups};
use super::system::{GATEWAY_PATH, System, Transport};
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use discreet_envelope::keys::{Kem, KeyCollection};
use discreet_envelope::{message, padding};
use rayon::prelude::*;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tests::Mint;

/// Bytes of the file behind `ohttp-gateway`: with fields and framing nearly the 8192 of our answers.
const FILE: usize = 7800;

/// How many rows a concurrency has.
pub(super) fn rows(bench: &Bench) -> usize {
    4 + usize::from(bench.peers.gateway.is_some() && bench.peers.nginx.is_some())
}

pub(super) async fn measure(bench: &Bench, system: &System, mint: &Arc<Mint>) -> Result<Vec<Row>> {
    let free = system.gateway(Transport::Plain, "free").await?;
    let priced = system.gateway(Transport::Plain, "priced").await?;
    let tls = system.gateway(Transport::Tls, "free").await?;
    let policy = system.policy(Transport::Plain, free.address()).await?;
    let directory = |kem| {
        let (present, absent) = (system.present.clone(), system.absent.clone());
        Directory::new(policy.clone(), kem, present, absent).map(Arc::new)
    };
    let (x25519, xwing) = (directory(Kem::X25519)?, directory(Kem::XWing)?);
    let target = |transport, process: &crate::stress::process::Process| {
        system.target(transport, process.address(), GATEWAY_PATH)
    };
    let ours = |name: &str, transport, process, directory: &Arc<Directory>, mint| {
        contestant(name, target(transport, process), Program(process.id()), directory, mint)
    };
    let mut contestants = vec![
        ours("discreet-gateway, X25519", Transport::Plain, &free, &x25519, None),
        ours("discreet-gateway, X25519, a token", Transport::Plain, &priced, &x25519, Some(mint)),
        ours("discreet-gateway, X-Wing", Transport::Plain, &free, &xwing, None),
        ours("discreet-gateway, X25519, TLS", Transport::Tls, &tls, &x25519, None),
    ];
    let peer = match (&bench.peers.gateway, &bench.peers.nginx) {
        (Some(gateway), Some(nginx)) => {
            let folder = system.folder().join("nginx-file");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("answer"), vec![0x5a; FILE])?;
            let root = folder.display().to_string();
            let nginx =
                Peer::nginx(nginx, &folder, |listen| format!("server {{ listen {listen}; root {root}; }}\n"));
            Some((Peer::gateway(gateway).await?, nginx.await?))
        }
        _ => None,
    };
    if let Some((gateway, nginx)) = &peer {
        contestants.push(proxying(system, gateway, nginx.address).await?);
    }
    let mut rows = Vec::new();
    for concurrency in &bench.concurrency {
        rows.extend(run("gateway", &contestants, *concurrency, bench.plan, &bench.bar).await?);
    }
    Ok(rows)
}

/// A gateway of ours that is asked for people of `directory`.
pub(super) fn contestant(
    name: &str,
    target: Target,
    program: Program,
    directory: &Arc<Directory>,
    mint: Option<&Arc<Mint>>,
) -> Contestant {
    let (directory, mint) = (Arc::clone(directory), mint.map(Arc::clone));
    let stock = Box::new(move |count| {
        let sign = |mint: &Arc<Mint>| (0..count).into_par_iter().map(|_| mint.token().to_field()).collect();
        let tokens: Vec<_> = mint.as_ref().map(sign).unwrap_or_default();
        Ok(Arc::new(Lookups::new(&directory, count, &tokens)?) as Arc<dyn Loaded>)
    });
    Contestant { name: name.to_owned(), target, program, stock }
}

async fn proxying(system: &System, gateway: &Peer, backend: SocketAddr) -> Result<Contestant> {
    let keys = system.target(Transport::Plain, gateway.address, "/ohttp-configs");
    let keys = Link::open(&keys).await?.get(&keys).await.context("the keys of ohttp-gateway")?;
    let keys = KeyCollection::decode(&keys).map_err(|error| anyhow!("{error}"))?;
    let (config, suite) = keys.first_supported().context("ohttp-gateway has no key we know")?;
    let key = config.to_single(suite);
    let target = system.target(Transport::Plain, gateway.address, "/gateway");
    let stock = Box::new(move |count| Ok(Arc::new(Fetches::new(&key, backend, count)?) as Arc<dyn Loaded>));
    Ok(Contestant { name: "ohttp-gateway, X25519".to_owned(), target, program: gateway.program(), stock })
}

/// Sealed requests for one file.
struct Fetches {
    sealed: Vec<Bytes>,
    open: Mutex<Vec<Option<ohttp::ClientResponse>>>,
    answers: Mutex<Vec<(usize, Bytes)>>,
}

impl Fetches {
    fn new(key: &[u8], backend: SocketAddr, count: usize) -> Result<Self> {
        let request = http::Request::get(format!("http://{backend}/answer")).body(Bytes::new())?;
        let plain = message::encode_request(&request).map_err(|error| anyhow!("{error}"))?;
        let padded = padding::pad(plain, padding::request_room(Kem::X25519))?;
        let seal =
            |_| -> Result<_> { Ok(ohttp::ClientRequest::from_encoded_config(key)?.encapsulate(&padded)?) };
        let sealed: Vec<_> = (0..count).into_par_iter().map(seal).collect::<Result<_>>()?;
        let (sealed, open) = sealed.into_iter().map(|(sealed, open)| (sealed.into(), Some(open))).unzip();
        Ok(Self { sealed, open: Mutex::new(open), answers: Mutex::default() })
    }
}

impl Stock for Fetches {
    fn request(&self, number: usize) -> Option<Bytes> {
        self.sealed.get(number).cloned()
    }

    fn take(&self, number: usize, answer: Bytes) -> Result<()> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
        Ok(())
    }
}

impl Loaded for Fetches {
    fn check(&self) -> Result<()> {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, answer) in answers {
            let open = open.get_mut(number).and_then(Option::take).context("answered twice")?;
            let inner = message::decode_response(&open.decapsulate(&answer)?);
            let inner = inner.map_err(|error| anyhow!("{error}"))?;
            ensure!(inner.status() == 200 && inner.body().len() == FILE, "another answer than the file");
        }
        Ok(())
    }
}
