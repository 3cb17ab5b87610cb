//! How often clients may come, and whose address counts, over real sockets.

use std::net::Ipv4Addr;

use discreet_serve::{Admin, Limits, Upstream, UpstreamConfig};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Config, Echo, Pki, counts, get, loopback, rest, say, upstream};

const ASK: &str = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// 192.0.2.7:50000 to 198.51.100.1:443, as a balancer says it.
const PROXIED: &str = "0d0a0d0a000d0a515549540a2111000cc0000207c6336401c35001bb";
const ANOTHER: &str = "0d0a0d0a000d0a515549540a2111000cc0000208c6336401c35001bb";

fn observed() -> Config {
    Config { admin: Admin::Enabled { address: loopback() }, ..Config::default() }
}

fn proxied(header: &str, rest: &str) -> Vec<u8> {
    [hex::decode(header).unwrap(), rest.as_bytes().to_vec()].concat()
}

#[tokio::test]
async fn over_the_rate_a_request_is_429_with_retry_after() {
    let (config, echo) = (observed(), Echo::default());
    let shell = config.start_for("rate = { per_minute = 1, burst = 3 }", echo.clone()).await;
    let requests = format!("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n{ASK}");
    let answers = say(&shell, requests.as_bytes()).await;
    let answers: Vec<_> = answers.split("HTTP/1.1 ").skip(1).collect();
    // The connection has cost a token.
    assert!(answers[0].starts_with("200 ") && answers[1].starts_with("200 "), "{answers:?}");
    assert!(answers[2].starts_with("429 "), "{answers:?}");
    assert!(answers[2].ends_with(r#"{"status":429,"title":"too many requests from one address"}"#));
    let (_, after) = answers[2].split_once("retry-after: ").unwrap();
    let after: u64 = after.lines().next().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(echo.hits(), 2, "the handler has not seen the third");
    assert!(counts(&shell, "test_refused_total{bound=\"Rate\"} 1").await);
    assert!(!config.log.text().contains("127.0.0.1"), "{}", config.log.text());
}

#[tokio::test]
async fn over_the_rate_a_body_is_not_waited_for() {
    let shell = observed().start_for("rate = { per_minute = 1, burst = 1 }", Echo::default()).await;
    let answer = say(&shell, b"POST / HTTP/1.1\r\ncontent-length: 1000\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}

#[tokio::test]
async fn over_the_rate_a_connection_is_closed_before_tls() {
    let pki = Pki::new();
    let config = Config { listen: pki.listen(), ..observed() };
    let shell = config.start_for("rate = { per_minute = 1, burst = 2 }", Echo::default()).await;
    pki.upstream(shell.addr()).send(get("/"), 100).await.unwrap();
    let socket = TcpStream::connect(shell.addr()).await.unwrap();
    assert_eq!(rest(socket).await, "", "closed without having been asked for anything");
    assert!(counts(&shell, "test_unwelcome_total{reason=\"Rate\"} 1").await);
}

#[tokio::test]
async fn by_default_nobody_is_counted() {
    let shell = observed().start_for("", Echo::default()).await;
    let client = upstream(shell.addr());
    for _ in 0..300 {
        assert_eq!(client.send(get("/"), 100).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_balancers_clients_are_told_apart_before_tls() {
    let pki = Pki::new();
    let config = Config { listen: pki.listen(), ..observed() };
    let clients = "behind = \"proxy_protocol\"\nrate = { per_minute = 1, burst = 2 }";
    let shell = config.start_for(clients, Echo::default()).await;
    for header in [PROXIED, ANOTHER] {
        assert_eq!(through_a_balancer(&pki, &shell, header).await.as_deref(), Some("HTTP/2.0"));
    }
    assert_eq!(through_a_balancer(&pki, &shell, PROXIED).await, None, "both tokens are spent");
    assert!(counts(&shell, "test_unwelcome_total{reason=\"Rate\"} 1").await);
}

/// One request over TLS, with the header ahead that a balancer would send.
async fn through_a_balancer(pki: &Pki, shell: &discreet_serve::Shell, header: &str) -> Option<String> {
    let balancer = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (entrance, header, server) =
        (balancer.local_addr().unwrap(), hex::decode(header).unwrap(), shell.addr());
    let passing = tokio::spawn(async move {
        let (mut client, _) = balancer.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
        server.write_all(&header).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let answer = pki.upstream(entrance).send(get("/"), 100).await;
    passing.abort();
    answer.ok().map(|answer| String::from_utf8(answer.body().to_vec()).unwrap())
}

#[tokio::test]
async fn without_a_proxy_header_a_connection_is_closed() {
    let shell = observed().start_for("behind = \"proxy_protocol\"", Echo::default()).await;
    assert_eq!(say(&shell, ASK.as_bytes()).await, "");
    assert_eq!(
        say(&shell, b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\nGET / HTTP/1.1\r\n\r\n").await,
        ""
    );
    assert!(counts(&shell, "test_unwelcome_total{reason=\"ProxyHeader\"} 2").await);
    let answer = say(&shell, &proxied(PROXIED, ASK)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_balancers_health_check_is_answered() {
    let shell = observed().start_for("behind = \"proxy_protocol\"", Echo::default()).await;
    let answer = say(&shell, &proxied("0d0a0d0a000d0a515549540a20000000", ASK)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_header_that_does_not_come_closes_the_connection() {
    let limits = Limits { tls_handshake_timeout_secs: 3, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let shell = config.start_for("behind = \"proxy_protocol\"", Echo::default()).await;
    let begin = tokio::time::Instant::now();
    let mut socket = TcpStream::connect(shell.addr()).await.unwrap();
    socket.write_all(&hex::decode(&PROXIED[..40]).unwrap()).await.unwrap();
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn proxies_that_speak_http_name_the_client_in_a_field() {
    let clients = "behind = { forwarded_for = { proxies = 1 } }\nrate = { per_minute = 1, burst = 1 }";
    let shell = observed().start_for(clients, Echo::default()).await;
    let config = UpstreamConfig::new(format!("http://{}", shell.addr()).parse().unwrap());
    let proxy = Upstream::new(&config).unwrap();
    let asked_for = async |value: Option<&str>| {
        let mut request = get("/");
        if let Some(value) = value {
            request.headers_mut().insert("x-forwarded-for", value.parse().unwrap());
        }
        proxy.send(request, 1000).await.unwrap().status().as_u16()
    };
    assert_eq!(asked_for(Some("192.0.2.7")).await, 200);
    assert_eq!(asked_for(Some("203.0.113.1, 192.0.2.7")).await, 429, "a client's own words do not count");
    assert_eq!(asked_for(Some("192.0.2.7, 192.0.2.8")).await, 200);
    assert_eq!(asked_for(None).await, 400);
    assert_eq!(asked_for(Some("somebody")).await, 400);
    assert!(counts(&shell, "test_refused_total{bound=\"ForwardedFor\"} 2").await);
}
