//! Relays, in front of a gateway that answers at once: ours, crate `ohttp-relay`, nginx with its heads stripped.

use super::Bench;
use super::contest::{Contestant, Loaded, Row, run};
use super::cpu::Program;
use super::load::{Stock, Target};
use super::peers::Peer;
use super::sink::{Sink, answer};
use super::system::{GATEWAY_PATH, NAME, System, Transport};
use anyhow::{Result, ensure};
use bytes::Bytes;
use discreet_envelope::padding::REQUEST_CONTENT;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Requests that differ: a relay has no use for what is in them.
const DISTINCT: usize = 64;

/// How many rows a concurrency has.
pub(super) fn rows(bench: &Bench) -> usize {
    let peers = usize::from(bench.peers.relay.is_some()) + 2 * usize::from(bench.peers.nginx.is_some());
    2 + peers
}

pub(super) async fn measure(bench: &Bench, system: &System) -> Result<Vec<Row>> {
    let (certificate, key) = system.identity("peer");
    let plain_sink = Sink::start(None).await?;
    let tls_sink = Sink::start(Some((&certificate, &key))).await?;
    let plain = system.relay(Transport::Plain, plain_sink.address).await?;
    let tls = system.relay(Transport::Tls, tls_sink.address).await?;
    let relay = match &bench.peers.relay {
        Some(program) => Some(Peer::relay(program, plain_sink.address).await?),
        None => None,
    };
    let nginx = match &bench.peers.nginx {
        Some(program) => {
            let folder = |name: &str| system.folder().join(name);
            let plain = |listen| plain_relay(listen, plain_sink.address);
            let tls = |listen| tls_relay(listen, tls_sink.address, (&certificate, &key));
            let plain = Peer::nginx(program, &folder("nginx-plain"), plain).await?;
            Some((plain, Peer::nginx(program, &folder("nginx-tls"), tls).await?))
        }
        None => None,
    };
    let path = format!("/{NAME}");
    let ours = |name: &str, transport, process: &crate::stress::process::Process| {
        contestant(name, system.target(transport, process.address(), &path), Program(process.id()))
    };
    let mut without = vec![ours("discreet-relay", Transport::Plain, &plain)];
    let mut with = vec![ours("discreet-relay, TLS", Transport::Tls, &tls)];
    if let Some(peer) = &relay {
        without.push(contestant(
            "ohttp-relay",
            system.target(Transport::Plain, peer.address, "/"),
            peer.program(),
        ));
    }
    if let Some((plain, tls)) = &nginx {
        let target = system.target(Transport::Plain, plain.address, &path);
        without.push(contestant("nginx", target, plain.program()));
        with.push(contestant("nginx, TLS", system.target(Transport::Tls, tls.address, &path), tls.program()));
    }
    let mut rows = Vec::new();
    for concurrency in &bench.concurrency {
        for group in [&without, &with] {
            rows.extend(run("relay", group, *concurrency, bench.plan, &bench.bar).await?);
        }
    }
    Ok(rows)
}

fn contestant(name: &str, target: Target, program: Program) -> Contestant {
    let stock = Box::new(|_| Ok(Arc::new(Sealed::new()) as Arc<dyn Loaded>));
    Contestant { name: name.to_owned(), target, program, stock }
}

/// Content that looks sealed, and the sink's answer.
struct Sealed {
    requests: Vec<Bytes>,
    answer: Bytes,
}

impl Sealed {
    fn new() -> Self {
        let request = |number: usize| Bytes::from(vec![number as u8; REQUEST_CONTENT]);
        Self { requests: (0..DISTINCT).map(request).collect(), answer: answer() }
    }
}

impl Stock for Sealed {
    fn request(&self, number: usize) -> Option<Bytes> {
        self.requests.get(number % DISTINCT).cloned()
    }

    fn take(&self, _number: usize, answer: Bytes) -> Result<()> {
        ensure!(answer == self.answer, "another answer than the gateway's");
        Ok(())
    }
}

impl Loaded for Sealed {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// What the relay passes on: type and length of the content, and one name for every client.
const STRIPPED: &str = "proxy_pass_request_headers off; proxy_set_header Content-Type $content_type; \
    proxy_set_header Connection \"\"; proxy_next_upstream off; proxy_redirect off;";

fn plain_relay(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "upstream gateway {{ server {upstream}; keepalive 256; }}\n\
         server {{ listen {listen}; location = /{NAME} {{ {STRIPPED} proxy_set_header Host {upstream}; \
         proxy_pass http://gateway{GATEWAY_PATH}; }} }}\n"
    )
}

fn tls_relay(listen: SocketAddr, upstream: SocketAddr, (certificate, key): (&Path, &Path)) -> String {
    let folder = certificate.parent().unwrap_or(Path::new("."));
    format!(
        "upstream gateway {{ server {upstream}; keepalive 256; }}\n\
         server {{ listen {listen} ssl http2; ssl_certificate {}; ssl_certificate_key {}; \
         ssl_protocols TLSv1.3; ssl_session_tickets off; \
         location = /{NAME} {{ {STRIPPED} proxy_set_header Host localhost; proxy_ssl_verify on; \
         proxy_ssl_trusted_certificate {}; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.3; \
         proxy_pass https://gateway{GATEWAY_PATH}; }} }}\n",
        certificate.display(),
        key.display(),
        folder.join("ca.pem").display(),
    )
}
