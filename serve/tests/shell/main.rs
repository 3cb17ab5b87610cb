//! A whole server over real sockets: up, down, admin, TLS, and the upstream client against it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod background;
mod clients;
mod crowd;
mod frames;
mod peers;
mod population;
mod reload;
mod resend;
mod sockets;
mod support;
mod upstream;

use bytes::Bytes;
use discreet_serve::{Address, Admin, Listen, StartError, UpstreamError, listen::ListenError, tls::TlsError};
use http::{Request, StatusCode};
use support::{Config, Echo, Pki, get, loopback, upstream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let config = Config { listen: Listen::Plaintext { address: address.into() }, ..Config::default() };
    let error = config.start(Echo::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{address} is in use by another process"));
}

#[tokio::test]
async fn c29_plaintext_stays_on_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let address: Address = address.parse().unwrap();
        let config = Config { listen: Listen::Plaintext { address: address.clone() }, ..Config::default() };
        let error = config.start(Echo::default()).await.unwrap_err();
        assert!(matches!(error, StartError::Listen(ListenError::NotLoopback { .. })), "{error}");
        let config = Config { admin: Admin::Enabled { address }, ..Config::default() };
        let error = config.start(Echo::default()).await.unwrap_err();
        assert!(matches!(error, StartError::Admin(ListenError::NotLoopback { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_missing_or_foreign_key_is_named() {
    let (ours, other) = (Pki::new(), Pki::new());
    let listen = |certificate, key| Listen::Tls { address: loopback(), certificate, key };
    let refused =
        |listen| async { Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err() };

    let error = refused(listen("no/such.pem".into(), ours.key())).await;
    assert!(error.to_string().starts_with("cannot read no/such.pem: "), "{error}");
    let error = refused(listen(ours.certificate(), other.key())).await;
    assert!(matches!(error, StartError::Listen(ListenError::Tls(TlsError::Mismatch { .. }))), "{error}");
    assert!(error.to_string().contains("server.key does not fit the certificate"), "{error}");
    let error = refused(listen(ours.key(), ours.key())).await;
    assert!(error.to_string().ends_with("server.key holds no PEM certificate"), "{error}");
    let error = refused(listen(ours.certificate(), ours.certificate())).await;
    assert!(error.to_string().ends_with("server.pem holds no PEM private key"), "{error}");
}

#[tokio::test]
async fn health_and_metrics_are_answered_on_the_admin_listener() {
    let config = Config { admin: Admin::Enabled { address: loopback() }, ..Config::default() };
    let shell = config.start(Echo::default()).await.unwrap();
    let client = upstream(shell.addr());
    client.send(get("/"), 100).await.unwrap();

    let admin = upstream(shell.admin_addr().unwrap());
    let health = admin.send(get("/health"), 100).await.unwrap();
    assert_eq!((health.status(), health.body().as_ref()), (StatusCode::OK, b"ok\n".as_slice()));
    let metrics = admin.send(get("/metrics"), 65_536).await.unwrap();
    assert_eq!(
        metrics.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = String::from_utf8(metrics.body().to_vec()).unwrap();
    for line in
        ["test_connections_total 1", "test_connections_open 1", "test_requests_total{status=\"Success\"} 1"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
    }
    assert!(text.ends_with("# EOF\n") && !text.contains("127.0.0.1"), "{text}");

    let post = Request::post("/health").body(Bytes::new()).unwrap();
    let refused = admin.send(post, 100).await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
    assert_eq!(admin.send(get("/"), 100).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let (echo, config) =
        (Echo::default(), Config { admin: Admin::Enabled { address: loopback() }, ..Config::default() });
    let shell = config.start(echo.clone()).await.unwrap();
    let (addr, admin) = (shell.addr(), upstream(shell.admin_addr().unwrap()));
    let waiting = tokio::spawn(async move { upstream(addr).send(get("/wait"), 100).await });
    echo.entered().await;

    shell.shutdown();
    shell.shutdown();
    // The listener closes in the server's task: connecting fails once that task has run.
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(admin.send(get("/health"), 100).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    echo.release();
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    shell.join().await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let echo = Echo::default();
    let mut config = Config::default();
    config.limits.drain_secs = 0;
    let shell = config.start(echo.clone()).await.unwrap();
    let addr = shell.addr();
    let waiting = tokio::spawn(async move { upstream(addr).send(get("/wait"), 100).await });
    echo.entered().await;
    shell.shutdown();
    shell.join().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err(), UpstreamError::Protocol);
    assert!(config.log.text().contains("cut off at the drain deadline"), "{}", config.log.text());
}

#[tokio::test]
async fn dropping_a_shell_closes_its_connections() {
    let shell = Config::default().start(Echo::default()).await.unwrap();
    let mut client = TcpStream::connect(shell.addr()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(shell);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn over_the_bound_of_connections_new_ones_wait() {
    let mut config = Config::default();
    config.limits.max_connections = 1;
    let shell = config.start(Echo::default()).await.unwrap();
    let first = TcpStream::connect(shell.addr()).await.unwrap();
    let mut second = TcpStream::connect(shell.addr()).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "served once the first has gone: {answer}");
}

#[tokio::test]
async fn tls_speaks_http2_to_our_upstream_client() {
    let pki = Pki::new();
    let shell = Config { listen: pki.listen(), ..Config::default() }.start(Echo::default()).await.unwrap();
    let answer = pki.upstream(shell.addr()).send(get("/version"), 100).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"HTTP/2.0");
    let names: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["content-length"], "no date, no server");
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let pki = Pki::new();
    let config = Config { listen: pki.listen(), ..Config::default() };
    let shell = config.start(Echo::default()).await.unwrap();
    for (version, name) in [
        (&rustls::version::TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let stream = tokio::net::TcpStream::connect(shell.addr()).await.unwrap();
        let stream = pki.handshake_in(&[version], stream).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        assert_eq!(support::OneConnection::over(stream).await.get("/").await, "HTTP/2.0");
    }
}
