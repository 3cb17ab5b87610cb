//! Takes a binary message apart: framing, varints, sections (RFC 9292 §3). Borrows, and bounds every
//! length by what is left before anything is allocated. What the parts mean is not its business.

use http::HeaderMap;

use super::error::DecodeError;
use super::{MAX_FIELDS, MAX_MESSAGE, fields};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// Reads one message front to back.
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    indeterminate: bool,
    fields_left: usize,
}

impl<'a> Reader<'a> {
    /// Reads the framing indicator and insists on `kind`. RFC 9292 §3.3
    pub(super) fn open(message: &'a [u8], kind: Kind) -> Result<Self, DecodeError> {
        if message.len() > MAX_MESSAGE {
            return Err(DecodeError::TooLarge);
        }
        let mut cursor = Cursor { rest: message };
        let (found, indeterminate) = match cursor.varint()? {
            0 => (Kind::Request, false),
            1 => (Kind::Response, false),
            2 => (Kind::Request, true),
            3 => (Kind::Response, true),
            _ => return Err(DecodeError::Framing),
        };
        match (kind, found) {
            (Kind::Request, Kind::Response) => Err(DecodeError::ExpectedRequest),
            (Kind::Response, Kind::Request) => Err(DecodeError::ExpectedResponse),
            _ => Ok(Self { cursor, indeterminate, fields_left: MAX_FIELDS }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cursor.rest.is_empty()
    }

    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        self.cursor.varint()
    }

    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        self.cursor.prefixed()
    }

    /// Reads a header or trailer section, validated. RFC 9292 §3.6
    pub(super) fn fields(&mut self) -> Result<HeaderMap, DecodeError> {
        // RFC 9292 §3.8: what is missing has length zero.
        if self.is_empty() {
            return Ok(HeaderMap::new());
        }
        if self.indeterminate {
            return read_lines(&mut self.cursor, true, &mut self.fields_left);
        }
        let rest = self.cursor.prefixed()?;
        read_lines(&mut Cursor { rest }, false, &mut self.fields_left)
    }

    /// Reads the content, its chunks joined. RFC 9292 §3.2, §3.7
    pub(super) fn content(&mut self) -> Result<Vec<u8>, DecodeError> {
        // RFC 9292 §3.8
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut content = self.cursor.prefixed()?.to_vec();
        if self.indeterminate && !content.is_empty() {
            loop {
                let chunk = self.cursor.prefixed()?;
                if chunk.is_empty() {
                    break;
                }
                content.extend_from_slice(chunk);
            }
        }
        Ok(content)
    }
}

/// Reads field lines up to an empty name (`terminated`) or else to the end of the section.
fn read_lines(
    section: &mut Cursor<'_>,
    terminated: bool,
    left: &mut usize,
) -> Result<HeaderMap, DecodeError> {
    let mut headers = HeaderMap::new();
    while terminated || !section.rest.is_empty() {
        let name = section.prefixed()?;
        if name.is_empty() {
            if terminated {
                break;
            }
            return Err(DecodeError::EmptyFieldName);
        }
        let value = section.prefixed()?;
        *left = left.checked_sub(1).ok_or(DecodeError::TooManyFields)?;
        fields::admit(&mut headers, name, value)?;
    }
    fields::join_cookies(&mut headers)?;
    Ok(headers)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads a variable-length integer, minimal or not. RFC 9000 §16
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = *self.rest.first().ok_or(DecodeError::Truncated)?;
        let length = 1_usize << (first >> 6);
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        // The two top bits said the length.
        Ok(value & (u64::MAX >> (66 - 8 * length)))
    }

    /// Reads a length and that many bytes.
    fn prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| DecodeError::LengthBeyondEnd)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::LengthBeyondEnd)?;
        self.rest = rest;
        Ok(bytes)
    }
}
