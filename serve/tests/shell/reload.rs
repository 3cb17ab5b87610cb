//! Files that change under a running server.

use std::sync::Arc;

use discreet_serve::{Admin, Reload, Shell, UpstreamError, upstream::Identity};
use tokio::net::TcpStream;

use crate::support::{Config, Echo, OneConnection, Pki, get, loopback, shown, upstream};

async fn started(pki: &Pki) -> (Config, Shell) {
    let admin = Admin::Enabled { address: loopback() };
    let config = Config { listen: pki.listen(), admin, ..Config::default() };
    let shell = config.start(Echo::default()).await.unwrap();
    (config, shell)
}

async fn metrics(shell: &Shell) -> String {
    let admin = upstream(shell.admin_addr().unwrap());
    let answer = admin.send(get("/metrics"), 65_536).await.unwrap();
    String::from_utf8(answer.body().to_vec()).unwrap()
}

async fn connect(pki: &Pki, shell: &Shell) -> tokio_rustls::client::TlsStream<TcpStream> {
    pki.handshake(TcpStream::connect(shell.addr()).await.unwrap()).await
}

#[tokio::test]
async fn new_handshakes_see_the_new_certificate_and_open_connections_go_on() {
    let pki = Pki::new();
    let old = pki.renew();
    let (_config, shell) = started(&pki).await;
    let stream = connect(&pki, &shell).await;
    assert_eq!(shown(&stream), old);
    let mut open = OneConnection::over(stream).await;
    assert_eq!(open.get("/").await, "HTTP/2.0");

    let new = pki.renew();
    shell.reload().unwrap();
    let stream = connect(&pki, &shell).await;
    assert!(shown(&stream) == new && new != old);
    assert_eq!(OneConnection::over(stream).await.get("/").await, "HTTP/2.0");
    assert_eq!(open.get("/").await, "HTTP/2.0");
    let metrics = metrics(&shell).await;
    assert!(metrics.contains("test_reloads_total 1\n"), "{metrics}");
    assert!(metrics.contains("test_reload_failures_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_a_reload() {
    let pki = Pki::new();
    let echo = Echo::default();
    let config = Config { listen: pki.listen(), ..Config::default() };
    let shell = config.start(echo.clone()).await.unwrap();
    let mut open = OneConnection::over(connect(&pki, &shell).await).await;
    let waiting = tokio::spawn(async move { open.get("/wait").await });
    echo.entered().await;
    pki.renew();
    shell.reload().unwrap();
    echo.release();
    assert_eq!(waiting.await.unwrap(), "HTTP/2.0");
}

/// What is in place stays, whichever of the two files is wrong, and nothing of them gets into the log.
#[tokio::test]
async fn a_broken_certificate_or_key_keeps_the_old_ones() {
    for broken in [Pki::certificate, Pki::key] {
        let pki = Pki::new();
        let old = pki.renew();
        let (config, shell) = started(&pki).await;
        pki.renew();
        let whole = std::fs::read_to_string(broken(&pki)).unwrap();
        // As when it is read while it is being written.
        std::fs::write(broken(&pki), &whole[..whole.len() / 2]).unwrap();
        let error = shell.reload().unwrap_err();
        assert_eq!(error.what, "certificates");
        assert_eq!(shown(&connect(&pki, &shell).await), old);
        let metrics = metrics(&shell).await;
        assert!(metrics.contains("test_reload_failures_total 1\n"), "{metrics}");
        assert!(metrics.contains("test_reloads_total 0\n"), "{metrics}");
        let log = config.log.text();
        assert!(log.contains("WARN") && log.contains("not reloaded: the old stays in use"), "{log}");
        let content = whole.lines().nth(1).unwrap();
        assert!(!log.contains(content) && !error.to_string().contains(content), "{log}");

        std::fs::write(broken(&pki), &whole).unwrap();
        shell.reload().unwrap();
        assert_ne!(shown(&connect(&pki, &shell).await), old, "the next reload mends it");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_keeps_the_old_pair() {
    let (pki, other) = (Pki::new(), Pki::new());
    let old = pki.renew();
    let (_config, shell) = started(&pki).await;
    std::fs::copy(other.certificate(), pki.certificate()).unwrap();
    assert!(shell.reload().unwrap_err().to_string().contains("does not fit the certificate"));
    assert_eq!(shown(&connect(&pki, &shell).await), old);
}

#[tokio::test]
async fn a_peer_that_is_no_longer_pinned_keeps_its_connection_and_gets_no_other() {
    let pki = Pki::new();
    let (first, second) = (pki.identity("first"), pki.identity("second"));
    let config = Config { listen: pki.listen_to(&[&first]), ..Config::default() };
    let shell = config.start(Echo::default()).await.unwrap();
    let open = pki.upstream_as(&first, shell.addr());
    // One connection each: the client keeps four.
    for _ in 0..4 {
        assert_eq!(open.send(get("/"), 100).await.unwrap().body(), "HTTP/2.0 by first");
    }

    let shown = Identity { certificate: pki.ca().with_file_name("kept.pem"), ..first.clone() };
    std::fs::copy(&first.certificate, &shown.certificate).unwrap();
    std::fs::copy(&second.certificate, &first.certificate).unwrap();
    shell.reload().unwrap();
    let answer = pki.upstream_as(&second, shell.addr()).send(get("/"), 100).await.unwrap();
    assert_eq!(answer.body(), "HTTP/2.0 by first", "by the name of the file it is in now");
    let refused = pki.upstream_as(&shown, shell.addr()).send(get("/"), 100).await.unwrap_err();
    assert!(matches!(refused, UpstreamError::Tls | UpstreamError::Protocol), "{refused}");
    assert_eq!(open.send(get("/"), 100).await.unwrap().body(), "HTTP/2.0 by first");
}

#[tokio::test]
async fn an_upstream_shows_its_new_identity_and_loses_nothing() {
    let pki = Pki::new();
    let (old, new) = (pki.identity("old"), pki.identity("new"));
    let shown = pki.identity("shown");
    let show = |identity: &Identity| {
        std::fs::copy(&identity.certificate, &shown.certificate).unwrap();
        std::fs::copy(&identity.key, &shown.key).unwrap();
    };
    show(&old);
    let echo = Echo::default();
    let config = Config { listen: pki.listen_to(&[&old, &new]), ..Config::default() };
    let shell = config.start(echo.clone()).await.unwrap();
    let upstream = Arc::new(pki.upstream_as(&shown, shell.addr()));
    let waiting = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { upstream.send(get("/wait"), 100).await }
    });
    echo.entered().await;

    show(&new);
    upstream.reload().unwrap();
    for _ in 0..8 {
        assert_eq!(upstream.send(get("/"), 100).await.unwrap().body(), "HTTP/2.0 by new");
    }
    echo.release();
    assert_eq!(waiting.await.unwrap().unwrap().body(), "HTTP/2.0 by old", "under way when it was changed");

    std::fs::write(&shown.key, "torn").unwrap();
    assert!(upstream.reload().unwrap_err().to_string().ends_with("shown.key holds no PEM private key"));
    assert_eq!(upstream.send(get("/"), 100).await.unwrap().body(), "HTTP/2.0 by new");
}

#[tokio::test]
async fn an_upstream_trusts_its_new_ca_only() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (_config, shell) = started(&pki).await;
    let upstream = pki.upstream(shell.addr());
    upstream.send(get("/"), 100).await.unwrap();
    std::fs::copy(other.ca(), pki.ca()).unwrap();
    upstream.reload().unwrap();
    assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Tls);
}

#[tokio::test]
async fn what_a_role_registered_is_reloaded_too() {
    let (pki, ours) = (Pki::new(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let counter = Arc::clone(&ours);
    let reload = Reload::new("the test's own", move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Err("never good")
    });
    let config = Config { listen: pki.listen(), ..Config::default() };
    let shell = config.start_to_reload(Echo::default(), vec![reload]).await.unwrap();
    let new = pki.renew();
    let error = shell.reload().unwrap_err();
    assert_eq!(error.to_string(), "the test's own: never good; the old stays in use");
    assert_eq!(ours.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(shown(&connect(&pki, &shell).await), new, "one failure does not keep the others back");
}
