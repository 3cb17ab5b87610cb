//! Reading recorded HTTP/2: requests decoded by a real server that the bytes are replayed into,
//! sizes of responses counted frame by frame (RFC 9113 §4.1).

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
/// RFC 9113 §3.4: what a client sends first.
const PREFACE: usize = 24;
/// Room for what the replay's server answers.
const ANSWERS: usize = 64 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names and values of the header fields.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

/// The requests in what a party received over one connection, as far as they arrived whole.
pub(crate) async fn requests(received: &[u8]) -> Result<Vec<Request>> {
    let whole = frames(received.get(PREFACE..).unwrap_or_default())
        .filter(|frame| matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0)
        .count();
    let (seen, mut decoded) = mpsc::unbounded_channel();
    let (mut replay, server) = tokio::io::duplex(received.len() + ANSWERS);
    replay.write_all(received).await?;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let _ = seen.send(read(request).await?);
            Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(server), service);
    let collect = async {
        let mut requests = Vec::new();
        while requests.len() < whole {
            match decoded.recv().await {
                Some(request) => requests.push(request),
                None => break,
            }
        }
        requests
    };
    // The replay is kept open until all requests are decoded: at its end a server drops the rest.
    let requests = tokio::select! {
        requests = collect => requests,
        ended = connection => return Err(ended.err().map_or_else(|| anyhow!("the recording ends early"), Into::into)),
    };
    drop(replay);
    Ok(requests)
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let fields = head.headers.iter();
    let fields = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Ok(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        fields: fields.collect(),
        body,
    })
}

/// Bytes of content of each response that a party sent over one connection, in order of streams.
pub(crate) fn response_sizes(sent: &[u8]) -> Vec<usize> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    for frame in frames(sent).filter(|frame| frame.stream != 0) {
        *sizes.entry(frame.stream).or_default() += if frame.kind == DATA { frame.length } else { 0 };
    }
    sizes.into_values().collect()
}

/// A frame's header.
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

fn frames(mut rest: &[u8]) -> impl Iterator<Item = Frame> {
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<FRAME_HEADER>()?;
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = *header;
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        rest = behind.get(length..).unwrap_or_default();
        Some(Frame { length, kind, flags, stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]) })
    })
}
