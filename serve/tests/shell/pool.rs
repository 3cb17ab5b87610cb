//! Which connections the upstream client makes, uses again and gives up.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use discreet_serve::{UpstreamError, upstream::Upstream};
use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, pause, sleep},
};

use crate::{
    frames::acceptor,
    support::{Pki, get, upstream},
};

/// Places for HTTP/2.
const CONNECTIONS: usize = 4;

/// Answers with what a request says of itself, and counts connections.
struct Counted {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    _serving: JoinSet<()>,
}

impl Counted {
    /// Over TLS with these protocols, or without TLS. Requests to `/wait` are answered when there is a crowd of them.
    async fn start(tls: Option<(&Pki, &[&str])>, crowd: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = tls.map(|(pki, protocols)| acceptor(pki, protocols));
        let opened = Arc::new(AtomicUsize::new(0));
        let (open, seen) = watch::channel(0);
        let waiting = Arc::new(tokio::sync::Barrier::new(crowd));
        let mut serving = JoinSet::new();
        let counted = Arc::clone(&opened);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                let (tls, open, waiting) = (tls.clone(), open.clone(), Arc::clone(&waiting));
                connections.spawn(async move {
                    open.send_modify(|open| *open += 1);
                    let service = service_fn(move |request| answer(number, request, Arc::clone(&waiting)));
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = match tls {
                        Some(tls) => {
                            let stream = TokioIo::new(tls.accept(socket).await.unwrap());
                            builder.serve_connection(stream, service).await
                        }
                        None => builder.serve_connection(TokioIo::new(socket), service).await,
                    };
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, opened, open: seen, _serving: serving }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

async fn answer(
    connection: usize,
    request: Request<Incoming>,
    waiting: Arc<tokio::sync::Barrier>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/wait" {
        waiting.wait().await;
    }
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    let text = format!("{:?} {} {hosts:?} over {connection}", request.version(), request.uri());
    Ok(Response::new(Full::from(text)))
}

async fn text(upstream: &Upstream, path: &str) -> String {
    let answer = upstream.send(get(path), 1000).await.unwrap();
    String::from_utf8(answer.into_body().to_vec()).unwrap()
}

/// What becomes of so many requests at once.
async fn crowd(upstream: &Arc<Upstream>, count: usize) -> Vec<Result<StatusCode, UpstreamError>> {
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let upstream = Arc::clone(upstream);
        requests.spawn(async move { upstream.send(get("/wait"), 1000).await.map(|answer| answer.status()) });
    }
    requests.join_all().await
}

#[tokio::test]
async fn one_request_after_another_goes_over_one_connection_of_http1() {
    let server = Counted::start(None, 1).await;
    let upstream = upstream(server.address);
    for _ in 0..10 {
        let said = text(&upstream, "http://elsewhere.example/a?b").await;
        assert_eq!(said, format!("HTTP/1.1 /a?b [\"{}\"] over 1", server.address));
    }
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn so_many_at_once_take_so_many_connections_of_http1_which_are_kept() {
    let server = Counted::start(None, 20).await;
    let upstream = Arc::new(upstream(server.address));
    assert_eq!(crowd(&upstream, 20).await, [Ok(StatusCode::OK); 20]);
    assert_eq!(crowd(&upstream, 20).await, [Ok(StatusCode::OK); 20]);
    assert_eq!(server.opened(), 20);
}

/// Else the upstream would know whoever asks again at once by the connection.
#[tokio::test]
async fn idle_connections_of_http1_take_turns() {
    let server = Counted::start(None, 3).await;
    let upstream = Arc::new(upstream(server.address));
    assert_eq!(crowd(&upstream, 3).await, [Ok(StatusCode::OK); 3]);
    let mut over = Vec::new();
    for _ in 0..6 {
        let said = text(&upstream, "/").await;
        over.push(said.rsplit_once(' ').unwrap().1.to_owned());
    }
    assert_eq!(over[..3], over[3..]);
    over.sort();
    assert_eq!(over, ["1", "1", "2", "2", "3", "3"]);
}

/// RFC 9112 §9.6: the server says that it will take no more requests on this connection.
#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        // None of them is closed here.
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            socket.write_all(answer).await.unwrap();
            sockets.push(socket);
        }
        sockets
    });
    for _ in 0..3 {
        assert_eq!(text(&upstream, "/").await, "ok");
    }
    for mut socket in server.await.unwrap() {
        assert_eq!(socket.read(&mut [0; 16]).await.unwrap(), 0, "the client has closed it");
    }
}

/// What is left of an answer that was not read must not be taken for the next one's beginning.
#[tokio::test]
async fn a_connection_with_an_answer_that_is_too_large_is_not_used_again() {
    let server = Counted::start(None, 1).await;
    let upstream = upstream(server.address);
    assert_eq!(upstream.send(get("/"), 3).await.unwrap_err(), UpstreamError::TooLarge);
    let said = text(&upstream, "/").await;
    assert!(said.ends_with(" over 2"), "{said}");
}

#[tokio::test]
async fn a_crowd_shares_four_connections_of_http2() {
    let pki = Pki::new();
    let server = Counted::start(Some((&pki, &["h2", "http/1.1"])), 40).await;
    let upstream = Arc::new(pki.upstream(server.address));
    assert_eq!(crowd(&upstream, 40).await, [Ok(StatusCode::OK); 40]);
    assert_eq!(crowd(&upstream, 40).await, [Ok(StatusCode::OK); 40]);
    assert_eq!(server.opened(), 4);
    let said = text(&upstream, "/a?b").await;
    assert_eq!(said, format!("HTTP/2.0 https://{}/a?b [] over 1", server.address));
}

/// Who comes while it is not known what the server speaks waits for that, and then for nobody.
#[tokio::test]
async fn a_crowd_at_a_tls_server_without_http2_takes_a_connection_each() {
    let pki = Pki::new();
    for protocols in [&["http/1.1"][..], &[]] {
        let server = Counted::start(Some((&pki, protocols)), 20).await;
        let upstream = Arc::new(pki.upstream(server.address));
        assert_eq!(crowd(&upstream, 20).await, [Ok(StatusCode::OK); 20]);
        assert_eq!(crowd(&upstream, 20).await, [Ok(StatusCode::OK); 20]);
        assert_eq!(server.opened(), 20, "{protocols:?}");
        let said = text(&upstream, "/").await;
        assert!(said.starts_with(&format!("HTTP/1.1 / [\"{}\"] ", server.address)), "{said}");
    }
}

#[tokio::test]
async fn what_is_unused_for_twenty_seconds_is_closed() {
    let pki = Pki::new();
    for protocol in ["h2", "http/1.1"] {
        let mut server = Counted::start(Some((&pki, &[protocol])), 1).await;
        let upstream = pki.upstream(server.address);
        let start = Instant::now();
        text(&upstream, "/").await;
        pause();
        server.open.wait_for(|open| *open == 0).await.unwrap();
        let unused = start.elapsed();
        assert!((20..=30).contains(&unused.as_secs()), "{protocol}: {unused:?}");
        tokio::time::resume();
        text(&upstream, "/").await;
        assert_eq!(server.opened(), 2, "{protocol}");
    }
}

#[tokio::test]
async fn what_is_used_again_and_again_stays_open() {
    let pki = Pki::new();
    for protocol in ["h2", "http/1.1"] {
        let server = Counted::start(Some((&pki, &[protocol])), 1).await;
        let upstream = pki.upstream(server.address);
        // Four places, of which each has its turn every 18 s.
        for _ in 0..20 {
            text(&upstream, "/").await;
            pause();
            sleep(Duration::from_millis(4500)).await;
            tokio::time::resume();
        }
        let places = if protocol == "h2" { 4 } else { 1 };
        assert_eq!(server.opened(), places, "{protocol}");
    }
}

/// Passes connections on to whoever is behind it, and ends them when that changes.
async fn balance(listener: TcpListener, behind: watch::Receiver<SocketAddr>) {
    let mut passing = JoinSet::new();
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut behind = behind.clone();
        let address = *behind.borrow_and_update();
        let mut onward = TcpStream::connect(address).await.unwrap();
        passing.spawn(async move {
            tokio::select! {
                _ = copy_bidirectional(&mut socket, &mut onward) => {}
                changed = behind.changed() => changed.unwrap(),
            }
        });
    }
}

#[tokio::test]
async fn what_an_upstream_speaks_is_found_out_with_each_connection() {
    let pki = Pki::new();
    for (before, after) in [("h2", "http/1.1"), ("http/1.1", "h2")] {
        let old = Counted::start(Some((&pki, &[before])), 1).await;
        let new = Counted::start(Some((&pki, &[after])), 8).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Arc::new(pki.upstream(listener.local_addr().unwrap()));
        let (turn_to, behind) = watch::channel(old.address);
        let mut balancer = JoinSet::new();
        balancer.spawn(balance(listener, behind));
        text(&upstream, "/").await;
        turn_to.send(new.address).unwrap();
        let mut open = old.open.clone();
        open.wait_for(|open| *open == 0).await.unwrap();
        for _ in 0..2 {
            assert_eq!(crowd(&upstream, 8).await, [Ok(StatusCode::OK); 8], "{before} to {after}");
        }
        let version = if after == "h2" { "HTTP/2.0 " } else { "HTTP/1.1 " };
        assert!(text(&upstream, "/").await.starts_with(version));
        assert!(new.opened() <= 8 + CONNECTIONS, "{}", new.opened());
    }
}

/// One backend that takes a connection and says nothing must not hold a quarter of all requests.
#[tokio::test]
async fn a_handshake_that_hangs_holds_nobody_while_there_is_another_connection() {
    let pki = Pki::new();
    let server = Counted::start(Some((&pki, &["h2"])), 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Arc::new(pki.upstream(listener.local_addr().unwrap()));
    let (hangs, (_stays, behind)) = (Arc::new(Notify::new()), watch::channel(server.address));
    let hung = Arc::clone(&hangs);
    let mut balancer = JoinSet::new();
    balancer.spawn(async move {
        let (_held, _) = listener.accept().await.unwrap();
        hung.notify_one();
        balance(listener, behind).await;
    });
    let first = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { text(&upstream, "/").await }
    });
    hangs.notified().await;
    // Five turns: the last is that of the place whose handshake hangs.
    for _ in 0..5 {
        assert!(text(&upstream, "/").await.starts_with("HTTP/2.0 "));
    }
    assert!(!first.is_finished());
    // The attempt is given up, and the one who waited for it goes on.
    pause();
    assert!(first.await.unwrap().starts_with("HTTP/2.0 "));
}

/// Each would otherwise wait until all before it have failed.
#[tokio::test]
async fn a_failed_attempt_to_connect_is_everybodys_who_waited_for_it() {
    let pki = Pki::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Arc::new(Pki::new().upstream(listener.local_addr().unwrap()));
    let tls = acceptor(&pki, &["h2"]);
    let server = tokio::spawn(async move {
        for attempts in 0.. {
            let (socket, _) = listener.accept().await.unwrap();
            // The client does not trust this certificate.
            let _ = tls.accept(socket).await;
            if attempts == 3 {
                return listener.into_std().unwrap();
            }
        }
        unreachable!()
    });
    assert_eq!(crowd(&upstream, 40).await, [Err(UpstreamError::Tls); 40]);
    let listener = server.await.unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "four attempts");
}
