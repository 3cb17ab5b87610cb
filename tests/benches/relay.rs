//! A relay's hop on loopback, without TLS: a server that answers at once with 8192 bytes, asked directly and
//! through a relay. The difference is the hop.

// A benchmark that cannot be set up ends: here panics are the message.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use discreet_envelope::padding::{REQUEST_CONTENT, RESPONSE_CONTENT};
use discreet_envelope::{OHTTP_REQUEST, OHTTP_RESPONSE};
use discreet_relay::Relay;
use discreet_serve::{
    Admin, Clock, Environment, Handler, Inherited, Limits, Listen, Log, Shell, ShellConfig, Upstream,
    UpstreamConfig,
};
use http::{Request, Response, header::CONTENT_TYPE};
use prometheus_client::registry::Registry;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::runtime::Runtime;

/// A gateway that opens nothing.
struct Answers;

impl Handler for Answers {
    async fn handle(&self, _: Request<Bytes>) -> Response<Bytes> {
        let content = Bytes::from_static(&[0; RESPONSE_CONTENT]);
        Response::builder().header(CONTENT_TYPE, OHTTP_RESPONSE).body(content).unwrap()
    }
}

fn loopback() -> Listen {
    Listen::Plaintext { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into() }
}

async fn gateway() -> Shell {
    let config = ShellConfig {
        listen: &loopback(),
        admin: &Admin::default(),
        limits: &Limits::default(),
        max_request_bytes: REQUEST_CONTENT,
        log: &Log::off(),
        inherited: &Inherited::default(),
        registry: Registry::default(),
        background: Vec::new(),
        reloads: Vec::new(),
    };
    Shell::start(config, Answers).await.unwrap()
}

fn upstream(address: SocketAddr) -> UpstreamConfig {
    UpstreamConfig::new(format!("http://{address}").parse().unwrap())
}

async fn relay(gateway: SocketAddr) -> Relay {
    let mut config = discreet_relay::Config::new(loopback());
    config.gateways.insert("dp".parse().unwrap(), upstream(gateway));
    Relay::bind_in(config, Environment::new(Log::off(), Clock::system())).await.unwrap()
}

async fn ask(client: &Upstream, path: &'static str) {
    let request = Request::post(path).header(CONTENT_TYPE, OHTTP_REQUEST);
    let request = request.body(Bytes::from_static(&[1; REQUEST_CONTENT])).unwrap();
    let answer = client.send(request, RESPONSE_CONTENT).await.unwrap();
    assert_eq!(answer.body().len(), RESPONSE_CONTENT);
}

fn hop(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (gateway, relay) = runtime.block_on(async {
        let gateway = gateway().await;
        let relay = relay(gateway.addr()).await;
        (gateway, relay)
    });
    for (name, address, path) in [
        ("asked directly", gateway.addr(), "/.well-known/ohttp-gateway"),
        ("asked through a relay", relay.addr(), "/dp"),
    ] {
        let client = Upstream::new(&upstream(address)).unwrap();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(ask(&client, path)));
        });
    }
}

criterion_group!(benches, hop);
criterion_main!(benches);
