//! No request travels in TLS early data, which anybody on the path could replay (RFC 8470 §3): our
//! servers resume sessions and offer none, our client has no session that it could send any in.

use crate::end_to_end::{NOW, ask};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tests::{Certificates, Net, World};

#[tokio::test(flavor = "multi_thread")]
async fn c35_relay_and_gateway_offer_no_early_data() {
    let net = Net::builder().relays(1).start(World::new(1, NOW)).await.unwrap();
    let config = early_client(&net);
    for addr in [net.relays[0].addr(), net.gateway.as_ref().unwrap().addr()] {
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let config = Arc::clone(&config);
            let (kind, early) = tokio::task::spawn_blocking(move || exchange(addr, config)).await.unwrap();
            assert!(!early, "a ticket permits early data");
            kinds.push(kind);
        }
        // Without a resumed session the test would show nothing.
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c35_the_client_sends_no_early_data_and_resumes_nothing() {
    let net = Net::builder().start(World::new(1, NOW)).await.unwrap();
    let folder = tempfile_of(&net);
    let certificates = Certificates::new(&folder).unwrap();
    let (certificate, key) = certificates.server("eager", &["127.0.0.1"]).unwrap();
    let servers = [eager_server(&certificate, &key), eager_server(&certificate, &key)];
    let text = std::fs::read_to_string(net.profile_path()).unwrap();
    let (head, _) = text.split_once("\n[[relays]]").unwrap();
    let relay = |(operator, (addr, _)): (_, &(SocketAddr, _))| {
        format!("[[relays]]\nurl = \"https://{addr}/dp\"\noperator = \"{operator}\"\n")
    };
    let relays: String = ["One Ltd", "Two Ltd"].into_iter().zip(&servers).map(relay).collect();
    let profile = format!("{head}\n{relays}");
    let profile = discreet_client::Profile::from_toml(&profile).unwrap();
    let ca = std::fs::read(certificates.ca()).unwrap();
    let client = discreet_client::Client::builder(profile).ca(ca).clock(|| NOW.unix()).build().unwrap();
    for _ in 0..3 {
        // The server hangs up after its tickets and an answer that is no policy.
        client.lookup(ask("+14155550123")).await.unwrap_err();
    }
    let seen = servers.map(|(_, handshakes)| handshakes.try_iter().collect::<Vec<_>>());
    // Without a second connection to one of them the test would show nothing.
    assert!(seen.iter().any(|of_one| of_one.len() >= 2), "{seen:?}");
    assert!(seen.iter().flatten().all(|(kind, early)| *kind == HandshakeKind::Full && !early), "{seen:?}");
}

fn tempfile_of(net: &Net) -> std::path::PathBuf {
    let folder = net.folder().join("eager");
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// A client that would send early data if it could.
fn early_client(net: &Net) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(net.ca()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.enable_early_data = true;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// One request and its answer: how the handshake went, and whether early data could be sent.
fn exchange(addr: SocketAddr, config: Arc<ClientConfig>) -> (HandshakeKind, bool) {
    let name = ServerName::IpAddress(addr.ip().into());
    let mut connection = ClientConnection::new(config, name).unwrap();
    let early = connection.early_data().is_some();
    let mut socket = TcpStream::connect(addr).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
    (connection.handshake_kind().unwrap(), early)
}

/// A server that gives out tickets for early data, and tells how each handshake went.
fn eager_server(
    certificate: &std::path::Path,
    key: &std::path::Path,
) -> (SocketAddr, mpsc::Receiver<(HandshakeKind, bool)>) {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.max_early_data_size = 16_384;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut socket).unwrap();
            }
            let early = connection.early_data().is_some();
            if tell.send((connection.handshake_kind().unwrap(), early)).is_err() {
                return;
            }
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (addr, told)
}
