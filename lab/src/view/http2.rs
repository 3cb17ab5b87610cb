//! Reading recorded HTTP/2 (RFC 9113): frames put together into requests and responses, header fields
//! decoded (RFC 7541). It reads what our own hyper wrote; what it cannot read is an error, never skipped.

use super::Connection;
use anyhow::{Context, Result, anyhow};
use loona_hpack::Decoder;
use std::collections::BTreeMap;
use std::time::Duration;

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
/// Bytes of a stream's priority in front of its header block (RFC 9113 §6.2).
const PRIORITY_BYTES: usize = 5;
/// RFC 9113 §3.4: what a client sends first.
const PREFACE: usize = 24;

/// A request and what was answered; empty where nothing was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) request: Message,
    pub(crate) response: Message,
}

/// A request or a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Names and values of the header fields, pseudo-fields first, as they were sent.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// The content.
    pub(crate) body: Vec<u8>,
    /// When its first frame had passed, since the recorder began.
    pub(crate) first: Duration,
    /// When its last frame had passed.
    pub(crate) last: Duration,
}

impl Message {
    /// The value of a field, as text; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> String {
        let value = self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    }

    /// Its fields as lines, as HTTP/1.1 would have them.
    pub(crate) fn head(&self) -> Vec<u8> {
        let lines = self.fields.iter();
        lines.flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\n"].concat()).collect()
    }
}

impl Exchange {
    /// Method and path.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.request.field(":method"), self.request.field(":path"))
    }
}

/// What was asked and answered over one connection, in the order in which streams were opened.
pub(crate) fn exchanges(connection: &Connection) -> Result<Vec<Exchange>> {
    let requests = connection.received.get(PREFACE..).unwrap_or_default();
    let requests = messages(requests, &times(connection, true), PREFACE).context("what was received")?;
    let mut responses = messages(&connection.sent, &times(connection, false), 0).context("what was sent")?;
    let answered = requests.into_iter().map(|(stream, request)| {
        let response = responses.remove(&stream).unwrap_or_default();
        Exchange { request, response }
    });
    Ok(answered.collect())
}

/// Up to which byte what had passed when, in one direction.
fn times(connection: &Connection, received: bool) -> BTreeMap<usize, Duration> {
    let chunks = connection.chunks.iter().filter(|chunk| chunk.received == received);
    chunks.map(|chunk| (chunk.end, chunk.at)).collect()
}

fn messages(
    bytes: &[u8],
    times: &BTreeMap<usize, Duration>,
    skipped: usize,
) -> Result<BTreeMap<u32, Message>> {
    let mut messages = BTreeMap::<u32, Message>::new();
    let mut decoder = Decoder::new();
    let mut block = Vec::new();
    for frame in frames(bytes).filter(|frame| matches!(frame.kind, DATA | HEADERS | CONTINUATION)) {
        let at = times.range(frame.end + skipped..).next().map(|(_, at)| *at).unwrap_or_default();
        let message =
            messages.entry(frame.stream).or_insert_with(|| Message { first: at, ..Message::default() });
        message.last = at;
        let content = frame.content().context("a frame ends early")?;
        if frame.kind == DATA {
            message.body.extend(content);
            continue;
        }
        block.extend(content);
        if frame.flags & END_HEADERS != 0 {
            let fields = decoder.decode(&std::mem::take(&mut block));
            let fields = fields.map_err(|error| anyhow!("a header block cannot be read: {error:?}"))?;
            let text = |(name, value): (Vec<u8>, _)| (String::from_utf8_lossy(&name).into_owned(), value);
            message.fields.extend(fields.into_iter().map(text));
        }
    }
    Ok(messages)
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
    /// Where it ends.
    end: usize,
}

impl Frame<'_> {
    /// Without padding and priority.
    fn content(&self) -> Option<&[u8]> {
        let mut content = self.payload;
        if self.flags & PADDED != 0 {
            let (padding, rest) = content.split_first()?;
            content = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        }
        let priority = if self.kind == HEADERS && self.flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        content.get(priority..)
    }
}

/// The whole frames (RFC 9113 §4.1).
fn frames(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<FRAME_HEADER>()?;
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = *header;
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        let payload = behind.get(..length)?;
        rest = behind.get(length..)?;
        let stream = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
        Some(Frame { kind, flags, stream, payload, end: bytes.len() - rest.len() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 C.4.1 and C.4.2: with Huffman coding, the second refers to the first.
    #[test]
    fn header_fields_are_decoded_across_requests() {
        let first = hex::decode("828684418cf1e3c2e5f23a6ba0ab90f4ff").unwrap();
        let second = hex::decode("828684be5886a8eb10649cbf").unwrap();
        let mut received = vec![0; PREFACE];
        for (stream, block) in [(1, &first), (3, &second)] {
            received.extend([0, 0, block.len() as u8, HEADERS, END_HEADERS | 1, 0, 0, 0, stream]);
            received.extend(block);
        }
        let chunks = vec![Chunk { at: Duration::from_millis(7), received: true, end: received.len() }];
        let connection = Connection {
            party: String::new(),
            peer: "127.0.0.1:1".parse().unwrap(),
            received,
            sent: Vec::new(),
            chunks,
            wire: Default::default(),
        };
        let all = exchanges(&connection).unwrap();
        assert_eq!(all[0].request.field(":authority"), "www.example.com");
        assert_eq!(all[1].request.field("cache-control"), "no-cache");
        assert_eq!(all[1].line(), "GET /");
        assert_eq!(all[1].request.first, Duration::from_millis(7));
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let payload = [2, 0, 0, 0, 0, 9, 0x82, 0, 0];
        let frame = Frame { kind: HEADERS, flags: PADDED | PRIORITY, stream: 1, payload: &payload, end: 0 };
        assert_eq!(frame.content(), Some(&[0x82][..]));
    }

    use super::super::Chunk;
}
