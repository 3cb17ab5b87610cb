//! HTTP/2 frames that a peer sends to wear us out (RFC 9113 §10.5). They are written by hand, because no
//! client library sends them.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Types and flags of RFC 9113 §6.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 11;
/// `GET http://a/`, by RFC 7541, appendix A: three entries of the static table, and `:authority: a`.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The beginning of a connection, with this SETTINGS payload.
fn begin(settings: &[u8]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()
}

/// Sends as much of `frames` as is taken, and returns the error code of the last GOAWAY.
async fn last_word(bench: &Bench, frames: &[u8]) -> Option<u32> {
    let (client, serving) = bench.connect();
    let (mut reads, mut writes) = tokio::io::split(client);
    let sending = async {
        let _ = writes.write_all(&begin(&[])).await;
        let _ = writes.write_all(frames).await;
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(sending, reads.read_to_end(&mut received));
    read.unwrap();
    serving.await.unwrap();
    let mut rest = received.as_slice();
    let mut code = None;
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let (payload, after) = after.split_at(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize);
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        rest = after;
    }
    code
}

fn of_many_streams(count: u32, frames: impl Fn(u32) -> Vec<Vec<u8>>) -> Vec<u8> {
    (0..count).flat_map(|n| frames(2 * n + 1).concat()).collect()
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_reset_as_fast_as_opened_close_the_connection() {
    let frames = of_many_streams(200, |stream| {
        vec![
            frame(HEADERS, END_HEADERS | END_STREAM, stream, GET),
            frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ]
    });
    assert_eq!(last_word(&bench(Limits::default()), &frames).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(start_paused = true)]
async fn streams_that_we_have_to_reset_close_the_connection() {
    // A window beyond 2³¹ − 1 is an error of its stream (RFC 9113 §6.9.1).
    let frames = of_many_streams(400, |stream| {
        vec![
            frame(HEADERS, END_HEADERS, stream, GET),
            frame(WINDOW_UPDATE, 0, stream, &i32::MAX.to_be_bytes()),
        ]
    });
    assert_eq!(last_word(&bench(Limits::default()), &frames).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_closes_the_connection() {
    // A field line without indexing (RFC 7541 §6.2.2) of 1 KiB, again and again.
    let line = [&[0, 1, b'x', 0x7f, 0x81, 0x07][..], &[b'y'; 1024]].concat();
    let mut frames = frame(HEADERS, END_STREAM, 1, GET);
    for _ in 0..1000 {
        frames.extend(frame(CONTINUATION, 0, 1, &line));
    }
    let code = last_word(&bench(Limits::default()), &frames).await;
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
}

#[tokio::test(start_paused = true)]
async fn pings_and_settings_do_not_keep_a_connection_open() {
    for (kind, payload) in [(PING, [7; 8].as_slice()), (SETTINGS, &[])] {
        let bench = bench(Limits { idle_timeout_secs: 4, ..Limits::default() });
        let since = tokio::time::Instant::now();
        let (mut client, serving) = bench.connect();
        client.write_all(&begin(&[])).await.unwrap();
        while client.write_all(&frame(kind, 0, 0, payload)).await.is_ok() && !serving.is_finished() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(since.elapsed().as_secs() < 60, "still open");
        }
        serving.await.unwrap();
        assert!(since.elapsed() <= Duration::from_secs(5) + GOODBYE, "{:?}", since.elapsed());
    }
}

/// Answers to pings that nobody reads are not piled up: we stop reading.
#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_is_not_read_faster_than_its_answers_are() {
    let bench = bench(Limits { idle_timeout_secs: 4, ..Limits::default() });
    let (mut client, serving) = bench.connect();
    client.write_all(&begin(&[])).await.unwrap();
    let mut sent = 0_usize;
    while client.write_all(&frame(PING, 0, 0, &[7; 8])).await.is_ok() {
        sent += 17;
        assert!(sent < 4 << 20, "everything is taken");
    }
    serving.await.unwrap();
}

/// RFC 9113 §6.5.2: a peer may open no window at all, and then has its answers wait.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_window_does_not_hold_a_connection() {
    let bench = bench(Limits { idle_timeout_secs: 4, ..Limits::default() });
    let since = tokio::time::Instant::now();
    let (mut client, serving) = bench.connect();
    // SETTINGS_INITIAL_WINDOW_SIZE (4) of zero.
    client.write_all(&begin(&[0, 4, 0, 0, 0, 0])).await.unwrap();
    client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)).await.unwrap();
    serving.await.unwrap();
    assert!(since.elapsed() <= Duration::from_secs(4) + GOODBYE, "{:?}", since.elapsed());
}
