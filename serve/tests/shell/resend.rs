//! What is sent once more and what is not: RFC 9458 §6.5 wants proof that nothing was processed.

use std::{io::Read, io::Write, net::SocketAddr, sync::mpsc, time::Duration};

use bytes::Bytes;
use discreet_serve::{Listen, UpstreamError};
use http::{Request, StatusCode};
use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

use crate::{
    frames::{Fate, Frames},
    support::{Config, Echo, Pki, get, upstream},
};

/// RFC 9113 §7.
const REFUSED_STREAM: u32 = 7;
const PROTOCOL: UpstreamError = UpstreamError::Protocol;

fn post() -> Request<Bytes> {
    Request::post("/").body(Bytes::from_static(b"content")).unwrap()
}

/// What a request ends with, and how many copies of it arrive.
async fn outcome(fates: &[Fate]) -> (Result<StatusCode, UpstreamError>, usize) {
    outcome_of(|| get("/"), fates).await
}

async fn outcome_of(
    request: fn() -> Request<Bytes>,
    fates: &[Fate],
) -> (Result<StatusCode, UpstreamError>, usize) {
    let pki = Pki::new();
    let server = Frames::start(&pki, fates).await;
    let answer = server.upstream(&pki).send(request(), 100).await;
    (answer.map(|answer| answer.status()), server.received())
}

#[tokio::test]
async fn c33_a_refused_stream_is_sent_once_more() {
    assert_eq!(outcome(&[Fate::Reset(REFUSED_STREAM)]).await, (Ok(StatusCode::OK), 2));
}

#[tokio::test]
async fn c33_a_stream_refused_twice_is_an_error() {
    assert_eq!(outcome(&[Fate::Reset(REFUSED_STREAM); 2]).await, (Err(PROTOCOL), 2));
}

#[tokio::test]
async fn c33_a_stream_reset_for_another_reason_is_not_sent_again() {
    // All other codes of RFC 9113 §7; 13, HTTP_1_1_REQUIRED, among them.
    for code in (0..=13).filter(|code| *code != REFUSED_STREAM) {
        assert_eq!(outcome(&[Fate::Reset(code)]).await, (Err(PROTOCOL), 1), "{code}");
    }
}

#[tokio::test]
async fn c33_a_stream_refused_after_its_answer_has_begun_is_not_sent_again() {
    assert_eq!(outcome(&[Fate::AnsweredInPart(REFUSED_STREAM)]).await, (Err(PROTOCOL), 1));
}

/// RFC 9113 §6.8: a stream above the last one that is named was not processed. Ours is the first, 1.
#[tokio::test]
async fn c33_a_post_above_the_last_stream_of_a_goaway_is_sent_once_more() {
    assert_eq!(outcome_of(post, &[Fate::GoAway(0)]).await, (Ok(StatusCode::OK), 2));
}

#[tokio::test]
async fn c33_a_goaway_that_does_not_exclude_the_stream_leads_to_no_second_copy() {
    for last in [1, 3, 0x7fff_ffff] {
        assert_eq!(outcome_of(post, &[Fate::GoAway(last)]).await, (Err(PROTOCOL), 1), "{last}");
    }
}

/// hyper says the same of a request that it has just sent. Without content it may have been processed.
#[tokio::test]
async fn c33_a_post_without_content_is_not_sent_again_after_a_goaway() {
    let bare = || Request::post("/").body(Bytes::new()).unwrap();
    for last in [0, 1, 0x7fff_ffff] {
        assert_eq!(outcome_of(bare, &[Fate::GoAway(last)]).await, (Err(PROTOCOL), 1), "{last}");
    }
    assert_eq!(outcome(&[Fate::GoAway(0)]).await, (Ok(StatusCode::OK), 2), "a GET is harmless");
}

#[tokio::test]
async fn c33_the_end_of_an_http2_connection_leads_to_no_second_copy() {
    assert_eq!(outcome(&[Fate::Eof]).await, (Err(PROTOCOL), 1));
}

#[tokio::test]
async fn c33_a_timeout_leads_to_no_second_copy() {
    let echo = Echo::default();
    let shell = Config::default().start(echo.clone()).await.unwrap();
    let upstream = upstream(shell.addr());
    let exchange = tokio::spawn(async move { upstream.send(get("/wait"), 100).await });
    echo.entered().await;
    // The request is there and nobody will answer it: from here on time may pass at once.
    tokio::time::pause();
    assert_eq!(exchange.await.unwrap().unwrap_err(), UpstreamError::Timeout);
    assert_eq!(echo.hits(), 1);
}

/// A connection that dies is no proof that nothing was processed, whether it ends or is reset.
#[tokio::test]
async fn c33_a_request_on_a_dying_connection_is_not_repeated() {
    for resets in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = upstream(listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            if resets {
                socket.set_zero_linger().unwrap();
            }
            drop(socket);
            listener
        });
        assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Protocol);
        assert_no_more(server.await.unwrap().into_std().unwrap());
    }
}

/// A kept connection that ends in the middle of its second exchange.
#[tokio::test]
async fn c33_a_request_read_on_a_kept_connection_is_not_repeated() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut sockets: Vec<_> = (0..4).map(|_| answer_one(&listener)).collect();
        // The fifth request, on the first connection.
        assert!(sockets[0].read(&mut [0; 1024]).unwrap() > 0);
        listener
    });
    for _ in 0..4 {
        assert!(upstream.send(get("/"), 100).await.is_ok());
    }
    assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Protocol);
    assert_no_more(server.join().unwrap());
}

/// The connection is found closed before hyper has touched the request: it goes out on another one.
#[tokio::test]
async fn c33_a_request_that_never_left_the_queue_is_sent_on_another_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let (close, closing) = mpsc::channel::<()>();
    let (closed, all_closed) = mpsc::channel();
    let server = std::thread::spawn(move || {
        // One for each connection the client keeps.
        let mut sockets: Vec<_> = (0..4).map(|_| answer_one(&listener)).collect();
        closing.recv().unwrap();
        for socket in &mut sockets {
            socket.shutdown(std::net::Shutdown::Write).unwrap();
        }
        closed.send(()).unwrap();
        let answered = answer_one(&listener);
        // Not a byte of a request came on the old ones.
        let late = sockets.iter_mut().map(|socket| socket.read(&mut [0; 1024]).unwrap_or(0)).sum::<usize>();
        drop(answered);
        (listener, late)
    });
    for _ in 0..4 {
        assert!(upstream.send(get("/"), 100).await.is_ok());
    }
    close.send(()).unwrap();
    // Blocks this thread on purpose: the client must not notice before it sends. Then the runtime
    // sees the closed sockets, but this task goes on before the connections' tasks do.
    all_closed.recv().unwrap();
    tokio::task::yield_now().await;
    assert_eq!(upstream.send(get("/"), 100).await.unwrap().body().as_ref(), b"ok");
    drop(upstream);
    let (listener, late) = server.join().unwrap();
    assert_eq!(late, 0);
    assert_no_more(listener);
}

#[tokio::test]
async fn c33_an_upstream_that_comes_back_within_a_moment_costs_nothing() {
    let address = nobody().await;
    let upstream = upstream(address);
    let echo = Echo::default();
    let config = Config { listen: Listen::Plaintext { address: address.into() }, ..Config::default() };
    tokio::time::pause();
    let (answer, shell) = tokio::join!(upstream.send(get("/"), 100), async {
        // Time passes only while the request waits after an attempt: two more of them fail.
        tokio::time::sleep(Duration::from_millis(100)).await;
        config.start(echo.clone()).await.unwrap()
    });
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(echo.hits(), 1);
    drop(shell);
}

#[tokio::test]
async fn an_upstream_that_stays_away_is_waited_for_once() {
    let upstream = upstream(nobody().await);
    tokio::time::pause();
    let mut waited = Vec::new();
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(upstream.send(get("/"), 100).await.unwrap_err(), UpstreamError::Connect);
        waited.push(before.elapsed());
    }
    let moment = Duration::from_millis(100);
    assert!(waited[0] >= Duration::from_secs(3) && waited[0] < Duration::from_secs(4), "{waited:?}");
    assert!(waited[1] < moment && waited[2] < moment, "{waited:?}");
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn assert_no_more(listener: std::net::TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "there was another connection");
}

fn answer_one(listener: &std::net::TcpListener) -> std::net::TcpStream {
    let (mut socket, _) = listener.accept().unwrap();
    assert!(socket.read(&mut [0; 1024]).unwrap() > 0);
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    socket
}
