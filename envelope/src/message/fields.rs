//! Fields: what is admitted on reading, what is left out on writing.
//! RFC 9292 §3.6, RFC 9113 §8.2, RFC 9110 §7.6.1 and §8.6.

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::DecodeError;

/// Fields about a connection, which a message does not have. RFC 9110 §7.6.1
const CONNECTION_FIELDS: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Adds one field line as read, if it is valid. Crate `bhttp` checks none of this.
pub(super) fn admit(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    if name.starts_with(b":") {
        return Err(DecodeError::PseudoField);
    }
    let name = HeaderName::from_bytes(name).map_err(|_| DecodeError::FieldName)?;
    // RFC 9113 §8.2.1
    if trim(value).len() != value.len() {
        return Err(DecodeError::FieldWhitespace);
    }
    let value = HeaderValue::from_bytes(value).map_err(|_| DecodeError::FieldValue)?;
    headers.try_append(name, value).map_err(|_| DecodeError::TooManyFields)?;
    Ok(())
}

/// Makes several `cookie` lines one. RFC 9292 §3.6
pub(super) fn join_cookies(headers: &mut HeaderMap) -> Result<(), DecodeError> {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let joined = joined_cookies(headers);
        let joined = HeaderValue::from_bytes(&joined).map_err(|_| DecodeError::FieldValue)?;
        headers.insert(COOKIE, joined);
    }
    Ok(())
}

/// Drops connection fields, unread. What they nominate stays: obeying them would be acting on them.
pub(super) fn drop_connection_fields(headers: &mut HeaderMap) {
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
}

/// Whether `content-length` is absent or true. With `elided`, content may be missing (HEAD, 304).
pub(super) fn length_agrees(headers: &HeaderMap, content: usize, elided: bool) -> bool {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let (first, second) = (lines.next(), lines.next());
    let Some(value) = first else { return true };
    let digits = value.to_str().unwrap_or_default();
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    second.is_none() && number && (elided || digits.parse() == Ok(content))
}

/// The field lines to write: end-to-end fields only, cookies in one line, values without outer whitespace.
pub(super) fn to_write(headers: &HeaderMap) -> Vec<(&HeaderName, Vec<u8>)> {
    let nominated = nominated(headers);
    let mut lines = Vec::new();
    let mut cookies = Some(joined_cookies(headers));
    for (name, value) in headers {
        if CONNECTION_FIELDS.contains(&name.as_str()) || nominated.contains(name) {
            continue;
        }
        if *name != COOKIE {
            lines.push((name, trim(value.as_bytes()).to_vec()));
        } else if let Some(joined) = cookies.take() {
            lines.push((name, joined));
        }
    }
    lines
}

/// The fields that `Connection` declares to be about the connection.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.filter_map(|option| HeaderName::from_bytes(trim(option)).ok()).collect()
}

fn joined_cookies(headers: &HeaderMap) -> Vec<u8> {
    let values = headers.get_all(COOKIE).iter().map(|value| trim(value.as_bytes()));
    // An empty one would leave whitespace at the end, which no field value may have.
    let values: Vec<_> = values.filter(|value| !value.is_empty()).collect();
    values.join(&b"; "[..])
}

/// Cuts off outer spaces and tabs. RFC 9110 §5.5
fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
