//! Connections to the gateway: shared, lost, slow, and silent in the log.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::leaks::Searched;
use discreet_serve::Clock;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{Setup, get, oblivious, relay, say, sealed, upstream};

/// What a bare socket in the gateway's place answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: message/ohttp-res\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn c20_clients_share_the_connections_to_the_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (clock, log) = (Clock::manual(0), Searched::default());
    let relay = relay(listener.local_addr().unwrap(), &clock, &log).await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut gateway = JoinSet::new();
    gateway.spawn(accept_forever(listener, Arc::clone(&accepted)));
    for _ in 0..20 {
        let client = upstream(relay.addr());
        assert_eq!(client.send(sealed("sealed"), 100).await.unwrap().status(), StatusCode::OK);
    }
    assert!(accepted.load(Ordering::SeqCst) <= 4, "20 clients, a fixed set of connections");
}

async fn accept_forever(listener: TcpListener, accepted: Arc<AtomicUsize>) {
    let mut open = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        accepted.fetch_add(1, Ordering::SeqCst);
        open.spawn(answer_forever(socket));
    }
}

/// Answers each read with an encapsulated response, on one connection.
async fn answer_forever(mut socket: TcpStream) {
    let mut request = [0; 4096];
    while let Ok(1..) = socket.read(&mut request).await {
        socket.write_all(ANSWER).await.unwrap();
    }
}

/// Design §9: the gateway must not be able to tell a client by the moment it gives up.
#[tokio::test]
async fn a_client_that_goes_away_does_not_end_the_exchange() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (clock, log) = (Clock::manual(0), Searched::default());
    let relay = relay(listener.local_addr().unwrap(), &clock, &log).await;
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    let request = "POST /dp HTTP/1.1\r\nhost: relay.example\r\n\
                   content-type: message/ohttp-req\r\ncontent-length: 6\r\n\r\nsealed";
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut gateway, _) = listener.accept().await.unwrap();
    assert!(gateway.read(&mut [0; 4096]).await.unwrap() > 0);
    drop(client);
    let admin = upstream(relay.admin_addr().unwrap());
    let open = async || {
        let metrics = admin.send(get("/metrics"), 100_000).await.unwrap();
        String::from_utf8_lossy(metrics.body())
            .lines()
            .any(|line| line == "discreet_relay_connections_open 1")
    };
    // Until the relay has noticed.
    while open().await {}
    let still_there = gateway.try_read(&mut [0; 16]).unwrap_err();
    assert_eq!(still_there.kind(), std::io::ErrorKind::WouldBlock);
    gateway.write_all(ANSWER).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_down_is_502() {
    let mut setup = Setup::new(oblivious()).await;
    setup.stop_gateway().await;
    let response = setup.ask(sealed("sealed")).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(
        response.body().as_ref(),
        br#"{"status":502,"title":"the gateway cannot be reached"}"#.as_slice()
    );
    assert!(setup.metrics().await.contains("forwarded_total{outcome=\"GatewayUnreachable\"} 1\n"));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_504() {
    let setup = Setup::new(oblivious()).await;
    let request = "POST /dp HTTP/1.1\r\nhost: relay.example\r\nconnection: close\r\n\
                   content-type: message/ohttp-req\r\ncontent-length: 5\r\n\r\nnever";
    let waiting = async {
        setup.gateway.entered().await;
        // The gateway has the request and will keep it: from here on time may pass at once.
        tokio::time::pause();
    };
    let (response, ()) = tokio::join!(say(&setup, request), waiting);
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
}

/// RFC 9458 §6.5: neither a fresh nor a pooled connection that dies is a reason to send again.
#[tokio::test]
async fn c33_nothing_is_sent_twice_when_a_connection_dies() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (clock, log) = (Clock::manual(0), Searched::default());
    let relay = relay(listener.local_addr().unwrap(), &clock, &log).await;
    let received = Arc::new(AtomicUsize::new(0));
    let mut gateway = JoinSet::new();
    gateway.spawn(answer_once_per_connection(listener, Arc::clone(&received)));
    let client = upstream(relay.addr());
    // Four connections in turn: four good answers, four dead connections, and so on.
    for (sent, expected) in [200, 200, 200, 200, 502, 502, 502, 502, 200].into_iter().enumerate() {
        let response = client.send(sealed("sealed"), 1000).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "request {sent}");
        assert_eq!(received.load(Ordering::SeqCst), sent + 1, "received once each");
    }
}

/// Each connection answers its first request and dies on its second.
async fn answer_once_per_connection(listener: TcpListener, received: Arc<AtomicUsize>) {
    let mut open = JoinSet::new();
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let received = Arc::clone(&received);
        open.spawn(async move {
            let mut request = [0; 4096];
            for answer in [ANSWER, b""] {
                if let Ok(1..) = socket.read(&mut request).await {
                    received.fetch_add(1, Ordering::SeqCst);
                    socket.write_all(answer).await.unwrap();
                }
            }
        });
    }
}

#[tokio::test]
async fn c70_the_log_names_nobody() {
    let mut setup = Setup::new(oblivious()).await;
    let mut request = sealed("sealed");
    request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    setup.ask(request.clone()).await;
    setup.stop_gateway().await;
    setup.ask(request).await;
    setup.ask(get("/dp")).await;
    let (log, relay) = (setup.log.text(), setup.relay.addr().to_string());
    let lines: Vec<_> = log.lines().collect();
    assert!(lines[0].contains("listening") && lines[0].contains(&relay), "{log}");
    for line in &lines[1..] {
        assert!(
            !line.contains("127.0.0.1") && !line.contains("192.0.2.7") && !line.contains("sealed"),
            "{line}"
        );
    }
    assert_eq!(lines.len(), 3, "one for the start and one for each failure: {log}");
}
