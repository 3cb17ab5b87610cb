//! One set of spent tokens, whoever has it open, and whatever happens to them.

use super::*;
use crate::commands::process::Ran;
use crate::metrics::scrape;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const TOKENS: usize = 40;
/// At how many connections each token is shown at once, to each process.
const SHOWN: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_store_never_take_a_token_twice() {
    let at = Paid::new();
    let gateways = [at.start(), at.start()];
    let clients: Vec<_> =
        gateways.iter().flat_map(|one| [(); SHOWN].map(|()| Arc::new(at.http(one)))).collect();
    let keys = Arc::new(clients[0].keys().await);
    let mut asking = JoinSet::new();
    for number in 0..TOKENS {
        let token = at.mint.token();
        for http in &clients {
            let (http, keys, token) = (Arc::clone(http), Arc::clone(&keys), token.clone());
            asking.spawn(async move { (number, pay(&http, &keys, &token).await) });
        }
    }
    let mut taken = [0; TOKENS];
    for (number, status) in asking.join_all().await {
        assert!(status == 200 || status == 401, "{status}");
        taken[number] += usize::from(status == 200);
    }
    assert_eq!(taken, [1; TOKENS]);
}

/// Sends a lookup and lets its answer come no further than to the end of its head, so that nobody has it.
async fn send_and_never_read(at: &Paid, gateway: &Server, content: Vec<u8>) -> impl Sized + use<> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(at.site.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(gateway.addr).await.unwrap();
    let name = ServerName::from(gateway.addr.ip());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let mut builder = Builder::new(TokioExecutor::new());
    // Less than any answer has.
    builder.initial_stream_window_size(1000);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("https://{}/.well-known/ohttp-gateway", gateway.addr))
        .header("content-type", "message/ohttp-req")
        .body(Full::new(Bytes::from(content)))
        .unwrap();
    (sender.send_request(request).await, sender, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stays_spent_when_the_gateway_is_killed_before_its_answer_arrives() {
    let at = Paid::new();
    let gateway = at.start();
    let token = at.mint.token();
    let keys = at.http(&gateway).keys().await;
    let (kem, aead) = crate::wire::SUITES[0];
    let (sealed, _) = crate::wire::seal(&keys, kem, aead, lookup(NUMBER, &[token.to_field()]));
    let unread = send_and_never_read(&at, &gateway, sealed).await;
    let counted = scrape(gateway.admin.unwrap()).unwrap();
    assert!(counted.contains("resolver_redemptions_total{outcome=\"Accepted\"} 1\n"), "{counted}");
    // Dropping it sends SIGKILL and waits.
    drop(gateway);
    drop(unread);
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    assert_eq!(pay(&http, &keys, &token).await, 401);
    assert_eq!(pay(&http, &keys, &at.mint.token()).await, 200, "the client's next lookup works");
}

/// The set is in no backup. With it lost, nothing starts until every key that could have been used is given up.
#[tokio::test]
async fn a_restored_backup_retires_every_key_alive_since() {
    let at = Paid::new();
    let gateway = at.start();
    let http = at.http(&gateway);
    let (spent, unspent) = (at.mint.token(), at.mint.token());
    assert_eq!(pay(&http, &http.keys().await, &spent).await, 200);
    gateway.stop();
    at.site.resolver(["backup", at.site.path("backup.db").to_str().unwrap()]).succeeded();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(at.site.path(&format!("directory.db{end}")));
        let _ = std::fs::remove_file(at.site.path(&format!("directory.db.spent{end}")));
    }
    let backup = at.site.path("backup.db");
    let ran = at.site.resolver(["restore", backup.to_str().unwrap(), "--spent-is-current"]).succeeded();
    assert!(retires(&ran), "{ran:?}");
    assert_eq!(
        statuses(&at, &[&spent, &unspent, &at.mint.token()]).await,
        [401; 3],
        "a lost set is not current"
    );
}

/// Else a gateway could start on it, and take what has been spent since.
#[test]
fn a_backup_does_not_come_into_its_place_while_no_token_can_be_retired() {
    let at = Paid::new();
    let backup = at.site.path("backup.db");
    at.site.resolver(["backup", backup.to_str().unwrap()]).succeeded();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(at.site.path(&format!("directory.db.spent{end}")));
    }
    at.site.write("directory.db.spent", &"no set of spent tokens ".repeat(100));
    let before = std::fs::metadata(at.site.path("directory.db")).unwrap().ino();
    let ran = at.site.resolver(["restore", backup.to_str().unwrap(), "--replace"]);
    ran.refused(3, "directory.db.spent is damaged or not one of ours");
    assert_eq!(std::fs::metadata(at.site.path("directory.db")).unwrap().ino(), before);
    for end in ["before-restore", "restoring"] {
        assert!(!at.site.path(&format!("directory.db.{end}")).exists(), "{end}");
    }
}

/// An older set looks like the latest: nobody but the operator can know, and what he does not say is not so.
#[tokio::test]
async fn an_older_set_that_came_back_with_the_disk_lets_no_token_be_spent_twice() {
    let at = Paid::new();
    let backup = at.site.path("backup.db");
    let backup = backup.to_str().unwrap();
    at.site.resolver(["backup", backup]).succeeded();
    let set = at.site.path("directory.db.spent");
    std::fs::copy(&set, at.site.path("older.spent")).unwrap();
    let token = at.mint.token();
    assert_eq!(statuses(&at, &[&token]).await, [200]);

    let ran = at.site.resolver(["restore", backup, "--replace", "--spent-is-current"]).succeeded();
    assert!(!retires(&ran), "{ran:?}");
    assert_eq!(statuses(&at, &[&token, &at.mint.token()]).await, [401, 200], "the latest goes on");

    std::fs::remove_file(at.site.path("directory.db.before-restore")).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(at.site.path(&format!("directory.db.spent{end}")));
    }
    std::fs::copy(at.site.path("older.spent"), &set).unwrap();
    let ran = at.site.resolver(["restore", backup, "--replace"]).succeeded();
    assert!(retires(&ran), "{ran:?}");
    assert_eq!(statuses(&at, &[&token, &at.mint.token()]).await, [401, 401]);
}

fn retires(restored: &Ran) -> bool {
    restored.stderr.contains("no longer taken")
}

/// What each token gets from a gateway that is started for it.
async fn statuses(at: &Paid, tokens: &[&Token]) -> Vec<u16> {
    let gateway = at.start();
    let http = at.http(&gateway);
    let keys = http.keys().await;
    let mut statuses = Vec::new();
    for token in tokens {
        statuses.push(pay(&http, &keys, token).await);
    }
    gateway.stop();
    statuses
}

#[test]
fn rejects_starting_without_the_set_of_spent_tokens() {
    let at = Paid::new();
    std::fs::remove_file(at.site.path("directory.db.spent")).unwrap();
    at.site.gateway(["--check-config"]).refused(2, "retire-tokens");
    at.site.resolver(["retire-tokens"]).succeeded();
    at.site.gateway(["--check-config"]).succeeded();
}
