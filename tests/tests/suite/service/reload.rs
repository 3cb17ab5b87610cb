//! Certificates renewed under lookups: nobody notices, and who connects anew sees the new one.

use super::{Manager, role};
use crate::commands::process::Server;
use crate::commands::system::{Site, System};
use bytes::Bytes;
use discreet_client::Outcome;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const NUMBER: &str = "+14155550123";
/// Who keeps asking meanwhile.
const ASKING: usize = 4;

/// A network whose gateway and first relay report to service managers.
struct Watched {
    system: System,
    gateway: Manager,
    relay: Manager,
}

fn start() -> Watched {
    let site = Site::new();
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    let (gateway, relay) = (Manager::new(), Manager::new());
    let config = site.path("gateway.toml");
    let server = Server::spawn(gateway.watch(&mut role("discreet-gateway", &config, &[])));
    assert_eq!(gateway.hears(), "READY=1\n");
    let mut system = site.start_before(server, |_| String::new());
    let config = system.site.path("relay-0.toml");
    system.relays[0] = Server::spawn(relay.watch(&mut role("discreet-relay", &config, &[])));
    assert_eq!(relay.hears(), "READY=1\n");
    let urls = system.relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
    system.site.profile(urls.each_ref().map(String::as_str));
    Watched { system, gateway, relay }
}

fn certificate(site: &Site, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(site.path(&format!("{name}.pem"))).unwrap()
}

/// A connection of its own, and the certificate that the server showed.
async fn connect(site: &Site, server: &Server) -> (SendRequest<Full<Bytes>>, CertificateDer<'static>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.path("ca.pem")).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::from(server.addr.ip());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    (sender, shown)
}

/// The signed policy, through a relay's open connection.
async fn policy(sender: &mut SendRequest<Full<Bytes>>) -> Bytes {
    let request = Request::get("https://127.0.0.1/dp/policy").body(Full::default()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_go_on_while_certificates_are_renewed() {
    let Watched { system, gateway, relay } = start();
    let (mut open, first) = connect(&system.site, &system.relays[0]).await;
    assert_eq!(first, certificate(&system.site, "relay-0"));
    let before = policy(&mut open).await;

    let (enough, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking: Vec<_> = (0..ASKING)
        .map(|_| {
            let (client, enough, answered) = (system.client(), Arc::clone(&enough), Arc::clone(&answered));
            tokio::spawn(async move {
                while !enough.load(Ordering::SeqCst) {
                    let answer = client.lookup(crate::end_to_end::ask(NUMBER)).await.unwrap();
                    assert_eq!(answer.outcome(), Outcome::OneService);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut shown = vec![first];
    for _ in 0..5 {
        let so_far = answered.load(Ordering::SeqCst);
        system.site.renew("gateway");
        system.site.renew("relay-0");
        gateway.reload(&system.gateway);
        relay.reload(&system.relays[0]);
        let (_, now) = connect(&system.site, &system.relays[0]).await;
        assert_eq!(now, certificate(&system.site, "relay-0"));
        assert!(!shown.contains(&now));
        shown.push(now);
        // Lookups that began after the reload have ended before the next.
        while answered.load(Ordering::SeqCst) < so_far + 2 * ASKING {
            tokio::task::yield_now().await;
        }
    }
    enough.store(true, Ordering::SeqCst);
    for asker in asking {
        asker.await.unwrap();
    }
    assert_eq!(policy(&mut open).await, before, "the first connection is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_certificate_keeps_the_old_one_and_is_said() {
    let Watched { system, relay, .. } = start();
    let old = certificate(&system.site, "relay-0");
    let key = std::fs::read_to_string(system.site.path("relay-0.key.pem")).unwrap();
    // As when someone mixes up the two.
    system.site.write("relay-0.pem", &key);
    relay.reload(&system.relays[0]);
    let (mut sender, shown) = connect(&system.site, &system.relays[0]).await;
    assert_eq!(shown, old);
    policy(&mut sender).await;
    drop(sender);
    let [relay, _] = system.relays;
    relay.terminate();
    let (code, log) = relay.wait();
    assert_eq!(code, Some(0), "{log}");
    let said = log.lines().find(|line| line.contains("not reloaded: the old stays in use"));
    assert!(said.is_some_and(|line| line.contains("relay-0.pem holds no PEM certificate")), "{log}");
    assert!(!log.contains(key.lines().nth(1).unwrap()), "{log}");
}
