//! Reading: bytes of the peer to a whole valid message, or an error. RFC 9292 §3 and §4.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Response, StatusCode};

use super::error::DecodeError;
use super::reader::{Kind, Reader};
use super::{MAX_INFORMATIONAL, fields, target};

/// Reads a request in either framing. Its URI is absolute; `host`, connection fields and trailers are gone.
pub fn decode_request(bytes: &[u8]) -> Result<Request<Bytes>, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Request)?;
    let method = target::method(reader.prefixed()?)?;
    let scheme = reader.prefixed()?;
    let authority = reader.prefixed()?;
    let path = reader.prefixed()?;
    let (mut headers, content) = finish(&mut reader)?;
    if !fields::length_agrees(&headers, content.len(), false) {
        return Err(DecodeError::ContentLength);
    }
    let uri = target::uri(scheme, authority, path, &headers)?;
    headers.remove(HOST);
    let mut request = Request::new(content);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Reads a final response in either framing. Informational responses, connection fields and trailers are gone.
pub fn decode_response(bytes: &[u8]) -> Result<Response<Bytes>, DecodeError> {
    let mut reader = Reader::open(bytes, Kind::Response)?;
    let status = final_status(&mut reader)?;
    let (headers, content) = finish(&mut reader)?;
    if !fields::length_agrees(&headers, content.len(), content.is_empty()) {
        return Err(DecodeError::ContentLength);
    }
    let mut response = Response::new(content);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Reads past informational responses to the final status. RFC 9292 §3.5
fn final_status(reader: &mut Reader<'_>) -> Result<StatusCode, DecodeError> {
    for informational in 0..=MAX_INFORMATIONAL {
        if informational > 0 && reader.is_empty() {
            return Err(DecodeError::NoFinalResponse);
        }
        match reader.varint()? {
            101 => return Err(DecodeError::SwitchingProtocols),
            100..200 => reader.fields()?,
            status @ 200..600 => return parse_status(status),
            _ => return Err(DecodeError::Status),
        };
    }
    Err(DecodeError::TooManyInformational)
}

fn parse_status(status: u64) -> Result<StatusCode, DecodeError> {
    let status = u16::try_from(status).map_err(|_| DecodeError::Status)?;
    StatusCode::from_u16(status).map_err(|_| DecodeError::Status)
}

/// Reads header section, content and trailers; the rest of the bytes is padding. RFC 9292 §3.8
fn finish(reader: &mut Reader<'_>) -> Result<(HeaderMap, Bytes), DecodeError> {
    let mut headers = reader.fields()?;
    let content = reader.content()?;
    reader.fields()?;
    fields::drop_connection_fields(&mut headers);
    Ok((headers, Bytes::from(content)))
}
