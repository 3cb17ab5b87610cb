//! More connections than there are places, over real sockets: who waits, who leaves, who is served.
//!
//! The clock is paused: where a test waits for the patience to end, it ends at once.

use discreet_serve::{Admin, Limits, Shell};
use http::StatusCode;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Config, Echo, Pki, counts, get, loopback, rest, say, upstream};

/// As many places as the slow ones take.
const SLOW: usize = 24;

fn crowded(listen: Option<discreet_serve::Listen>) -> Config {
    let limits = Limits { max_connections: SLOW, ..Limits::default() };
    let admin = Admin::Enabled { address: loopback() };
    let listen = listen.unwrap_or_else(crate::support::plaintext);
    Config { limits, admin, listen, ..Config::default() }
}

/// As many connections as there are places, on which `bytes` are sent and nothing more.
async fn crowd(shell: &Shell, bytes: &[u8]) -> Vec<TcpStream> {
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut socket = TcpStream::connect(shell.addr()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        slow.push(socket);
    }
    while !counts(shell, &format!("test_connections_open {SLOW}")).await {}
    slow
}

/// Honest clients are served, and the slow ones are closed in the order in which they came.
async fn honest_clients_are_served(config: &Config, bytes: &[u8], of: impl AsyncFn(&Shell) -> StatusCode) {
    let shell = config.start(Echo::default()).await.unwrap();
    let mut slow = crowd(&shell, bytes).await;
    for _ in 0..3 {
        assert_eq!(of(&shell).await, StatusCode::OK);
    }
    // Their clients are gone by now, too, so that one place was enough, or three were needed.
    assert!(!counts(&shell, "test_evicted_total 0").await);
    rest(slow.remove(0)).await;
    let last = slow.pop().unwrap();
    let open = loop {
        match last.try_read(&mut [0; 4096]) {
            Ok(1..) => {}
            end => break end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        }
    };
    assert!(open, "who came last has not been closed");
}

#[tokio::test(start_paused = true)]
async fn unfinished_handshakes_make_room() {
    let pki = Pki::new();
    let config = crowded(Some(pki.listen()));
    // The beginning of a TLS record that never ends.
    honest_clients_are_served(&config, b"\x16\x03\x01\x02", async |shell| {
        pki.upstream(shell.addr()).send(get("/"), 100).await.unwrap().status()
    })
    .await;
}

async fn over_plaintext(shell: &Shell) -> StatusCode {
    upstream(shell.addr()).send(get("/"), 100).await.unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn connections_that_say_nothing_make_room() {
    honest_clients_are_served(&crowded(None), b"", over_plaintext).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_head_makes_room() {
    honest_clients_are_served(&crowded(None), b"GET / HTTP/1.1\r\nx-slow: ", over_plaintext).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_body_makes_room() {
    let half = b"POST / HTTP/1.1\r\ncontent-length: 100\r\n\r\nhalf";
    honest_clients_are_served(&crowded(None), half, over_plaintext).await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_make_room() {
    honest_clients_are_served(&crowded(None), b"GET / HTTP/1.1\r\n\r\n", over_plaintext).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_worked_for_make_no_room() {
    let (echo, mut config) = (Echo::default(), crowded(None));
    config.limits.max_connections = 1;
    let shell = config.start(echo.clone()).await.unwrap();
    let addr = shell.addr();
    let waiting = tokio::spawn(async move { upstream(addr).send(get("/wait"), 100).await });
    echo.entered().await;
    let (second, _) = tokio::join!(say(&shell, b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"), async {
        // Longer than the patience.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        echo.release();
    });
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
}
