//! One connection over an in-memory pipe, with tokio's clock paused: timeouts pass at once.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
};

use super::*;
use crate::{Limits, LogConfig, clients::Admission, log::LogBuffer, metrics::Metrics};

mod floods;
mod slow;

/// Echoes what it sees; `/panic`, `/never` and `/wait` do what they say.
#[derive(Default)]
struct Echo {
    entered: Notify,
    release: Notify,
}

impl Handler for Arc<Echo> {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        match request.uri().path() {
            "/panic" => panic!("{:?}", request.body()),
            "/never" => std::future::pending().await,
            "/wait" => {
                self.entered.notify_one();
                self.release.notified().await;
            }
            _ => {}
        }
        let fields: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        Response::new(Bytes::from(format!("{:?} {}", request.body(), fields.join(","))))
    }
}

struct Bench {
    echo: Arc<Echo>,
    server: Arc<Server<Arc<Echo>>>,
    metrics: Metrics,
    log: LogBuffer,
    stop: watch::Sender<bool>,
}

/// A bench with a body limit of 10 bytes.
fn bench(limits: Limits) -> Bench {
    let (echo, metrics, log) = (Arc::new(Echo::default()), Metrics::default(), LogBuffer::default());
    let (everybody, log_to) = (Admission::of_everybody(), log.log(&LogConfig::default()));
    let server = Server::new(Arc::clone(&echo), limits, 10, everybody, metrics.clone(), log_to);
    Bench { echo, server: Arc::new(server), metrics, log, stop: watch::Sender::new(false) }
}

impl Bench {
    fn connect(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, side) = duplex(65_536);
        let (server, stop) = (Arc::clone(&self.server), self.stop.subscribe());
        let serving = async move {
            let (place, _) = server.places.take().await;
            serve(side, Visit { place, origin: None, peer: None, visitor: None }, &server, stop).await;
        };
        (client, tokio::spawn(serving))
    }

    /// Sends `text` and returns all that comes back until the server closes.
    async fn say(&self, text: &str) -> String {
        let (mut client, _serving) = self.connect();
        client.write_all(text.as_bytes()).await.unwrap();
        rest(client).await
    }

    fn counted(&self) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        self.metrics.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }
}

async fn rest(mut client: DuplexStream) -> String {
    let mut text = Vec::new();
    client.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_a_length_and_nothing_else_of_ours() {
    let answer = bench(Limits::default()).say("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\nb\"\" connection");
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_without_content() {
    let answer = bench(Limits::default()).say("HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 14\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_413() {
    let bench = bench(Limits::default());
    let announced = bench.say("POST / HTTP/1.1\r\ncontent-length: 11\r\nexpect: 100-continue\r\n\r\n").await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "refused before it was sent: {announced}");
    let chunked =
        bench.say("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n").await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    assert!(chunked.ends_with(r#"{"status":413,"title":"the body is too large"}"#), "{chunked}");
    assert!(bench.counted().contains("refused_total{bound=\"BodyBytes\"} 2\n"), "{}", bench.counted());
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_limit_is_read() {
    let bench = bench(Limits::default());
    let answer =
        bench.say("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 10\r\n\r\n0123456789").await;
    assert!(answer.contains("b\"0123456789\""), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn c66_a_body_that_does_not_come_is_408() {
    let bench = bench(Limits::default());
    let answer = bench.say("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(bench.counted().contains("refused_total{bound=\"BodyTime\"} 1\n"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_503() {
    let answer = bench(Limits::default()).say("GET /never HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn c66_a_header_that_does_not_come_closes_the_connection() {
    let answer = bench(Limits::default()).say("GET / HTTP/1.1\r\nx: ").await;
    assert_eq!(answer, "");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let limits = Limits { idle_timeout_secs: 3, ..Limits::default() };
    let begin = tokio::time::Instant::now();
    assert_eq!(bench(limits).say("").await, "");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn too_large_a_header_is_431() {
    let limits = Limits { max_header_bytes: 8192, ..Limits::default() };
    let answer = bench(limits).say(&format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(9000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn c21_trailers_do_not_reach_the_handler() {
    let request = "POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-who\r\n\r\n\
                   2\r\nhi\r\n0\r\nx-who: alice\r\n\r\n";
    let answer = bench(Limits::default()).say(request).await;
    assert!(answer.ends_with("b\"hi\" connection,transfer-encoding,trailer"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_of_requests_is_503_with_retry_after() {
    let bench = bench(Limits { max_requests: 1, ..Limits::default() });
    let (mut first, _serving) = bench.connect();
    first.write_all(b"GET /wait HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    bench.echo.entered.notified().await;
    let second = bench.say("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("retry-after: 2\r\n"), "{second}");
    bench.echo.release.notify_one();
    assert!(rest(first).await.starts_with("HTTP/1.1 200 "), "the first one is not disturbed");
    let third = bench.say("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(third.starts_with("HTTP/1.1 200 "), "the place is free again: {third}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_500_counted_and_says_nothing() {
    let bench = bench(Limits::default());
    let request = "POST /panic HTTP/1.1\r\ncontent-length: 5\r\n\r\nalice\
                   GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    let answer = bench.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("HTTP/1.1 200 "), "the connection goes on: {answer}");
    assert!(!answer.contains("alice") && !bench.log.text().contains("alice"), "{answer}");
    assert!(bench.counted().contains("panics_total 1\n"), "{}", bench.counted());
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_request_in_flight_finish_and_closes() {
    let bench = bench(Limits::default());
    let (mut client, serving) = bench.connect();
    client.write_all(b"GET /wait HTTP/1.1\r\n\r\n").await.unwrap();
    bench.echo.entered.notified().await;
    bench.stop.send_replace(true);
    bench.echo.release.notify_one();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nconnection: close\r\n"), "{answer}");
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn http2_answers_carry_no_date_and_stop_with_goaway() {
    let bench = bench(Limits::default());
    let (client, serving) = bench.connect();
    let tasks = Tasks::default();
    let handshake = hyper::client::conn::http2::handshake(tasks.executor(), TokioIo::new(client));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);

    let request = Request::post("http://a.example/").body(Full::new(Bytes::from("hi"))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["content-length"]);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "b\"hi\" content-length");

    let head = Request::head("http://a.example/").body(Full::default()).unwrap();
    let response = sender.send_request(head).await.unwrap();
    assert_eq!(response.headers()["content-length"], "4");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());

    bench.stop.send_replace(true);
    connection.await.unwrap().unwrap();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_http2_connection_is_closed_and_a_busy_one_is_not() {
    let bench = bench(Limits { idle_timeout_secs: 3, ..Limits::default() });
    let (client, serving) = bench.connect();
    let tasks = Tasks::default();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(tasks.executor(), TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a.example/wait").body(Full::<Bytes>::default()).unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    bench.echo.entered.notified().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    bench.echo.release.notify_one();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK, "20 s of work are not idle time");
    serving.await.unwrap();
    connection.await.unwrap().unwrap();
}

/// Without it a peer whose handshake ends at the moment of a stop would lose the request it then sends.
#[tokio::test(start_paused = true)]
async fn a_first_request_on_its_way_at_a_stop_is_answered() {
    let bench = bench(Limits::default());
    bench.stop.send_replace(true);
    let request = "GET / HTTP/1.1\r\n\r\n";
    let answer = bench.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let (client, serving) = bench.connect();
    let tasks = Tasks::default();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(tasks.executor(), TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a.example/").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
    connection.await.unwrap().unwrap();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_ends_a_second_after_a_stop() {
    let bench = bench(Limits::default());
    bench.stop.send_replace(true);
    let begun = tokio::time::Instant::now();
    assert_eq!(bench.say("").await, "");
    assert_eq!(begun.elapsed().as_secs(), 1);
}
