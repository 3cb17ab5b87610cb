//! The upstream client against servers that behave and servers that do not.

use discreet_serve::{UpstreamConfig, UpstreamError, upstream::Upstream};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Config, Echo, Pki, get, upstream};

#[tokio::test]
async fn c29_an_untrusted_certificate_ends_the_exchange() {
    let (pki, other) = (Pki::new(), Pki::new());
    let echo = Echo::default();
    let shell = Config { listen: pki.listen(), ..Config::default() }.start(echo.clone()).await.unwrap();
    let answer = other.upstream(shell.addr()).send(get("/"), 100).await;
    assert_eq!(answer.unwrap_err(), UpstreamError::Tls);
    assert_eq!(echo.hits(), 0, "nothing was sent");
}

#[tokio::test]
async fn an_answer_over_the_bound_is_dropped() {
    let shell = Config::default().start(Echo::default()).await.unwrap();
    let upstream = upstream(shell.addr());
    assert_eq!(upstream.send(get("/version"), 7).await.unwrap_err(), UpstreamError::TooLarge);
    assert_eq!(upstream.send(get("/version"), 8).await.unwrap().body().len(), 8);
}

/// `READ_BUFFER`: 16,384 bytes.
#[tokio::test]
async fn rejects_a_head_that_is_longer_than_the_buffer() {
    for (long, outcome) in [(15_000, Ok(StatusCode::OK)), (17_000, Err(UpstreamError::Protocol))] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = upstream(listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            let answer = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(long));
            // It may be refused before it is written.
            let _ = socket.write_all(answer.as_bytes()).await;
            socket
        });
        let answer = upstream.send(get("/"), 100).await.map(|answer| answer.status());
        assert_eq!(answer, outcome, "{long}");
        drop(server.await.unwrap());
    }
}

#[tokio::test]
async fn a_ca_file_without_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "nothing here").unwrap();
    let mut config = UpstreamConfig::new("https://a.example".parse().unwrap());
    config.ca = Some(ca);
    let error = Upstream::new(&config).unwrap_err().to_string();
    assert!(error.ends_with("ca.pem holds no PEM certificate"), "{error}");
}
