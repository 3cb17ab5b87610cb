//! The upstream client against servers that behave and servers that do not.

use std::{io::Read, io::Write, sync::mpsc, time::Duration};

use discreet_serve::{UpstreamConfig, UpstreamError, upstream::Upstream};
use tokio::{io::AsyncReadExt, net::TcpListener};

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
async fn an_upstream_that_is_down_is_a_connect_error() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    assert_eq!(upstream(address).send(get("/"), 100).await.unwrap_err(), UpstreamError::Connect);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_times_out() {
    let echo = Echo::default();
    let shell = Config::default().start(echo.clone()).await.unwrap();
    let upstream = upstream(shell.addr());
    let exchange = tokio::spawn(async move { upstream.send(get("/wait"), 100).await });
    echo.entered().await;
    // The request is there and nobody will answer it: from here on time may pass at once.
    tokio::time::pause();
    assert_eq!(exchange.await.unwrap().unwrap_err(), UpstreamError::Timeout);
}

#[tokio::test]
async fn an_answer_over_the_bound_is_dropped() {
    let shell = Config::default().start(Echo::default()).await.unwrap();
    let upstream = upstream(shell.addr());
    assert_eq!(upstream.send(get("/version"), 7).await.unwrap_err(), UpstreamError::TooLarge);
    assert_eq!(upstream.send(get("/version"), 8).await.unwrap().body().len(), 8);
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

/// RFC 9458 §6.5: a connection that dies is no proof that nothing was processed.
#[tokio::test]
async fn c33_a_request_on_a_dying_connection_is_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let read = socket.read(&mut request).await.unwrap();
        assert!(read > 0);
        drop(socket);
        listener
    });
    assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Protocol);
    let listener = server.await.unwrap();
    tokio::time::pause();
    let again = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
    assert!(again.is_err(), "there was a second connection");
}

/// RFC 9458 §6.5: the pool would send again on a new connection what it believes unsent on a pooled one.
#[tokio::test]
async fn c33_a_request_on_a_connection_closed_in_the_pool_is_not_repeated() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let (close, closing) = mpsc::channel::<()>();
    let (closed, all_closed) = mpsc::channel();
    let server = std::thread::spawn(move || {
        // One for each connection the client keeps.
        let sockets: Vec<_> = (0..4).map(|_| answer_one(&listener)).collect();
        closing.recv().unwrap();
        drop(sockets);
        closed.send(()).unwrap();
        listener
    });
    for _ in 0..4 {
        assert!(upstream.send(get("/"), 100).await.is_ok());
    }
    close.send(()).unwrap();
    // Blocks this thread on purpose: the client must not notice before it sends. Then the runtime
    // sees the closed sockets, but this task goes on before the connections' tasks do.
    all_closed.recv().unwrap();
    tokio::task::yield_now().await;
    let listener = server.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Protocol);
    assert!(listener.accept().is_err(), "there was a new connection");
}

fn answer_one(listener: &std::net::TcpListener) -> std::net::TcpStream {
    let (mut socket, _) = listener.accept().unwrap();
    assert!(socket.read(&mut [0; 1024]).unwrap() > 0);
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    socket
}
