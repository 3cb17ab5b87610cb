//! Peers that take their time, in whatever part of an exchange.

use super::*;

/// Half a request with a body.
const HALF: &[u8] = b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 4\r\n\r\nab";
const WHOLE: &str = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";

/// A connection on which half a request has been sent and read.
async fn half(bench: &Bench) -> (DuplexStream, JoinHandle<()>) {
    let (mut client, serving) = bench.connect();
    client.write_all(HALF).await.unwrap();
    while !bench.server.is_reading() {
        tokio::task::yield_now().await;
    }
    (client, serving)
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_holds_no_work() {
    let bench = bench(Limits { max_requests: 1, ..Limits::default() });
    let (mut slow, _serving) = half(&bench).await;
    let answer = bench.say(WHOLE).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    slow.write_all(b"cd").await.unwrap();
    assert!(rest(slow).await.contains("b\"abcd\""), "the slow one is served when it is there");
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_of_bodies_the_slowest_is_408() {
    let bench = bench(Limits { max_bodies: 1, ..Limits::default() });
    let (slow, _serving) = half(&bench).await;
    let (mut next, _serving_next) = bench.connect();
    next.write_all(HALF).await.unwrap();
    let given_up = rest(slow).await;
    assert!(given_up.starts_with("HTTP/1.1 408 "), "{given_up}");
    assert!(given_up.contains("the body came too slowly while others waited"), "{given_up}");
    next.write_all(b"cd").await.unwrap();
    assert!(rest(next).await.starts_with("HTTP/1.1 200 "));
    assert!(bench.counted().contains("refused_total{bound=\"Bodies\"} 1\n"), "{}", bench.counted());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_with_its_head_takes_no_place() {
    let bench = bench(Limits { max_bodies: 1, ..Limits::default() });
    let (mut slow, _serving) = half(&bench).await;
    let answer = bench.say("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    slow.write_all(b"cd").await.unwrap();
    assert!(rest(slow).await.starts_with("HTTP/1.1 200 "), "nobody was given up");
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_time_of_its_own() {
    let bench = bench(Limits { body_timeout_secs: 3, ..Limits::default() });
    let begin = tokio::time::Instant::now();
    let (slow, _serving) = half(&bench).await;
    let answer = rest(slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn drops_of_a_body_do_not_hold_a_connection() {
    // The idle time is the shorter one here.
    let bench = bench(Limits { idle_timeout_secs: 4, body_timeout_secs: 60, ..Limits::default() });
    let begin = tokio::time::Instant::now();
    let (mut client, serving) = bench.connect();
    client.write_all(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\n").await.unwrap();
    while client.write_all(b"x").await.is_ok() && begin.elapsed().as_secs() < 9 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    serving.await.unwrap();
    assert!(begin.elapsed() <= Duration::from_secs(4) + GOODBYE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_does_not_hold_a_connection() {
    let bench = bench(Limits { idle_timeout_secs: 4, ..Limits::default() });
    // Room for less than one answer.
    let (mut client, side) = duplex(16);
    let (server, stop) = (Arc::clone(&bench.server), bench.stop.subscribe());
    let begin = tokio::time::Instant::now();
    let serving = tokio::spawn(async move {
        let (place, _) = server.places.take().await;
        serve(side, Visit { place, origin: None, peer: None, visitor: None }, &server, stop).await;
    });
    client.write_all(WHOLE.as_bytes()).await.unwrap();
    serving.await.unwrap();
    assert!(begin.elapsed() <= Duration::from_secs(4) + GOODBYE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_http2_connection_makes_room_with_goaway() {
    let bench = bench(Limits { max_connections: 1, ..Limits::default() });
    let (client, _serving) = bench.connect();
    let tasks = Tasks::default();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(tasks.executor(), TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || Request::get("http://a.example/").body(Full::<Bytes>::default()).unwrap();
    sender.send_request(request()).await.unwrap();
    let answer = bench.say(WHOLE).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    connection.await.unwrap().expect("GOAWAY, not a broken connection");
    assert!(sender.send_request(request()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_worked_for_does_not_make_room() {
    let bench = bench(Limits { max_connections: 1, ..Limits::default() });
    let (mut first, _serving) = bench.connect();
    first.write_all(b"GET /wait HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    bench.echo.entered.notified().await;
    let (mut second, _serving_second) = bench.connect();
    second.write_all(WHOLE.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    bench.echo.release.notify_one();
    assert!(rest(first).await.starts_with("HTTP/1.1 200 "));
    assert!(rest(second).await.starts_with("HTTP/1.1 200 "));
}
