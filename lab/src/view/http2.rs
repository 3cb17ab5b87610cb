//! Reading recorded HTTP/2: requests decoded by a real server that the bytes are replayed into,
//! sizes of responses counted frame by frame (RFC 9113 §4.1).

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names and values of the header fields.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

/// The requests in what a party received over one connection.
pub(crate) async fn requests(received: &[u8]) -> Result<Vec<Request>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mut replay, server) = tokio::io::duplex(received.len() + 64 * 1024);
    replay.write_all(received).await?;
    let collect = Arc::clone(&seen);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let seen = Arc::clone(&collect);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let fields = head.headers.iter();
            let fields = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            let request = Request {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                fields: fields.collect(),
                body,
            };
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    // Whoever reads the answers of the replay goes away with the last recorded byte.
    let (mut answers, mut end) = tokio::io::split(replay);
    let drain = async {
        end.shutdown().await?;
        tokio::io::copy(&mut answers, &mut tokio::io::sink()).await
    };
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(server), service);
    // The recorded client answers frames that the replay does not send, and falls silent at the end;
    // what was decoded until then is what arrived.
    let _ = tokio::join!(connection, drain);
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(seen)
}

/// Bytes of content of each response that a party sent over one connection, in order of streams.
pub(crate) fn response_sizes(sent: &[u8]) -> Vec<usize> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    let mut rest = sent;
    while let Some((header, behind)) = rest.split_first_chunk::<FRAME_HEADER>() {
        let [l1, l2, l3, kind, _, s1, s2, s3, s4] = *header;
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        let stream = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
        if stream != 0 {
            let size = sizes.entry(stream).or_default();
            *size += if kind == DATA { length } else { 0 };
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    sizes.into_values().collect()
}
